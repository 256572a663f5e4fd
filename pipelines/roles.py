"""The roles that SageMaker takes on: do they exist, and do they let it?"""

from collections.abc import Iterator, Mapping
from typing import Any

from counterfoil.errors import PipelineError
from counterfoil.workspace.settings import PipelineSettings

SERVICE = "sagemaker.amazonaws.com"


def check_roles(settings: PipelineSettings, iam: Any) -> None:
    """Look at the pipelines' role and at each step's own; `iam` is boto3's client.

    A role that we may not look at is passed over: SageMaker will say. Raises PipelineError that names the role,
    what is wrong with it, and the setting it comes from.
    """
    for role, origin in _roles(settings):
        trusted = _trusted(role, origin, iam)
        if trusted is not None and SERVICE not in trusted:
            others = ", ".join(sorted(trusted)) or "no service"
            raise PipelineError(
                f"role {role} ({origin}) lets {others} take it on, and not {SERVICE}: "
                f"allow sts:AssumeRole to the service {SERVICE} in its trust policy"
            )


def _roles(settings: PipelineSettings) -> Iterator[tuple[str, str]]:
    yield settings.role, "COUNTERFOIL_PIPELINE_ROLE"
    for step, role in settings.step_roles.items():
        yield role, f"COUNTERFOIL_PIPELINE_STEP_ROLES, step {step}"


def _trusted(role: str, origin: str, iam: Any) -> set[str] | None:
    """The services that may take on a role, or None if we may not see that."""
    from botocore.exceptions import ClientError

    try:
        found = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("NoSuchEntity", "NoSuchEntityException"):
            raise _missing(role, origin) from None
        if code in ("AccessDenied", "AccessDeniedException"):
            return None
        raise
    if found["Arn"] != role:
        raise _missing(role, origin)
    statements = found["AssumeRolePolicyDocument"]["Statement"]
    return {service for statement in _listed(statements) for service in _services(statement)}


def _missing(role: str, origin: str) -> PipelineError:
    return PipelineError(f"role {role} ({origin}) does not exist in this account: create it, or name another there")


def _services(statement: Mapping[str, Any]) -> list[str]:
    """The services that a statement of a trust policy lets in, whatever conditions it sets."""
    actions = set(_listed(statement.get("Action", [])))
    principal = statement.get("Principal", {})
    if statement.get("Effect") != "Allow" or not actions & {"sts:AssumeRole", "sts:*", "*"}:
        return []
    return [SERVICE] if principal == "*" else _listed(principal.get("Service", []))


def _listed(value: Any) -> list[Any]:
    """IAM writes a list of one as the one."""
    return value if isinstance(value, list) else [value]
