"""Curated source IPs, held against a computation of their own; new files touch their months only."""

import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from release_stores import Killed, Mortal, MortalTables

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.networks import MaxmindNetworks
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.domain.schemas import SOURCE_IP_DAYS, SOURCE_IPS
from counterfoil.domain.tables import SOURCE_IP_DAY_TABLE, SOURCE_IP_TABLE
from counterfoil.errors import InputFileError, NotFoundError
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.intake.curate import CurationSummary, curate
from counterfoil.steps.lake import engine

curation_step = sys.modules[curate.__module__]
KEY = b"0123456789abcdef"
WEEK = timedelta(days=7)
LAYOUT = """
[fields]
transaction_id = "id"
event_time = "t"
amount = "a"
currency = "cur"
account = "who"
source_ip = "ip"
label = "l"
label_time = "lt"
[labels]
fraud = ["1"]
good = ["0"]
unknown = [""]
"""
MAPPING = parse_mapping(LAYOUT, "shop")
NO_IPS = parse_mapping(LAYOUT.replace('source_ip = "ip"\n', ""), "no-ips")
COLUMNS = ("id", "t", "a", "cur", "who", "ip", "l", "lt")
Row = tuple[str, ...]


def row(number: int, day: str, ip: str, **others: str) -> Row:
    values = {"id": f"p{number}", "t": f"{day}T12:00:00Z", "a": "1.50", "cur": "EUR", "who": "ann", "ip": ip,
              "l": "0", "lt": ""} | others  # fmt: skip
    return tuple(values[name] for name in COLUMNS)


def collected(root: Path, rows: Sequence[Row], name: str, mapping: SourceMapping = MAPPING) -> list[Path]:
    """Collect a file with these rows, and return what it brought to `transactions`."""
    path = root / name
    root.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, index=False)
    tables = FolderTables(root / "lake")
    before = set(tables.files("transactions"))
    collect([path], mapping, key=KEY, reader=InputFiles(), tables=tables, ledger=MemoryLedger())
    return sorted(set(tables.files("transactions")) - before)


def curated(root: Path, **options: Any) -> CurationSummary:
    return curate(FolderTables(root / "lake"), MAPPING, **options)


def read(root: Path, table: str, run: str | None = None) -> list[dict[str, Any]]:
    files = FolderTables(root / "lake").files(table, run)
    return [found for file in files for found in pq.ParquetFile(file).read().to_pylist()]


def days(root: Path) -> dict[tuple[str, date], dict[str, Any]]:
    """Return the rows by address and day."""
    addresses = {found["source_ip_id"]: found["address"] for found in read(root, SOURCE_IP_TABLE)}
    rows = read(root, SOURCE_IP_DAY_TABLE)
    by_key = {(addresses[found.pop("source_ip_id")], found.pop("event_date")): found for found in rows}
    assert len(by_key) == len(rows)
    return by_key


def contents(root: Path) -> dict[str, bytes]:
    """Return the bytes of both tables by run."""
    tables = FolderTables(root / "lake")
    found: dict[str, bytes] = {}
    for table in (SOURCE_IP_TABLE, SOURCE_IP_DAY_TABLE):
        for run in sorted(tables.runs(table)):
            found[f"{table}/{run}"] = b"".join(path.read_bytes() for path in tables.files(table, run))
    return found


def test_a_day_counts_payments_accounts_and_amounts_by_currency(tmp_path: Path) -> None:
    rows = [
        row(1, "2024-01-31", "8.8.8.8"),
        row(2, "2024-01-31", "8.8.8.8:443", who="bob", a="0.0001"),
        row(3, "2024-01-31", "::ffff:8.8.8.8", cur="USD"),
        row(4, "2024-01-31", "8.8.8.8", cur="", a="7"),
        row(5, "2024-02-01", "8.8.8.8", who=""),
        row(6, "2024-01-31", "1.1.1.1"),
        row(7, "2024-01-31", ""),
    ]
    collected(tmp_path, rows, "in.csv")
    summary = curated(tmp_path)
    found = days(tmp_path)
    assert found[("8.8.8.8", date(2024, 1, 31))] == {
        "payments": 4,
        "accounts": 2,
        "amounts": [
            {"currency": "EUR", "payments": 2, "total": Decimal("1.5001")},
            {"currency": "USD", "payments": 1, "total": Decimal("1.5000")},
            {"currency": None, "payments": 1, "total": Decimal("7.0000")},
        ],
        "frauds_known": 0,
    }
    assert found[("8.8.8.8", date(2024, 2, 1))]["accounts"] == 0
    assert set(found) == {
        ("8.8.8.8", date(2024, 1, 31)), ("8.8.8.8", date(2024, 2, 1)), ("1.1.1.1", date(2024, 1, 31)),
    }  # fmt: skip
    assert (summary.source_ips, summary.payments, summary.days) == (2, 6, 3)
    assert summary.months == ("2024-01", "2024-02")


def test_the_tables_have_their_schemas_and_order(tmp_path: Path) -> None:
    collected(tmp_path, [row(n, f"2024-01-{1 + n % 3:02}", f"10.0.0.{n % 5}") for n in range(40)], "in.csv")
    curated(tmp_path)
    tables = FolderTables(tmp_path / "lake")
    (ips,), (months,) = (tables.files(name) for name in (SOURCE_IP_TABLE, SOURCE_IP_DAY_TABLE))
    by_ip, by_day = pq.ParquetFile(ips).read(), pq.ParquetFile(months).read()
    assert by_ip.schema == SOURCE_IPS
    assert by_day.schema == SOURCE_IP_DAYS
    assert by_ip["source_ip_id"].to_pylist() == sorted(by_ip["source_ip_id"].to_pylist())
    keys = list(zip(by_day["event_date"].to_pylist(), by_day["source_ip_id"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    assert len(keys) == 15


def test_a_source_ip_is_told_with_its_kind_and_span(tmp_path: Path) -> None:
    rows = [
        row(1, "2024-01-05", "10.1.2.3"), row(2, "2024-01-09", "10.1.2.3", who="bob"), row(3, "2024-01-02", "10.1.2.3"),
        row(4, "2024-01-01", "2a00:1450::1"), row(5, "2024-01-01", "Nobody"),
    ]  # fmt: skip
    collected(tmp_path, rows, "in.csv")
    summary = curated(tmp_path)
    found = {one.pop("address"): one for one in read(tmp_path, SOURCE_IP_TABLE)}
    private = found["10.1.2.3"]
    assert (private["version"], private["kind"], private["prefix"]) == (4, "private", "10.1.2.0/24")
    assert private["first_seen"] == datetime(2024, 1, 2, 12, tzinfo=UTC)
    assert private["last_seen"] == datetime(2024, 1, 9, 12, tzinfo=UTC)
    assert (private["payments"], private["accounts"], private["blocklists"]) == (3, 2, None)
    assert (found["2a00:1450::1"]["version"], found["2a00:1450::1"]["prefix"]) == (6, "2a00:1450::/48")
    assert (found[None]["kind"], found[None]["version"], found[None]["payments"]) == ("unreadable", None, 1)
    assert summary.kinds == {"private": 1, "public": 1}
    assert (summary.unreadable, summary.without_address, summary.blocklisted) == (1, 0, None)


def test_a_fraud_counts_on_the_day_when_it_became_known(tmp_path: Path) -> None:
    rows = [
        row(1, "2024-01-20", "8.8.8.8", l="1", lt="2024-01-21T00:00:00Z"),  # waits for the delay: the 27th
        row(2, "2024-01-20", "8.8.8.8", l="1", lt="2024-02-10T09:00:00Z"),  # labelled late
        row(3, "2024-01-20", "8.8.8.8", l="1"),
        row(4, "2024-01-20", "8.8.8.8", l="0", lt="2024-03-01T00:00:00Z"),
        row(5, "2024-01-20", "8.8.8.8", l=""),
    ]
    collected(tmp_path, rows, "in.csv")
    assert curated(tmp_path, label_delay=WEEK).months == ("2024-01", "2024-02")
    found = days(tmp_path)
    assert {day: (one["payments"], one["frauds_known"]) for (_, day), one in found.items()} == {
        date(2024, 1, 20): (5, 0),
        date(2024, 1, 27): (0, 2),
        date(2024, 2, 10): (0, 1),
    }
    assert found[("8.8.8.8", date(2024, 2, 10))]["amounts"] == []
    curated(tmp_path, label_delay=timedelta(0))
    assert days(tmp_path)[("8.8.8.8", date(2024, 1, 20))]["frauds_known"] == 1


IPS = ("8.8.8.8", "1.1.1.1", "10.0.0.1", "2a00:1450::1", "")
MOMENTS = st.integers(0, 120 * 24).map(lambda hours: datetime(2023, 12, 1, tzinfo=UTC) + timedelta(hours=hours))
PAYMENT = st.tuples(
    MOMENTS,
    st.integers(0, 10**6),
    st.sampled_from(["EUR", "USD", ""]),
    st.sampled_from(["ann", "bob", "cy", ""]),
    st.sampled_from(IPS),
    st.sampled_from(["0", "1", ""]),
    st.none() | MOMENTS,
)


def _as_row(number: int, payment: tuple[Any, ...]) -> Row:
    moment, cents, currency, account, ip, label, labelled = payment
    written = "" if labelled is None else labelled.isoformat()
    return (f"p{number}", moment.isoformat(), f"{cents / 100:.2f}", currency, account, ip, label, written)


def _expected(payments: Sequence[tuple[Any, ...]]) -> dict[tuple[str, date], dict[str, Any]]:
    """The same figures, counted payment by payment."""
    by_day: dict[tuple[str, date], list[tuple[Any, ...]]] = defaultdict(list)
    known: dict[tuple[str, date], int] = defaultdict(int)
    for payment in payments:
        moment, *_, ip, label, labelled = payment
        if ip:
            by_day[(ip, moment.date())].append(payment)
            if label == "1":
                known[(ip, max(labelled or moment, moment + WEEK).date())] += 1
    return {
        key: {
            "payments": len(by_day[key]),
            "accounts": len({payment[3] for payment in by_day[key]} - {""}),
            "amounts": _amounts(by_day[key]),
            "frauds_known": known.get(key, 0),
        }
        for key in {*by_day, *known}
    }


def _amounts(payments: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for currency in ("EUR", "USD", ""):
        cents = [payment[1] for payment in payments if payment[2] == currency]
        if cents:
            total = Decimal(sum(cents)).scaleb(-2)
            found.append({"currency": currency or None, "payments": len(cents), "total": total})
    return found


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(4), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PAYMENT, min_size=1, max_size=30), st.lists(PAYMENT, max_size=10))
def test_new_files_make_what_all_files_at_once_make(
    tmp_path_factory: pytest.TempPathFactory, first: list[tuple[Any, ...]], second: list[tuple[Any, ...]]
) -> None:
    stepwise, at_once = tmp_path_factory.mktemp("stepwise"), tmp_path_factory.mktemp("at_once")
    rows = [_as_row(number, payment) for number, payment in enumerate([*first, *second])]
    for place, part in enumerate((rows[: len(first)], rows[len(first) :])):
        curated(stepwise, touched=collected(stepwise, part, f"{place}.csv"))
        collected(at_once, part, f"{place}.csv")
    curated(at_once)
    assert days(stepwise) == _expected([*first, *second])
    assert contents(stepwise) == contents(at_once)


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 5, 50])
def test_many_payments_are_curated_some_days_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    late = {"l": "1", "lt": "2024-03-20T00:00:00Z"}  # known in a month without payments
    soon = {"l": "1"}  # known a week later, on a day with payments or without
    kinds = {0: late, 1: soon}
    rows = [row(n, f"2024-0{1 + n % 2}-{2 + n % 9:02}", f"8.8.8.{n % 3}", **kinds.get(n % 5, {})) for n in range(40)]
    collected(tmp_path, rows[:25], "one.csv")
    collected(tmp_path, rows[25:], "two.csv")
    curated(tmp_path)
    expected = read(tmp_path, SOURCE_IP_DAY_TABLE)
    spans: list[int] = []
    cut = curation_step._spans

    def noting(files: Sequence[Path]) -> list[list[Path]]:
        found = cut(files)
        spans.append(len(found))
        return found

    monkeypatch.setattr(curation_step, "PAYMENTS_AT_ONCE", at_once)
    monkeypatch.setattr(curation_step, "_spans", noting)
    curated(tmp_path)
    assert read(tmp_path, SOURCE_IP_DAY_TABLE) == expected
    assert spans == {1: [9, 9, 0], 5: [5, 5, 0], 50: [1, 1, 0]}[at_once]


@pytest.mark.slow
def test_only_touched_months_are_made_anew(tmp_path: Path) -> None:
    collected(tmp_path, [row(n, f"2024-0{n}-15", "8.8.8.8") for n in range(1, 6)], "one.csv")
    curated(tmp_path)
    tables = FolderTables(tmp_path / "lake")
    before = set(tables.files(SOURCE_IP_DAY_TABLE))
    new = collected(tmp_path, [row(9, "2024-02-15", "8.8.8.8", l="1", lt="2024-04-01T00:00:00Z")], "two.csv")
    summary = curated(tmp_path, touched=new)
    assert summary.months == ("2024-02", "2024-04")
    kept = before & set(tables.files(SOURCE_IP_DAY_TABLE))
    assert sorted(path.parent.name[:7] for path in kept) == ["2024-01", "2024-03", "2024-05"]
    assert (summary.source_ips, summary.payments) == (1, 6)
    assert days(tmp_path)[("8.8.8.8", date(2024, 4, 1))]["frauds_known"] == 1
    assert days(tmp_path)[("8.8.8.8", date(2024, 2, 15))]["payments"] == 2


def test_nothing_new_touches_no_month(tmp_path: Path) -> None:
    collected(tmp_path, [row(1, "2024-01-15", "8.8.8.8")], "one.csv")
    curated(tmp_path)
    before = contents(tmp_path)
    assert curated(tmp_path, touched=[]).months == ()
    assert contents(tmp_path) == before


def test_a_month_that_lost_its_payments_is_emptied(tmp_path: Path) -> None:
    collected(tmp_path, [row(1, "2024-01-15", "8.8.8.8"), row(2, "2024-02-15", "8.8.8.8")], "one.csv")
    curated(tmp_path)
    collected(tmp_path / "other", [row(1, "2024-01-15", "8.8.8.8")], "one.csv")
    for table in ("transactions", "addresses"):
        shutil.rmtree(tmp_path / "lake" / table)
        shutil.copytree(tmp_path / "other" / "lake" / table, tmp_path / "lake" / table)
    curated(tmp_path)
    assert read(tmp_path, SOURCE_IP_DAY_TABLE, "2024-02") == []
    assert len(read(tmp_path, SOURCE_IP_DAY_TABLE, "2024-01")) == 1


def test_without_source_ips_the_tables_are_empty(tmp_path: Path) -> None:
    new = collected(tmp_path, [row(1, "2024-01-15", "")], "one.csv", NO_IPS)
    for summary in (curated(tmp_path), curate(FolderTables(tmp_path / "lake"), NO_IPS, touched=new)):
        assert (summary.source_ips, summary.payments, summary.days, summary.kinds) == (0, 0, 0, {})
    assert summary.months == ()
    assert FolderTables(tmp_path / "lake").runs(SOURCE_IP_TABLE) == ["all"]
    assert read(tmp_path, SOURCE_IP_TABLE) == read(tmp_path, SOURCE_IP_DAY_TABLE) == []


def test_files_of_several_mappings_are_curated_together(tmp_path: Path) -> None:
    other = parse_mapping(LAYOUT + '[evidence.numeric]\nextra = "a"\n', "other")
    collected(tmp_path, [row(1, "2024-01-15", "8.8.8.8")], "one.csv", other)
    collected(tmp_path, [row(2, "2024-01-15", "8.8.8.8")], "two.csv")
    collected(tmp_path, [row(3, "2024-01-15", "8.8.8.8")], "three.csv", NO_IPS)
    assert curated(tmp_path).payments == 2


def test_addresses_that_were_never_kept_are_told_apart(tmp_path: Path) -> None:
    collected(tmp_path, [row(1, "2024-01-15", "8.8.8.8"), row(2, "2024-01-15", "nobody")], "one.csv")
    shutil.rmtree(tmp_path / "lake" / "addresses")
    summary = curated(tmp_path)
    assert (summary.source_ips, summary.without_address, summary.unreadable) == (2, 2, 0)
    assert {found["kind"] for found in read(tmp_path, SOURCE_IP_TABLE)} == {None}


def test_nothing_collected_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="counterfoil collect"):
        curated(tmp_path)


# Blocklists.


def test_a_blocklist_tells_how_many_lists_name_an_address(tmp_path: Path) -> None:
    rows = [row(n, "2024-01-15", ip) for n, ip in enumerate(("8.8.8.8", "1.1.1.1", "2A00:1450::1", "nobody"))]
    collected(tmp_path, rows, "one.csv")
    listing = tmp_path / "list.txt"
    listing.write_bytes(b"# a list\n\n8.8.8.8\t4\n2a00:1450:0:0::1\t2\n9.9.9.9\t1\nbroken\xff\t1\n")
    summary = curated(tmp_path, blocklist=listing)
    found = {one["address"]: one["blocklists"] for one in read(tmp_path, SOURCE_IP_TABLE)}
    assert found == {"8.8.8.8": 4, "1.1.1.1": 0, "2a00:1450::1": 2, None: None}
    assert (summary.blocklisted, summary.blocklist_lines_unreadable) == (2, 1)


def test_a_file_that_is_no_blocklist_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    collected(tmp_path, [row(1, "2024-01-15", "198.51.100.23")], "one.csv")
    for path, problem in ((tmp_path / "one.csv", "is no blocklist"), (tmp_path / "none.txt", "cannot be read")):
        with pytest.raises(InputFileError, match=problem) as caught:
            curated(tmp_path, blocklist=path)
        assert "198.51" not in str(caught.value)
    assert FolderTables(tmp_path / "lake").runs(SOURCE_IP_DAY_TABLE) == []


# Interruption, determinism, personal data.


def _some_rows() -> list[Row]:
    labels = {0: {"l": "1", "lt": "2024-03-03T00:00:00Z"}}
    return [
        row(n, f"2024-0{1 + n % 3}-{1 + n % 28:02}", f"8.{n % 7}.8.{n % 11}", **labels.get(n % 9, {}))
        for n in range(300)
    ]


@pytest.mark.slow
def test_a_killed_run_is_completed_by_a_rerun(tmp_path: Path) -> None:
    collected(tmp_path / "whole", _some_rows(), "in.csv")
    for publications in range(4):
        killed = tmp_path / f"killed{publications}"
        shutil.copytree(tmp_path / "whole", killed)
        tables = MortalTables(killed / "lake")
        tables.mortal = Mortal(dies_at=publications)
        with pytest.raises(Killed):
            curate(tables)
        assert len(contents(killed)) == publications
        curated(killed)
        assert not [path for path in killed.rglob("*") if "overflow" in path.name]
    curated(tmp_path / "whole")
    assert [contents(tmp_path / f"killed{n}") == contents(tmp_path / "whole") for n in range(4)] == [True] * 4


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let DuckDB work with one thread."""
    connect = duckdb.connect

    def narrow(config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        return connect(config={**config, "threads": 1})

    monkeypatch.setattr(engine.duckdb, "connect", narrow)
    yield
    monkeypatch.undo()


@pytest.mark.slow
def test_the_same_payments_make_the_same_bytes(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    rows = _some_rows()
    collected(tmp_path / "one", rows, "in.csv")
    collected(tmp_path / "two", rows[::-1], "other.csv")
    curated(tmp_path / "one")
    request.getfixturevalue("one_thread")
    curated(tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_raw_addresses_are_in_the_restricted_tables_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    planted = "198.51.100.23"
    collected(tmp_path, [row(1, "2024-01-15", planted), row(2, "2024-01-15", f"{planted}, 10.0.0.1")], "one.csv")
    summary = curated(tmp_path)
    assert planted not in f"{summary} {read(tmp_path, SOURCE_IP_DAY_TABLE)} {caplog.text}"
    assert [found["address"] for found in read(tmp_path, SOURCE_IP_TABLE)] == [planted]


def test_countries_and_networks_are_those_of_the_directory(tmp_path: Path, write_mmdb: Any) -> None:
    ips = ("81.2.69.142", "::ffff:81.2.69.142", "81.2.69.142:443, 10.0.0.1", "8.8.8.8", "10.0.0.1", "nobody")
    collected(tmp_path, [row(number, "2024-01-01", ip) for number, ip in enumerate(ips)], "in.csv")
    assert (curated(tmp_path).located, curated(tmp_path).announced) == (None, None)
    assert {found["country"] for found in read(tmp_path, SOURCE_IP_TABLE)} == {None}
    country = write_mmdb("GeoLite2-Country", {"81.2.69.0/24": {"country": {"iso_code": "GB"}}})
    system = {"autonomous_system_number": 20712, "autonomous_system_organization": "Example Carrier"}
    networks = MaxmindNetworks(country=country, asn=write_mmdb("GeoLite2-ASN", {"8.0.0.0/9": system}))
    summary = curated(tmp_path, networks=networks)
    assert (summary.source_ips, summary.located, summary.announced) == (4, 1, 1)
    found = {ip["address"]: (ip["country"], ip["asn"], ip["network"]) for ip in read(tmp_path, SOURCE_IP_TABLE)}
    assert found == {
        "81.2.69.142": ("GB", None, None), "8.8.8.8": (None, 20712, "Example Carrier"),
        "10.0.0.1": (None, None, None), None: (None, None, None),
    }  # fmt: skip
