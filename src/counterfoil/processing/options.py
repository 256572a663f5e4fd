"""Arguments that several steps share. Days are `YYYY-MM-DD`, both ends included; `-` stands for none."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from counterfoil.domain.periods import Period
from counterfoil.errors import UsageError
from counterfoil.processing.job import NONE, given

Mapping = Annotated[str, typer.Option("--mapping", help="A shipped mapping's name, or a .toml file in the image")]
Since = Annotated[str, typer.Option("--since", help="First day, or -")]
Until = Annotated[str, typer.Option("--until", help="Last day, or -")]
DelayDays = Annotated[float, typer.Option("--label-delay-days", min=0)]
NO_DAY = NONE


def day(option: str, value: str) -> datetime | None:
    """Midnight (UTC) of a day, or None for `-`. Raises UsageError."""
    text = given(value)
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"{option} {text!r} is no day: write it as 2026-01-31, or - for none") from None


def period(since: str, until: str) -> Period:
    """Days with both ends included, as the half-open span of the steps. Raises UsageError."""
    first, last = day("--since", since), day("--until", until)
    if first and last and last < first:
        raise UsageError(f"--until {until} lies before --since {since}: exchange them")
    return Period(first, None if last is None else last + timedelta(days=1))
