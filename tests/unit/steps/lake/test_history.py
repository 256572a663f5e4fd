"""Which published files of payments a span needs, and which single payments of the others."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.domain.features.spec import DEFAULT_SPECS, Aggregate, Entity, FeatureSpec, specs_with
from counterfoil.domain.periods import LABEL_DELAY, Period
from counterfoil.domain.schemas import transactions_schema
from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.lake.history import files_of, history_of
from counterfoil.steps.lake.span import days_of

NEW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY = Period(NEW, NEW + DAY)


def write(root: Path, moment: datetime, label: int | None = None, said: datetime | None = None, **more: object) -> Path:
    """Write a payment of its moment's day, labelled when it was `said`, to a file of its own, as `collect` does."""
    folder = root / f"event_date={moment:%Y-%m-%d}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"part-{len(list(folder.iterdir()))}.parquet"
    row = {"transaction_id": f"{moment:%Y%m%d}", "event_time": moment, "label": label, "source": "s", "source_line": 1}
    table = pa.Table.from_pylist([{**row, "label_time": said}], schema=transactions_schema())
    for name, value in more.items():
        table = table.append_column(name, pa.array([value]))
    pq.write_table(table, path)
    return path


def ids_beside(history, root: Path) -> list[str]:
    history.write_beside(root / "beside.parquet")
    return sorted(pq.read_table(root / "beside.parquet")["transaction_id"].to_pylist())


def test_a_day_of_new_payments_needs_37_days_and_the_frauds_of_a_year(tmp_path: Path) -> None:
    ages = (0, 37, 38, 365 + 7, 365 + 8)
    files = [write(tmp_path, NEW - age * DAY, label=1) for age in ages]
    good = write(tmp_path, NEW - 40 * DAY, label=0)
    history = history_of([*files, good], [], DEFAULT_SPECS, LABEL_DELAY, [TODAY])
    assert history.files == tuple(files[:2])
    assert ids_beside(history, tmp_path) == sorted(f"{NEW - age * DAY:%Y%m%d}" for age in (38, 372))


def test_a_label_that_was_said_late_counts_from_then(tmp_path: Path) -> None:
    """However old its payment is: as a fraud, and as good where labels that are known as good count."""
    for age, (label, said) in enumerate([(1, 1), (1, 400), (0, 1), (0, 400)], 1000):
        write(tmp_path, NEW - age * DAY, label, NEW - said * DAY)
    files = sorted(tmp_path.rglob("*.parquet"))
    fraud, good = f"{NEW - 1000 * DAY:%Y%m%d}", f"{NEW - 1002 * DAY:%Y%m%d}"
    judged = FeatureSpec(Entity.MERCHANT, Aggregate.JUDGED, 30 * 24)
    assert ids_beside(history_of(files, [], DEFAULT_SPECS, LABEL_DELAY, [TODAY]), tmp_path) == [fraud]
    history = history_of(files, [], (*DEFAULT_SPECS, judged), LABEL_DELAY, [TODAY])
    assert ids_beside(history, tmp_path) == [good, fraud]


def test_a_late_payment_needs_the_days_before_it_and_not_those_between(tmp_path: Path) -> None:
    files = {age: write(tmp_path, NEW - age * DAY) for age in (0, 30, 60, 200, 230, 250)}
    late = Period(NEW - 200 * DAY, NEW - 199 * DAY)
    history = history_of(list(files.values()), [], DEFAULT_SPECS, LABEL_DELAY, [late, TODAY])
    assert history.files == tuple(files[age] for age in (0, 30, 200, 230))


def test_an_entity_of_a_mapping_needs_all_days_until_then(tmp_path: Path) -> None:
    files = [write(tmp_path, NEW - age * DAY) for age in (-1, 0, 400, 4000)]
    history = history_of(files, [], specs_with({"place": ("merchant_id",)}), LABEL_DELAY, [TODAY])
    assert history.files == tuple(files[1:])


def test_nothing_new_needs_nothing(tmp_path: Path) -> None:
    files = [write(tmp_path, NEW, label=1)]
    history = history_of(files, [], DEFAULT_SPECS, LABEL_DELAY, days_of([]))
    assert history.files == ()
    assert ids_beside(history, tmp_path) == []


def test_a_file_that_lies_in_no_days_folder_is_always_needed(tmp_path: Path) -> None:
    mixed = write(tmp_path, NEW - 4000 * DAY)
    mixed = mixed.rename(tmp_path / "part-0.parquet")
    assert files_of([mixed], [TODAY]) == [mixed]


@pytest.mark.parametrize(("since", "until", "found"), [(0, 1, "b"), (-1, 1, "ab"), (None, 0, "a"), (1, None, "c")])
def test_files_of_a_span_are_those_of_its_days(tmp_path: Path, since: int, until: int, found: str) -> None:
    files = {name: write(tmp_path, NEW + day * DAY) for name, day in (("a", -1), ("b", 0), ("c", 1))}
    period = Period(*(None if day is None else NEW + day * DAY for day in (since, until)))
    assert files_of(list(files.values()), [period]) == [files[name] for name in found]


def test_the_single_payments_have_all_columns_with_the_types_that_all_files_give_them(tmp_path: Path) -> None:
    """A reader of a part must see what a reader of everything sees, also where no row is carried."""
    files = [write(tmp_path, NEW, risk=1), write(tmp_path, NEW - 90 * DAY, risk=0.5, branch="x")]
    history = history_of(files, [], DEFAULT_SPECS, LABEL_DELAY, [TODAY])
    assert ids_beside(history, tmp_path) == []
    with engine() as database:
        whole, part = (
            database.execute(f"DESCRIBE FROM {parquet_source(some)}").fetchall()
            for some in (files, [*history.files, tmp_path / "beside.parquet"])
        )
    assert sorted(part) == sorted(whole)


def test_days_of_files_are_those_of_their_payments(tmp_path: Path) -> None:
    files = [write(tmp_path, NEW + timedelta(hours=23)), write(tmp_path, NEW), write(tmp_path, NEW - 3 * DAY)]
    assert days_of(files) == [Period(NEW - 3 * DAY, NEW - 2 * DAY), TODAY]
