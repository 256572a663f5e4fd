"""Who may deploy: jobs of one GitHub environment of one repository, whichever form their subject has."""

from synthesised import Synthesised


def test_both_forms_of_the_subject_are_trusted_and_no_other(prod: Synthesised) -> None:
    [role] = [one for one in prod.properties("AWS::IAM::Role") if one.get("RoleName") == "counterfoil-prod-ci"]
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": [
                "repo:example/counterfoil:environment:prod",
                "repo:example@11/counterfoil@22:environment:prod",
            ],
        }
    }


def test_no_key_is_made_for_ci(prod: Synthesised) -> None:
    assert not prod.of("AWS::IAM::AccessKey")
    assert not prod.of("AWS::IAM::User")


def test_without_a_repository_there_is_no_role_for_ci(dev: Synthesised) -> None:
    assert "counterfoil-dev-delivery" not in dev.templates
