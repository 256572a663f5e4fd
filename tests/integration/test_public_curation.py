"""The public files, collected and curated in a workspace: every figure beside pandas and ipaddress on the raw files."""

import hashlib
import hmac
import ipaddress
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.intake.curate import CurationSummary, curate
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

WEEK = timedelta(days=7)
JANUARY = "amazon-fraud-detector-transactions-curation"
REGISTRATIONS = "amazon-fraud-detector-registrations"
COLUMNS = {
    JANUARY: {
        "curation": "ip", "ENTITY_ID": "account", "EVENT_TIMESTAMP": "at", "LABEL_TIMESTAMP": "labelled",
        "EVENT_LABEL": "label", "order_price": "amount", "payment_currency": "currency",
    },
    REGISTRATIONS: {
        "ip_address": "ip", "email_address": "account", "EVENT_TIMESTAMP": "at", "EVENT_LABEL": "label",
    },
}  # fmt: skip
Rows = dict[Any, dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A public file, and what is in it. With `by_currency` the mapping says that its currencies mean something."""

    file: str
    mapping: str
    rows: int
    addresses: int
    frauds: int
    by_currency: bool = False
    delay: timedelta = WEEK


CASES = {
    "january": Case("transactions_curation_2019_01.csv.gz", JANUARY, 16_820, 300, 55),
    "january-by-currency-without-delay": Case(
        "transactions_curation_2019_01.csv.gz", JANUARY, 16_820, 300, 55, by_currency=True, delay=timedelta(0)
    ),
    "registrations": Case("aws_registrations_20k.csv", REGISTRATIONS, 20_000, 1_324, 1_004),
}


@dataclass(frozen=True)
class Curated:
    """What the product made of a case, and the raw file beside it."""

    case: Case
    raw: pd.DataFrame
    blocklist: Path
    summary: CurationSummary
    key: bytes
    source_ips: list[dict[str, Any]]
    days: list[dict[str, Any]]

    def id_of(self, ip: str) -> str:
        """The keyed hash of an address, made here."""
        return hmac.new(self.key, f"source_ip\0{ip}".encode(), hashlib.sha256).hexdigest()[:32]


@pytest.fixture(scope="module", params=CASES)
def curated(request: pytest.FixtureRequest, shared_data: Path) -> Iterator[Curated]:
    """One case in an embedded workspace of its own, whose path is short, as a socket's must be."""
    from counterfoil.adapters.postgres import embedded as embedded_postgres

    folder = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))
    try:
        yield _curated(CASES[request.param], shared_data, Workspace(Settings(workspace=folder)))
    finally:
        embedded_postgres.stop(folder / "postgres")
        shutil.rmtree(folder)


def _curated(case: Case, shared_data: Path, workspace: Workspace) -> Curated:
    source = shared_data / case.file
    mapping = load_mapping(_mapping_of(case, workspace.root))
    [done] = collect(
        [source], mapping, key=workspace.pseudonym_key, reader=workspace.reader, tables=workspace.tables,
        ledger=workspace.ledger,
    )  # fmt: skip
    assert (done.rows_in, done.rows_out, dict(done.rejected)) == (case.rows, case.rows, {})
    raw = _raw(source, case)
    blocklist = _blocklist(shared_data, workspace.root, raw)
    summary = curate(workspace.tables, blocklist=blocklist, label_delay=case.delay)
    tables = (_rows(workspace, name) for name in ("source_ips", "source_ip_days"))
    return Curated(case, raw, blocklist, summary, workspace.pseudonym_key.keys[0], *tables)


def _mapping_of(case: Case, folder: Path) -> str:
    if not case.by_currency:
        return case.mapping
    shipped = Path(__file__).parents[2] / f"src/counterfoil/mappings/{case.mapping}.toml"
    changed = shipped.read_text().replace("meaningful = false", "meaningful = true")
    own = folder / "by-currency.toml"
    own.parent.mkdir(exist_ok=True)
    own.write_text(changed)
    return str(own)


def _rows(workspace: Workspace, table: str) -> list[dict[str, Any]]:
    return [row for file in workspace.tables.files(table) for row in pq.ParquetFile(file).read().to_pylist()]


def _raw(source: Path, case: Case) -> pd.DataFrame:
    """The file as pandas reads it, with one name for each column whatever the layout."""
    frame = pd.read_csv(source, dtype=str, keep_default_na=False).rename(columns=COLUMNS[case.mapping])
    for name in ("labelled", "amount", "currency"):
        if name not in frame:
            frame[name] = ""
    frame["at"] = pd.to_datetime(frame["at"], utc=True)
    frame["labelled"] = pd.to_datetime(frame["labelled"], utc=True)
    frame["day"] = frame["at"].dt.date
    frame["fraud"] = frame["label"].isin(["1", "fraud"])
    # A label counts once it is there and the delay is over.
    frame["known"] = frame[["labelled"]].assign(waited=frame["at"] + case.delay).max(axis=1)
    return frame


def _kind(ip: str) -> str:
    address = ipaddress.ip_address(ip)
    home = any(address in ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
    names = {
        "unspecified": address.is_unspecified,
        "loopback": address.is_loopback,
        "link_local": address.is_link_local,
        "private": home,
        "multicast": address.is_multicast,
        "cgnat": address in ipaddress.ip_network("100.64.0.0/10"),
        "public": address.is_global,
    }
    return next((name for name, holds in names.items() if holds), "reserved")


def _blocklist(shared_data: Path, folder: Path, raw: pd.DataFrame) -> Path:
    """The public list, and every seventh address of the file too: it names none of them by itself."""
    blocklist = folder / "ipsum.txt"
    added = (f"{ip}\t{1 + number % 10}\n" for number, ip in enumerate(raw["ip"].unique()[::7]))
    blocklist.write_text((shared_data / "ipsum.txt").read_text() + "".join(added))
    return blocklist


def _listed(blocklist: Path) -> dict[str, int]:
    lines = pd.read_csv(blocklist, sep="\t", comment="#", names=["ip", "lists"], dtype={"ip": str})
    return dict(zip(lines["ip"], map(int, lines["lists"]), strict=True))


def _amounts(raw: pd.DataFrame, *, by_currency: bool) -> dict[Any, list[dict[str, Any]]]:
    """Payments and total of each address and day by currency, in its order; all together where it means nothing."""
    paid = raw[raw["amount"] != ""]
    paid = paid.assign(total=paid["amount"].map(Decimal), currency=paid["currency"] if by_currency else "")
    groups = paid.groupby(["ip", "day", "currency"], sort=True)["total"].agg(["size", "sum"])
    found: dict[Any, list[dict[str, Any]]] = {}
    for ip, day, currency, payments, total in groups.reset_index().itertuples(index=False):
        amount = {"currency": currency if by_currency else None, "payments": payments, "total": total}
        found.setdefault((ip, day), []).append(amount)
    return found


def test_each_day_of_each_source_ip(curated: Curated) -> None:
    raw, case = curated.raw, curated.case
    counts = raw.groupby(["ip", "day"])["account"].agg(["size", "nunique"]).reset_index()
    amounts = _amounts(raw, by_currency=case.by_currency)
    expected: Rows = {
        (ip, day): {
            "payments": payments,
            "accounts": accounts,
            "amounts": amounts.get((ip, day), []),
            "frauds_known": 0,
        }
        for ip, day, payments, accounts in counts.itertuples(index=False)
    }
    known = raw[raw["fraud"]].assign(day=raw["known"].dt.date).groupby(["ip", "day"]).size()
    nothing = {"payments": 0, "accounts": 0, "amounts": [], "frauds_known": 0}
    for key, frauds in known.items():
        expected[key] = expected.get(key, nothing) | {"frauds_known": int(frauds)}
    assert int(known.sum()) == case.frauds
    ids = {ip: curated.id_of(ip) for ip in raw["ip"].unique()}
    found = {(row.pop("source_ip_id"), row.pop("event_date")): row for row in map(dict, curated.days)}
    assert len(found) == len(curated.days)
    assert found == {(ids[ip], day): row for (ip, day), row in expected.items()}
    assert len(found) > case.addresses


def test_each_source_ip(curated: Curated) -> None:
    listed = _listed(curated.blocklist)
    expected: Rows = {
        curated.id_of(ip): {
            "address": ip,
            "version": ipaddress.ip_address(ip).version,
            "kind": _kind(ip),
            "prefix": str(ipaddress.ip_network(f"{ip}/24", strict=False)),
            "country": None,
            "asn": None,
            "network": None,
            "first_seen": part["at"].min().to_pydatetime(),
            "last_seen": part["at"].max().to_pydatetime(),
            "payments": len(part),
            "accounts": part["account"].nunique(),
            "blocklists": listed.get(ip, 0),
        }
        for ip, part in curated.raw.groupby("ip")
    }
    found = {row.pop("source_ip_id"): row for row in map(dict, curated.source_ips)}
    assert len(found) == len(curated.source_ips) == curated.case.addresses
    assert found == expected


def test_the_summary(curated: Curated) -> None:
    raw, summary = curated.raw, curated.summary
    addresses = list(raw["ip"].unique())
    listed = _listed(curated.blocklist)
    months = {*raw["at"].dt.strftime("%Y-%m"), *raw[raw["fraud"]]["known"].dt.strftime("%Y-%m")}
    assert summary == CurationSummary(
        source_ips=len(addresses),
        payments=len(raw),
        months=tuple(sorted(months)),
        days=len(curated.days),
        kinds={str(kind): int(count) for kind, count in pd.Series(map(_kind, addresses)).value_counts().items()},
        unreadable=0,
        without_address=0,
        blocklisted=sum(ip in listed for ip in addresses),
        blocklist_lines_unreadable=0,
        located=None,
        announced=None,
    )
