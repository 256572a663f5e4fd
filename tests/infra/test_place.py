"""How a command of the delivery ends."""

import pytest

from counterfoil.errors import UsageError
from infra.deploy.place import DeployError, exit_code_of


@pytest.mark.parametrize(("error", "code"), [(None, 0), (DeployError("a stack stays"), 1), (UsageError("no such"), 2)])
def test_an_error_becomes_a_code_and_a_line(
    error: Exception | None, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        if error is not None:
            raise error

    assert exit_code_of(work) == code
    assert capsys.readouterr().err == ("" if error is None else f"{error}\n")


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_code_of(lambda: 1 / 0)
