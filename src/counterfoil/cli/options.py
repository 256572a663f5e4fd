"""Options that several commands share."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterfoil.errors import NotFoundError, UsageError
from counterfoil.steps.options import LABEL_DELAY_MEANING, period_of_days

if TYPE_CHECKING:
    from counterfoil.domain.periods import Period
    from counterfoil.workspace.wiring import Workspace

Files = Annotated[
    list[Path],
    typer.Argument(
        help="Payment files, or folders of them, of the format that the mapping names: CSV, JSON Lines, Parquet, "
        "ISO 20022 XML, MT103, MT940, NACHA or ISO 8583; as they are or packed with gzip, bzip2, xz, zstd or zip",
        exists=True,
    ),
]
MappingName = Annotated[str, typer.Option("--mapping", "-m", help="A shipped mapping's name, or a .toml file")]
WorkspaceFolder = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Workspace folder [default: $COUNTERFOIL_WORKSPACE or .counterfoil]"),
]


def existing_workspace(folder: Path | None) -> "Workspace":
    """Open a workspace that something was written to. Raises NotFoundError for a folder that is not there.

    A mistyped name would otherwise become an empty workspace. Where the stores are elsewhere, the folder is a cache.
    """
    from counterfoil.workspace.wiring import open_workspace

    place = open_workspace(folder)
    if place.settings.lake is None and not place.root.exists():
        raise NotFoundError(
            f"there is no workspace in {place.root}: name it by --workspace or COUNTERFOIL_WORKSPACE, or begin one "
            "with 'counterfoil collect' or 'counterfoil demo'"
        )
    return place


def _parquet(path: Path | None) -> Path | None:
    if path is not None and path.suffix != ".parquet":
        raise UsageError(f"{path} would be a Parquet file: let its name end in .parquet")
    return path


ParquetFile = Annotated[Path | None, typer.Option(callback=_parquet, help="Also write the scores to this Parquet file")]


def day_option(meaning: str | None = None, *names: str) -> Any:
    """Return an option that takes a day as people write it."""
    return typer.Option(*names, formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help=meaning)


Day = Annotated[datetime | None, day_option()]
DelayDays = Annotated[float, typer.Option(min=0, max=3650, help=LABEL_DELAY_MEANING)]
ReleaseId = Annotated[
    str | None, typer.Option("--release", help="A release's id or alias [default: the champion, else the newest]")
]


def utc(day: datetime | None) -> datetime | None:
    """The midnight in UTC at which a day begins."""
    return None if day is None else day.replace(tzinfo=UTC)


def days(since: datetime | None, until: datetime | None) -> "Period":
    """Days with both ends included, as the half-open span of the steps. Raises UsageError where they are reversed."""
    return period_of_days(utc(since), utc(until))
