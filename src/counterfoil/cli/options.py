"""Options that several commands share."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

Files = Annotated[
    list[Path],
    typer.Argument(
        help="Payment files, or folders of them: CSV, JSON Lines, Parquet or ISO 20022 XML, as they are or packed with "
        "gzip, bzip2, xz, zstd or zip",
        exists=True,
    ),
]
MappingName = Annotated[str, typer.Option("--mapping", "-m", help="A shipped mapping's name, or a .toml file")]
WorkspaceFolder = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Workspace folder [default: $COUNTERFOIL_WORKSPACE or .counterfoil]"),
]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]
DelayDays = Annotated[float, typer.Option(min=0, help="Days until a payment's label can be trusted")]
ReleaseId = Annotated[
    str | None, typer.Option("--release", help="A release's id or alias [default: the champion, else the newest]")
]
