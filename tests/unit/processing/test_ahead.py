"""What a process on standby imports: it would be silent about a module that is gone."""

from importlib.util import find_spec

import pytest
import typer

from counterfoil.processing import collector, curation, detector
from counterfoil.processing.ahead import NEEDED


def test_every_command_of_the_containers_has_its_modules() -> None:
    commands: set[str] = set()
    for app in (collector.app, curation.app, detector.app):
        command = typer.main.get_command(app)
        commands |= set(command.commands)  # type: ignore[attr-defined]
    assert set(NEEDED) == commands


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted({module for modules in NEEDED.values() for module in modules}))
def test_the_modules_are_there(module: str) -> None:
    assert find_spec(module) is not None
