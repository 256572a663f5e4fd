"""What of the lake's payments a later step needs: the files of some days, and single payments of all others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from counterfoil.domain.features.span import seen_beside, seen_whole
from counterfoil.domain.features.spec import FeatureSpec
from counterfoil.domain.periods import Period
from counterfoil.domain.schemas import EVENT_DATE
from counterfoil.steps.lake.engine import engine, one_row, parquet_source

_A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class History:
    """Published payments that evidence depends on: whole `files`, and of the `others` those that `beside` holds for.

    `beside` is a condition on a payment as its own file has it; it may read the files of `labels` that it was made for.
    """

    files: tuple[Path, ...]
    others: tuple[Path, ...]
    beside: str

    def write_beside(self, target: Path) -> int:
        """Write the single payments to a Parquet file, and return how many there are.

        It has the columns of all files, whole ones too, each of the type that it has among all of them: a reader of a
        part then sees the columns that a reader of everything sees. There must be one file at least.
        """
        columns = f"SELECT * FROM {parquet_source([*self.files, *self.others])} LIMIT 0"
        rows = f"SELECT * FROM {parquet_source(self.others)} WHERE {self.beside}" if self.others else columns
        with engine(near=target.parent) as database:
            name = str(target).replace("'", "''")
            query = f"({columns}) UNION ALL BY NAME ({rows})"
            (written,) = one_row(database, f"COPY ({query}) TO '{name}' (FORMAT parquet, COMPRESSION zstd)")
        return int(written)


def history_of(
    files: Sequence[Path],
    labels: Sequence[Path],
    specs: Sequence[FeatureSpec],
    label_delay: timedelta,
    wanted: Sequence[Period],
) -> History:
    """Choose of published `files` of transactions what evidence of payments of the `wanted` periods depends on.

    Evidence computed with it is that computed with all files, to the bit. `labels` are all files of what was said.
    """
    chosen = files_of(files, seen_whole(specs, label_delay, wanted))
    said = parquet_source(labels) if labels else None
    beside = seen_beside(specs, label_delay, _from_first_to_last(wanted), said) if wanted else "false"
    whole = set(chosen)
    return History(tuple(chosen), tuple(path for path in files if path not in whole), beside)


def files_of(files: Sequence[Path], periods: Sequence[Period]) -> list[Path]:
    """The files that may have payments of one of the periods: all that do not lie in the folder of another day."""
    return [path for path in files if (day := _day_of(path)) is None or any(_meets(day, one) for one in periods)]


def _meets(day: datetime, period: Period) -> bool:
    begins = period.since is None or day + _A_DAY > period.since
    return begins and (period.until is None or day < period.until)


def _day_of(file: Path) -> datetime | None:
    """The day (UTC) whose folder a file of payments lies in; None for a file of mixed days."""
    key, _, value = file.parent.name.partition("=")
    return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC) if key == EVENT_DATE else None


def _from_first_to_last(wanted: Sequence[Period]) -> Period:
    since = [one.since for one in wanted]
    until = [one.until for one in wanted]
    return Period(
        None if None in since else min(moment for moment in since if moment is not None),
        None if None in until else max(moment for moment in until if moment is not None),
    )
