"""What tests of several folders share: an embedded PostgreSQL, reference tables and a quick text encoder."""

import contextlib
import datetime as dt
import itertools
import os
import shutil
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import examples as _profiles  # noqa: F401 of hypothesis: `make test` draws few examples
import numpy as np
import psycopg
import pyarrow as pa
import pytest
from in_chromium import chromium
from pgbouncer import Poolers
from psycopg.conninfo import make_conninfo
from quick_embedder import QuickEmbedder
from shared_folder import DATA

from counterfoil.adapters.mlflow_registry import client
from counterfoil.adapters.postgres import embedded as embedded_postgres
from counterfoil.domain.release.references import reference_schema

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from counterfoil.workspace.wiring import Workspace

_numbers = itertools.count(1)

# rich asks for the width once, where the terminal is made: what tests read must not depend on who comes first.
os.environ["COLUMNS"] = "200"

LONG = (
    "public_data", "whole_pipelines", "faults", "service", "infra", "local_session", "personal_data", "release_life",
    "spark", "images",
)  # fmt: skip
"""Groups of tests that take longest: they begin first, so that no worker ends long after the others."""
FOLDERS = ("infra", "unit/insights", "unit/adapters/aws")
"""Folders below tests/ whose fixtures are dear: all their tests run on one worker."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a file's tests, of some folders all tests, run on one worker, which makes their fixtures once."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            place = item.path.relative_to(Path(__file__).parent).as_posix()
            folder = next((folder for folder in FOLDERS if place.startswith(f"{folder}/")), None)
            item.add_marker(pytest.mark.xdist_group(folder or place))
    items.sort(key=_turn)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show why a test that was run once more failed the first time: its second failure may have another cause."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.write_sep("_", f"first failure of {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)


def _turn(item: pytest.Item) -> int:
    mark = item.get_closest_marker("xdist_group")
    name = mark.args[0] if mark else ""
    return LONG.index(name) if name in LONG else len(LONG)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Return the DSN of a server of this test session; its path is short, as a socket's must be.

    It waits for no disk: hundreds of tests make and drop a database, and none of them takes the machine's power away.
    """
    folder = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))
    server = embedded_postgres.start(folder / "pg")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server
    embedded_postgres.stop(folder / "pg")
    shutil.rmtree(folder)


@pytest.fixture(scope="session", autouse=True)
def mlflow_tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let MLflow make its tables once a session, which takes a second; each registry of SQLite has a copy of them."""
    folder, make = tmp_path_factory.mktemp("mlflow"), client.make_tables

    def copied(file: Path) -> None:
        made = folder / "made.db"
        if not made.exists():
            make(folder / "half.db")
            (folder / "half.db").rename(made)
        shutil.copyfile(made, file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "make_tables", copied)
        yield


@pytest.fixture
def dsn(postgres_server: str) -> Iterator[str]:
    """Return the DSN of an empty database."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield make_conninfo(postgres_server, dbname=name)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Return a headless Chromium; a test without one on its machine is skipped."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def poolers(postgres_server: str) -> Iterator[Poolers]:
    """Return pgbouncers before the server of this test session."""
    found = Poolers(postgres_server)
    yield found
    found.stop()


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Return the address of this session's stand-in for AWS, on the loopback only; see `aws`."""
    from moto.s3.responses import S3Response  # takes a second, which most tests need not spend
    from moto.server import ThreadedMotoServer

    look_and_write, one_at_a_time = S3Response.put_object, threading.Lock()

    def put_object(response: S3Response) -> object:
        with one_at_a_time:  # as in S3, nobody writes between a conditional write's look and its write
            return look_and_write(response)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Response, "put_object", put_object)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture(scope="session")
def botocore_data() -> object:
    """Return what describes AWS's services to botocore, which would read it anew for each boto3 session."""
    from botocore.loaders import Loader

    return Loader()


@pytest.fixture
def aws(moto_url: str, botocore_data: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let this test and its child processes use an empty AWS account of nobody; return its address."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # it would remember another test's settings
    monkeypatch.setattr("botocore.session.create_loader", lambda _=None: botocore_data)
    reset = urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")
    with urllib.request.urlopen(reset, timeout=30) as answer:
        assert answer.status == 200
    return moto_url


@pytest.fixture
def bucket(aws: str) -> str:
    """Return the name of an empty bucket."""
    import boto3

    region = os.environ["AWS_DEFAULT_REGION"]
    s3 = boto3.client("s3", endpoint_url=aws)
    s3.create_bucket(Bucket="lakes", CreateBucketConfiguration={"LocationConstraint": region})
    return "lakes"


@pytest.fixture(scope="session")
def reference_table() -> Callable[..., pa.Table]:
    """Return a maker of reference tables: clustered unit vectors, one row in five a fraud, in mixed order."""

    def make(rows: int, dimensions: int, seed: int = 0) -> pa.Table:
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(40, dimensions))
        vectors = centres[rng.integers(40, size=rows)] + 0.5 * rng.normal(size=(rows, dimensions))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        start = dt.datetime(2019, 1, 1, tzinfo=dt.UTC)
        columns = {
            "reference_id": [f"t{number:06d}" for number in rng.permutation(rows)],
            "label": [int(number % 5 == 0) for number in range(rows)],
            "event_time": [start + dt.timedelta(seconds=number, microseconds=7) for number in range(rows)],
            "known_at": [start + dt.timedelta(days=7, seconds=number) for number in range(rows)],
            "amount": [None if number % 7 == 0 else Decimal(number) / 100 for number in range(rows)],
            "currency": ["EUR"] * rows,
            "merchant_id": [f"m{number % 11}" for number in range(rows)],
            "category": [None if number % 3 == 0 else 'café, \t"x"' for number in range(rows)],
            "vector": list(vectors.astype(np.float32)),
        }
        return pa.table(columns, schema=reference_schema(dimensions))

    return make


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder with the measuring data, which is not in the repository; skip where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no measuring data in {DATA}: set COUNTERFOIL_SHARED_DATA to its folder")
    return DATA


@pytest.fixture
def write_mmdb(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of small databases in MaxMind's format: type and records by network."""

    def write(kind: str, records: dict[str, dict[str, object]], ip_version: int = 6) -> Path:
        from mmdb_writer import MMDBWriter
        from netaddr import IPSet

        writer = MMDBWriter(ip_version=ip_version, database_type=kind, ipv4_compatible=ip_version == 6)
        for network, record in records.items():
            writer.insert_network(IPSet([network]), record)
        path = tmp_path / f"{kind}-{next(_numbers)}.mmdb"
        writer.to_db_file(str(path))
        return path

    return write


@pytest.fixture(scope="session")
def embedder() -> QuickEmbedder:
    """Return a TextEmbedder that is as quick as it is deaf to meaning."""
    return QuickEmbedder()


@dataclass(frozen=True)
class ScoringPlace:
    """A workspace with collected payments, a champion and its profiles, and the payments of the days after.

    `newer` are those payments as the mapping's files have them, in the order of time.
    """

    root: Path
    release_id: str
    newer: list[dict[str, str]]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that works here."""
        paths = [str(Path(__file__).parent / "faults"), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ, "COUNTERFOIL_WORKSPACE": str(self.root), "COUNTERFOIL_FEEDBACK_ACTS": "false",
            "PYTHONPATH": os.pathsep.join(paths),
        }  # fmt: skip

    def open(self, **settings: object) -> "Workspace":
        """The workspace as a new process sees it, with the quick encoder; feedback changes no scores of other tests."""
        from counterfoil.workspace.settings import Settings
        from counterfoil.workspace.wiring import Workspace

        place = Workspace(Settings(workspace=self.root, **{"feedback_acts": False, **settings}))
        place.__dict__["embedder"] = QuickEmbedder()  # where cached_property keeps what it made
        return place


@pytest.fixture(scope="session")
def made_place() -> Iterator[ScoringPlace]:
    """Return a workspace to score in as it was made: to copy it takes a tenth of the time that training takes."""
    place = _make_place()
    yield place
    shutil.rmtree(place.root)


@pytest.fixture(scope="session")
def scoring_place(made_place: ScoringPlace) -> Iterator[ScoringPlace]:
    """Return a workspace to score in, which the tests of the group "service" share."""
    with _copied(made_place) as place:
        yield place


@pytest.fixture(scope="module")
def own_scoring_place(made_place: ScoringPlace) -> Iterator[ScoringPlace]:
    """Return one of a module's own, for tests that score so much that others would notice."""
    with _copied(made_place) as place:
        yield place


@contextlib.contextmanager
def _copied(place: ScoringPlace) -> Iterator[ScoringPlace]:
    root = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))
    shutil.copytree(place.root, root, dirs_exist_ok=True)
    yield replace(place, root=root)
    embedded_postgres.stop(root / "postgres")
    shutil.rmtree(root, ignore_errors=True)  # its server may still write while it ends


def _make_place() -> ScoringPlace:
    """Make a workspace to score in, in a path that is short, as a socket's must be."""
    import pyarrow.compute as pc

    from counterfoil.adapters.files.mapping_files import load_mapping
    from counterfoil.domain.periods import Period
    from counterfoil.domain.training.options import TrainingOptions
    from counterfoil.simulation import as_csv, simulate
    from counterfoil.steps.features import build_features
    from counterfoil.steps.intake.collect import collect
    from counterfoil.steps.scoring.profiles import build_profiles
    from counterfoil.steps.train import TrainingRequest, train

    root = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))
    mapping, cut = load_mapping("counterfoil-simulated"), dt.datetime(2024, 2, 12, tzinfo=dt.UTC)
    payments = simulate(accounts=60, merchants=60, days=56, start=dt.date(2024, 1, 1), seed=3)
    is_old = pc.less(payments["paid_at"], f"{cut:%Y-%m-%d}")
    for name, part in (("older", payments.filter(is_old)), ("newer", payments.filter(pc.invert(is_old)))):
        (root / f"{name}.csv").write_bytes(as_csv(part))
    place = ScoringPlace(root, "", payments.filter(pc.invert(is_old)).to_pylist())
    here = place.open()
    collect(
        [root / "older.csv"], mapping,
        key=here.pseudonym_key, reader=here.reader, tables=here.tables, ledger=here.ledger,
    )  # fmt: skip
    delay = dt.timedelta(days=7)
    build_features(here.tables, mapping, label_delay=delay)
    request = TrainingRequest(Period(until=cut), known_until=cut, options=TrainingOptions(trees=16, rounds=20))
    release = train(here.stores, mapping, request)
    here.registry.set_alias("champion", release.release_id)
    build_profiles(here.tables, here.profiles, release.specs, delay)
    embedded_postgres.stop(root / "postgres")
    return replace(place, release_id=release.release_id)
