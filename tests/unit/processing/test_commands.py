"""A container's command follows from its step's options."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from counterfoil.domain.options import Kind, option
from counterfoil.processing.commands import container
from counterfoil.processing.job import main


@dataclass(frozen=True, kw_only=True)
class PaintOptions:
    """What to paint, for example."""

    colour: str = option("A colour's name")
    coats: int = option("How many coats", Kind.COUNT, default=2)
    share: float = option("How much of it", Kind.SHARE, default=0.5)
    until: datetime | None = option("The last day", Kind.DAY, default=None)
    wet: bool = option("Whether it may be wet", Kind.SWITCH, default=False)


@pytest.fixture
def painted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[PaintOptions]:
    monkeypatch.setenv("COUNTERFOIL_ML_ROOT", str(tmp_path / "ml"))
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(tmp_path / "workspace"))
    return []


def run(painted: list[PaintOptions], *arguments: str) -> int:
    def paint(options: PaintOptions) -> None:
        """Paint."""
        painted.append(options)

    return main(container("Paints.", (PaintOptions, paint)), ["paint", *arguments])


def test_a_command_is_given_what_the_options_declare(painted: list[PaintOptions]) -> None:
    assert run(painted, "--colour", "red") == 0
    given = ("--colour", "-", "--coats", "3", "--share", "1", "--until", "2026-01-31", "--wet", "true")
    assert run(painted, *given) == 0
    last = datetime(2026, 1, 31, tzinfo=UTC)
    assert painted == [PaintOptions(colour="red"), PaintOptions(colour="-", coats=3, share=1, until=last, wet=True)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--colour"),
        (("--colour", "red", "--coats", "0"), "--coats"),
        (("--colour", "red", "--share", "1.5"), "--share"),
        (("--colour", "red", "--until", "31.1.2026"), "--until is '31.1.2026': give a day (YYYY-MM-DD) or '-'"),
        (("--colour", "red", "--wet", "no"), "--wet is 'no': give 'true' or 'false'"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_the_reason_is_left(
    painted: list[PaintOptions], tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    assert (run(painted, *arguments), painted) == (2, [])
    assert words in (tmp_path / "ml" / "output" / "message").read_text()
