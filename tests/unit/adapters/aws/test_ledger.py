"""Leases between machines whose clocks differ, lost answers, and failures in words."""

import http.server
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest

from counterfoil.adapters.aws import clients as aws_clients
from counterfoil.adapters.aws.ledger import DynamoLedger, create_table
from counterfoil.errors import StoreUnavailableError, UsageError
from counterfoil.ports.lake import LedgerEntry, SourceFile

FILE = SourceFile("raw/2019-01.csv", "a" * 64)
LEASE = timedelta(minutes=10)
SKEW = timedelta(seconds=5)
NOON = 1_700_000_000.0

Open = Callable[..., DynamoLedger]

pytestmark = pytest.mark.usefixtures("aws", "table")


@pytest.fixture
def table(request: pytest.FixtureRequest) -> str:
    """Return the name of a new table."""
    request.getfixturevalue("aws")
    create_table("ledger")
    return "ledger"


@pytest.fixture
def open_ledger(table: str) -> Iterator[Open]:
    """Return a function that opens the ledger on a machine whose clock is `ahead` seconds of ours."""
    opened = []

    def open_one(ahead: float = 0.0, lease: timedelta = LEASE) -> DynamoLedger:
        opened.append(DynamoLedger(table, lease=lease, skew=SKEW, clock=lambda: NOON + ahead))
        return opened[-1]

    yield open_one
    for ledger in opened:
        ledger.close()


def stored(**wanted: Any) -> dict[str, Any]:
    """Return the only row of the table."""
    (item,) = boto3.client("dynamodb").scan(TableName="ledger", **wanted)["Items"]
    return item


def test_a_lease_is_over_at_its_end_and_the_clocks_allowance(open_ledger: Open) -> None:
    assert open_ledger().claim(FILE, "bank")
    assert stored()["lease_end"] == {"N": str(int((NOON + 600) * 1000))}
    over = (LEASE + SKEW).total_seconds()
    assert not open_ledger(ahead=over).claim(FILE, "bank")
    assert open_ledger(ahead=over + 0.001).claim(FILE, "bank")


def test_a_done_file_is_not_free_when_its_lease_is_over(open_ledger: Open) -> None:
    ledger = open_ledger()
    ledger.claim(FILE, "bank")
    ledger.complete(FILE, rows_in=1, rows_out=1, rows_rejected=0)
    assert not open_ledger(ahead=1e6).claim(FILE, "bank")


@pytest.mark.parametrize(
    "settle",
    [
        lambda ledger: ledger.complete(FILE, rows_in=9, rows_out=9, rows_rejected=0),
        lambda ledger: ledger.fail(FILE, "late"),
        lambda ledger: ledger.unclaim(FILE),
    ],
    ids=["complete", "fail", "release"],
)
def test_who_lost_the_lease_changes_nothing(open_ledger: Open, settle: Callable[[DynamoLedger], None]) -> None:
    slow, quick = open_ledger(), open_ledger(ahead=1000)
    assert slow.claim(FILE, "bank")
    assert quick.claim(FILE, "bank-2")
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match=r"claim on raw/2019-01\.csv was lost"):
            settle(slow)
    assert quick.entry(FILE) == LedgerEntry(FILE, "bank-2", "claimed", 0, 0, 0)
    quick.complete(FILE, rows_in=1, rows_out=1, rows_rejected=0)
    with pytest.raises(StoreUnavailableError):
        settle(slow)
    assert quick.entry(FILE) == LedgerEntry(FILE, "bank-2", "done", 1, 1, 0)


def test_a_lease_that_is_over_and_that_nobody_took_is_still_its_claimants(table: str) -> None:
    now = [NOON]
    ledger = DynamoLedger(table, lease=LEASE, clock=lambda: now[0])
    ledger.claim(FILE, "bank")
    now[0] += 1e6
    ledger.complete(FILE, rows_in=1, rows_out=1, rows_rejected=0)
    assert ledger.entry(FILE) == LedgerEntry(FILE, "bank", "done", 1, 1, 0)


@pytest.mark.slow
def test_the_lease_of_a_living_process_is_renewed(table: str) -> None:
    ledger = DynamoLedger(table, lease=timedelta(seconds=1))
    ledger.claim(FILE, "bank")
    first = int(stored()["lease_end"]["N"])
    assert abs(first / 1000 - time.time() - 1) < 10
    deadline = time.monotonic() + 20
    while int(stored(ConsistentRead=True)["lease_end"]["N"]) < first + 500:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ledger.unclaim(FILE)
    settled = stored()
    time.sleep(0.8)
    assert stored() == settled


def test_closing_frees_the_claims_at_once(open_ledger: Open) -> None:
    ledger, other = open_ledger(), open_ledger()
    ledger.claim(FILE, "bank")
    ledger.close()
    assert other.claim(FILE, "bank")
    ledger.close()  # lets go of nothing that is another's
    assert not open_ledger().claim(FILE, "bank")


@pytest.mark.slow
def test_all_pages_are_read_in_order_of_location(open_ledger: Open) -> None:
    ledger = open_ledger()
    files = [SourceFile(f"raw/{number:02d}.csv", "a" * 64) for number in range(30)]
    for file in reversed(files):
        ledger.claim(file, "bank")
        ledger.fail(file, "long " * 10_000)
    assert "LastEvaluatedKey" in boto3.client("dynamodb").scan(TableName="ledger")
    assert [entry.file for entry in ledger.entries()] == files


def test_a_location_may_be_longer_than_a_key(open_ledger: Open) -> None:
    ledger = open_ledger()
    long = SourceFile("raw/" + "x" * 5000, "a" * 64)
    assert ledger.claim(long, "bank")
    assert ledger.entries() == [LedgerEntry(long, "bank", "claimed", 0, 0, 0)]


def test_a_table_that_is_there_is_left_as_it_is(open_ledger: Open, table: str) -> None:
    open_ledger().claim(FILE, "bank")
    create_table(table)
    client = boto3.client("dynamodb")
    assert client.describe_table(TableName=table)["Table"]["ItemCount"] == 1
    assert client.describe_table(TableName=table)["Table"]["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    backups = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_a_file_that_an_earlier_version_released_is_unclaimed(open_ledger: Open, table: str) -> None:
    ledger = open_ledger()
    ledger.claim(FILE, "bank")
    ledger.unclaim(FILE)
    boto3.client("dynamodb").put_item(TableName=table, Item={**stored(), "state": {"S": "released"}})
    assert ledger.entry(FILE) == LedgerEntry(FILE, "bank", "unclaimed", 0, 0, 0)
    assert open_ledger().claim(FILE, "bank")


def test_a_lease_must_be_long_enough_to_be_renewed(table: str) -> None:
    with pytest.raises(UsageError, match=r"0\.5 s is too short"):
        DynamoLedger(table, lease=timedelta(seconds=0.5))


class Between(http.server.ThreadingHTTPServer):
    """Stands between a client and the stand-in: throttles, or passes a call on and loses its answer."""

    def __init__(self, moto_url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.moto_url = moto_url
        self.throttled = 0
        self.lost: list[str] = []
        self.calls: list[str] = []


class _Passing(http.server.BaseHTTPRequestHandler):
    server: Between

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        self.server.calls.append(operation)
        if self.server.throttled:
            self.server.throttled -= 1
            self._answer(400, b'{"__type": "com.amazonaws.dynamodb#ProvisionedThroughputExceededException"}')
            return
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        request = urllib.request.Request(self.server.moto_url, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, answer = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, answer = error.code, error.read()
        if operation in self.server.lost:
            self.server.lost.remove(operation)
            self.close_connection = True
            return
        self._answer(status, answer)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def between(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    server = Between(aws)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_claim_whose_answer_was_lost_is_ours(between: Between, open_ledger: Open) -> None:
    ledger = open_ledger()
    between.lost = ["PutItem"]
    assert ledger.claim(FILE, "bank")
    assert between.calls.count("PutItem") == 2
    between.lost = ["UpdateItem"]
    ledger.complete(FILE, rows_in=1, rows_out=1, rows_rejected=0)
    assert between.calls.count("UpdateItem") == 2
    assert ledger.entry(FILE) == LedgerEntry(FILE, "bank", "done", 1, 1, 0)


def test_a_throttled_call_is_tried_again_and_then_an_error(
    between: Between, open_ledger: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_clients, "ATTEMPTS", 2)
    ledger = open_ledger()
    between.throttled = 1
    assert ledger.claim(FILE, "bank")
    between.throttled = 2
    with pytest.raises(StoreUnavailableError, match=r"'ledger' is not available .*ThroughputExceeded.*2 times: raise"):
        ledger.complete(FILE, rows_in=1, rows_out=1, rows_rejected=0)
    ledger.complete(FILE, rows_in=1, rows_out=1, rows_rejected=0)  # the claim is held still
    assert ledger.entry(FILE) == LedgerEntry(FILE, "bank", "done", 1, 1, 0)


def failure(table: str = "ledger") -> str:
    with pytest.raises(StoreUnavailableError) as caught:
        DynamoLedger(table, lease=LEASE).claim(FILE, "bank")
    return str(caught.value)


def test_a_missing_table_is_named() -> None:
    assert "'ledgre' is not available (eu-central-1 has no such table: deploy" in failure("ledgre")


def test_an_unreachable_endpoint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_clients, "ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:1/"): check the network' in failure()


def test_missing_credentials_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    assert "Unable to locate credentials): log in to AWS, or run with a role" in failure()


def test_a_missing_region_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "You must specify a region.): set AWS_REGION" in failure()
