"""How a command of the delivery ends."""

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from counterfoil.errors import StoreUnavailableError, UsageError
from infra.deploy import deploy, destroy, execute
from infra.deploy.place import DeployError, Place, exit_code_of, run_here
from infra.environments import DEV


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (DeployError("a stack stays"), 1),
        (StoreUnavailableError("S3 is not available"), 1),
        (UsageError("no such"), 2),
    ],
)
def test_an_error_becomes_a_code_and_a_line(
    error: Exception | None, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        if error is not None:
            raise error

    assert exit_code_of(work) == code
    assert capsys.readouterr().err == ("" if error is None else f"{error}\n")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoCredentialsError(), "AWS is not available (Unable to locate credentials): log in to AWS"),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "not allowed: ecs:RunTask"}}, "RunTask"),
            "AWS's RunTask is not available (AccessDenied: not allowed: ecs:RunTask: let this role do that)",
        ),
    ],
)
def test_what_aws_refuses_is_one_line_with_a_way_out(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        raise error

    assert exit_code_of(work) == 1
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.usefixtures("aws")
def test_commands_on_an_empty_account_name_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    values = "RawUri=s3://bank/incoming Mapping=counterfoil-simulated TrainUntil=2026-01-01 EvaluateFrom=2026-01-09"
    assert execute.main(["training", "--environment", "dev", "--parameters", values]) == 1
    assert capsys.readouterr().err.startswith("there is no stack counterfoil-dev-training: deploy dev first")
    with pytest.raises(DeployError, match="there is no stack counterfoil-dev-scoring"):
        Place(DEV).output("scoring", "Address")


@pytest.mark.parametrize("main", [deploy.main, destroy.main, execute.main])
def test_a_command_without_its_arguments_ends_with_2(main: Callable[[list[str]], int]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2


def test_a_deployment_without_a_commit_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main(["--environment", "dev", "--tag", ""]) == 2
    assert "--tag is '': give the commit" in capsys.readouterr().err
    assert deploy.main(["--environment", "prod", "--tag", "c0ffee1"]) == 2
    assert "needs jwt_issuer and jwt_audience" in capsys.readouterr().err


def test_a_program_that_is_not_here_is_named() -> None:
    with pytest.raises(DeployError, match=r"no-such-program cannot be run \(No such file or directory\): install it"):
        run_here(["no-such-program", "synth"])


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_code_of(lambda: 1 / 0)
