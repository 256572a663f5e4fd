"""What is special to tables in S3: their objects, conditional writes, local copies, and what goes wrong there."""

import multiprocessing
import operator
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.s3.models import s3_backends

from counterfoil.adapters.aws import objects as s3_objects
from counterfoil.adapters.aws import tables as tables_s3
from counterfoil.adapters.aws.glue import GlueCatalogue
from counterfoil.adapters.aws.objects import S3Objects
from counterfoil.adapters.aws.tables import S3Tables
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.errors import ChangedError, NotFoundError, StoreUnavailableError, UsageError
from counterfoil.ports.lake import TableStore

Open = Callable[[str], S3Tables]
DATES = ("2019-01-01", "2019-01-02", "2019-01-03")


@pytest.fixture
def tables_at(bucket: str, tmp_path: Path) -> Open:
    """Return how a machine of a name opens the tables: each has its own cache."""
    return lambda machine: S3Tables(f"s3://{bucket}/a/lake", glue_database="lake", cache=tmp_path / machine)


@pytest.fixture
def tables(tables_at: Open) -> S3Tables:
    return tables_at("here")


def _stage(tables: TableStore, run: str, value: int) -> None:
    staged = tables.stage("payments", run)
    for date in DATES:
        (staged / f"event_date={date}").mkdir()
        pq.write_table(pa.table({"value": [value]}), staged / f"event_date={date}" / "part-0.parquet")


def _publish(tables: TableStore, run: str, value: int, *, replace: bool = False) -> None:
    _stage(tables, run, value)
    tables.publish("payments", run, replace=replace)


def _values(tables: TableStore) -> list[int]:
    return [pq.ParquetFile(path).read().column("value")[0].as_py() for path in tables.files("payments")]


def _objects(bucket: str) -> list[str]:
    return [item.key for item in boto3.resource("s3").Bucket(bucket).objects.all()]


def _places_in_glue() -> list[str]:
    found = boto3.client("glue").get_partitions(DatabaseName="lake", TableName="payments")["Partitions"]
    return sorted(partition["StorageDescriptor"]["Location"] for partition in found)


def _require_nothing_else(tables: S3Tables, bucket: str) -> None:
    """Objects, Glue's partitions and the manifest name the same files."""
    seen = [path.as_posix().partition("/copies/")[2] for path in tables.files("payments")]
    manifest = f"{bucket}/a/lake/payments/.manifest.json"
    assert sorted(f"{bucket}/{key}" for key in _objects(bucket)) == sorted([manifest, *seen])
    assert _places_in_glue() == [f"s3://{path.removesuffix('part-0.parquet')}" for path in seen]


@pytest.mark.slow
def test_a_table_of_an_earlier_version_is_read_and_gets_the_new_name(tables: S3Tables, bucket: str) -> None:
    _publish(tables, "a", 1)
    s3, home = boto3.client("s3"), "a/lake/payments"
    s3.copy_object(Bucket=bucket, CopySource=f"{bucket}/{home}/.manifest.json", Key=f"{home}/manifest.json")
    s3.delete_object(Bucket=bucket, Key=f"{home}/.manifest.json")
    tables.prepare("payments")  # an empty manifest would hide the old one
    assert tables.tables() == ["payments"]
    assert set(_values(tables)) == {1}
    _publish(tables, "b", 2)
    assert set(_values(tables)) == {1, 2}
    _require_nothing_else(tables, bucket)


@pytest.mark.slow
def test_a_folder_reads_what_s3_has_and_the_other_way_round(tables: S3Tables, bucket: str, tmp_path: Path) -> None:
    _publish(tables, "a", 1)
    folder = FolderTables(tmp_path / "carried" / "a" / "lake")
    s3 = boto3.client("s3")
    for key in _objects(bucket):
        (tmp_path / "carried" / key).parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(tmp_path / "carried" / key))
    assert _values(folder) == _values(tables) == [1, 1, 1]
    _publish(folder, "a", 2)
    for path in (tmp_path / "carried").rglob("*.*"):
        if path.is_file():
            s3.upload_file(str(path), bucket, f"back/{path.relative_to(tmp_path / 'carried')}")
    back = S3Tables(f"s3://{bucket}/back/a/lake/", glue_database="back", cache=tmp_path / "here")
    assert _values(back) == [2, 2, 2]
    _publish(back, "b", 3)  # its first publisher shows Glue all runs
    assert len(boto3.client("glue").get_partitions(DatabaseName="back", TableName="payments")["Partitions"]) == 6


DEATHS = {
    "amid the upload": (S3Objects, "upload", lambda method, store, files: method(store, dict([files.popitem()]))),
    "before the manifest": (S3Objects, "write", None),
    "after the manifest": (GlueCatalogue, "follow", None),
    "with a table and no partitions": (GlueCatalogue, "_add", None),
    "before Glue moved": (GlueCatalogue, "_move", None),
    "before Glue dropped": (GlueCatalogue, "_drop", None),
    "before tidying": (S3Tables, "_tidy", None),
    "amid tidying": (S3Objects, "remove", None),
    "at the end": (shutil, "rmtree", None),
}


def _die_publishing(tables: S3Tables, death: str) -> None:
    owner, name, last_act = DEATHS[death]
    method = getattr(owner, name)

    def die(*given: Any) -> None:
        if last_act is not None:
            last_act(method, *given)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, lambda *given, **_: die(*given))
    tables.publish("payments", "a")


@pytest.mark.slow
@pytest.mark.parametrize("death", DEATHS)
def test_a_killed_publisher_is_run_again(tables: S3Tables, bucket: str, death: str) -> None:
    for old, new in (([], [1] * 3), ([1] * 3, [2] * 3)):
        _stage(tables, "a", new[0])
        child = multiprocessing.get_context("fork").Process(target=_die_publishing, args=(tables, death))
        child.start()
        child.join(60)
        first_has_nothing_to_remove = death == "amid tidying" and not old
        assert child.exitcode == (0 if first_has_nothing_to_remove else -signal.SIGKILL)
        assert _values(tables) in (old, new)
        tables.publish("payments", "a")
        assert _values(tables) == new
        _require_nothing_else(tables, bucket)


def test_a_publisher_on_another_machine_completes_glue(
    tables: S3Tables, tables_at: Open, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stage(tables, "a", 1)
    with monkeypatch.context() as patch:
        patch.setattr(GlueCatalogue, "follow", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            tables.publish("payments", "a")
    tables_at("there").publish("payments", "a")
    _require_nothing_else(tables, bucket)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_replacing_all_runs_leaves_nothing_of_them(tables: S3Tables, bucket: str) -> None:
    _publish(tables, "a", 1)
    _publish(tables, "b", 2)
    _publish(tables, "c", 3, replace=True)
    assert _values(tables) == [3] * 3
    _require_nothing_else(tables, bucket)


def _first_after(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, act: Callable[[], None]) -> None:
    """Let `act` happen just before the first call of a method, in the same way as another process could."""
    method = getattr(owner, name)

    def call(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr(owner, name, method)
        act()
        return method(*given, **more)

    monkeypatch.setattr(owner, name, call)


@pytest.mark.slow
def test_two_publishers_at_once_both_win(
    tables: S3Tables, tables_at: Open, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run in ("a", "b"):  # the first meeting is over a manifest that is not there yet
        _stage(tables, run, 1)
        _first_after(monkeypatch, S3Objects, "write", lambda run=run: _publish(tables_at("there"), f"{run}2", 2))
        tables.publish("payments", run)
    assert tables.runs("payments") == ["a2", "a", "b2", "b"]
    _require_nothing_else(tables, bucket)


@pytest.mark.slow
@pytest.mark.parametrize("replace", [False, True])
def test_glue_follows_a_manifest_that_changes_meanwhile(
    tables: S3Tables, tables_at: Open, bucket: str, monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    _publish(tables, "a", 1)
    _stage(tables, "a", 2)
    other = "b" if replace else "a"
    _first_after(monkeypatch, GlueCatalogue, "_table", lambda: _publish(tables_at("there"), other, 3))
    tables.publish("payments", "a", replace=replace)
    assert sorted(_values(tables)) == ([2] * 3 + [3] * 3 if replace else [3] * 3)
    _require_nothing_else(tables, bucket)


def test_what_was_staged_before_a_newer_publication_is_refused(tables: S3Tables, tables_at: Open) -> None:
    _stage(tables, "a", 1)
    for value in (2, 3):
        _publish(tables_at("there"), "a", value)
    with pytest.raises(ChangedError, match="after it was staged here: what stands is newer"):
        tables.publish("payments", "a")
    assert _values(tables) == [3] * 3


def test_a_manifest_that_never_stands_still_is_given_up(tables: S3Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_s3, "_TRIES", 3)
    monkeypatch.setattr(S3Objects, "write", lambda *_, **__: False)
    _stage(tables, "a", 1)
    with pytest.raises(StoreUnavailableError, match=r"s3://lakes/a/lake/payments was written by others at each of 3"):
        tables.publish("payments", "a")


@pytest.mark.slow
def test_what_others_left_is_removed_once_it_is_old(
    tables: S3Tables, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = "a/lake/payments/runs/z.1-0f/part-0.parquet"
    boto3.client("s3").put_object(Bucket=bucket, Key=left, Body=b"of a killed publisher, or of one at work")
    _publish(tables, "a", 1)
    assert left in _objects(bucket)
    monkeypatch.setattr(tables_s3, "_ABANDONED", timedelta(0))
    _publish(tables, "b", 1)
    _require_nothing_else(tables, bucket)


@pytest.mark.slow
def test_long_listings_are_read_to_their_end(tables: S3Tables, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_objects, "_PAGE", 2)
    for run in "abcde":
        _publish(tables, run, 1)
    for run in "abcde":
        _publish(tables, run, 2)
    assert _values(tables) == [2] * 15
    _publish(tables, "f", 3, replace=True)
    _require_nothing_else(tables, bucket)


@pytest.mark.slow
def test_more_objects_than_s3_lists_at_once_are_removed(bucket: str) -> None:
    store = S3Objects(f"s3://{bucket}/many")
    behind = s3_backends["123456789012"]["aws"]  # 1001 requests would take seconds
    for name in (*(f"x/{number:04d}" for number in range(1001)), "xy/0"):
        behind.put_object(bucket, f"many/{name}", b"1")
    assert len(store.modified("x/")) == 1001
    store.remove("x/")
    assert _objects(bucket) == ["many/xy/0"]


def test_a_large_file_goes_in_parts_and_comes_back_whole(bucket: str, tmp_path: Path) -> None:
    store = S3Objects(f"s3://{bucket}")
    (tmp_path / "large").write_bytes(os.urandom(9 * 2**20))
    store.upload({"large": tmp_path / "large"})
    assert boto3.client("s3").head_object(Bucket=bucket, Key="large")["ETag"].endswith('-2"')
    assert store.download({"large": tmp_path / "back", "none": tmp_path / "none"}) == {"none"}
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()
    assert not (tmp_path / "none").exists()


@pytest.fixture
def downloaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is downloaded from now on."""
    keys: list[str] = []
    download = S3Objects.download

    def count(store: S3Objects, files: dict[str, Path]) -> set[str]:
        keys.extend(files)
        time.sleep(0.05)  # readers at once meet here
        return download(store, files)

    monkeypatch.setattr(S3Objects, "download", count)
    return keys


@pytest.mark.slow
def test_a_file_is_downloaded_once_for_all_its_readers(tables_at: Open, downloaded: list[str]) -> None:
    _publish(tables_at("there"), "a", 1)
    readers = [threading.Thread(target=tables_at("here").files, args=("payments",)) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len(downloaded) == 3
    _publish(tables_at("there"), "b", 1)
    assert len(tables_at("here").files("payments", "a")) == 3
    assert len(downloaded) == 3
    assert len(tables_at("here").files("payments")) == 6
    assert len(downloaded) == 6


def test_a_copy_that_was_cut_is_downloaded_again(tables: S3Tables) -> None:
    _publish(tables, "a", 1)
    (tables.files("payments")[0]).write_bytes(b"PAR1")
    assert _values(tables) == [1] * 3


@pytest.mark.slow
def test_what_a_killed_download_left_goes(tables: S3Tables) -> None:
    _publish(tables, "a", 1)
    path = tables.files("payments")[0]
    left = path.rename(path.with_name("part-0.parquet.0A1b2C3d"))
    assert _values(tables) == [1] * 3
    assert not left.exists()


def test_a_run_that_is_replaced_while_it_is_read_is_read_anew(
    tables: S3Tables, tables_at: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(tables_at("there"), "a", 1)
    _first_after(monkeypatch, S3Objects, "download", lambda: _publish(tables_at("there"), "a", 2))
    assert _values(tables) == [2] * 3


def test_to_tidy_takes_the_copies_of_what_was_replaced_at_once(tables: S3Tables) -> None:
    tables.tidy("payments")
    _publish(tables, "a", 1)
    replaced = tables.files("payments")
    _publish(tables, "a", 2)
    current = tables.files("payments")
    tables.tidy("payments")
    assert not any(path.exists() for path in replaced)
    assert all(path.exists() for path in current)


@pytest.mark.slow
def test_copies_of_replaced_runs_are_kept_for_their_readers_and_then_go(tables: S3Tables) -> None:
    _publish(tables, "a", 1)
    old = tables.files("payments")
    _publish(tables, "a", 2)
    new = tables.files("payments")
    assert old[0].is_file()
    folder = old[0].parents[1]
    os.utime(folder, (0, 0))
    _publish(tables, "b", 3)
    tables.files("payments")
    assert not folder.exists()
    assert new[0].is_file()


@pytest.mark.parametrize("uri", ["lakes/a", "s3://", "s3:///a", "https://lakes/a", "s3://lakes//a"])
def test_an_address_that_is_none_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no 's3://bucket/prefix'"):
        S3Tables(uri, glue_database="lake", cache=tmp_path)


def test_a_table_s_name_must_be_glue_s_too(tables: S3Tables) -> None:
    with pytest.raises(UsageError, match=r"'Payments' cannot be Glue's: use small letters"):
        tables.stage("Payments", "a")


def _uses(tables: S3Tables) -> Iterator[Callable[[], object]]:
    yield lambda: tables.stage("payments", "b")
    yield lambda: tables.publish("payments", "a")
    yield lambda: tables.files("payments")
    yield lambda: tables.runs("payments")
    yield lambda: tables.prepare("payments")


def _require_reason(tables: S3Tables, reason: str) -> None:
    for use in _uses(tables):
        with pytest.raises(StoreUnavailableError, match=reason) as caught:
            use()
        assert str(caught.value).startswith("s3://lakes/a/lake")
        assert "testing" not in str(caught.value)


def test_a_bucket_that_is_missing_is_named(tables: S3Tables, bucket: str) -> None:
    _stage(tables, "a", 1)
    boto3.client("s3").delete_bucket(Bucket=bucket)
    _require_reason(tables, r"bucket does not exist: make it, or correct the address")


def test_no_credentials_are_said(tables: S3Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    _require_reason(tables, "log in to AWS")


def test_a_place_out_of_reach_is_said(tables: S3Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("counterfoil.adapters.aws.clients.ATTEMPTS", 1)
    _require_reason(tables, "check the network")


@pytest.fixture
def someone(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return how to become a user whom nothing is allowed."""

    def become() -> None:
        iam = boto3.client("iam")
        iam.create_user(UserName="someone")
        key = iam.create_access_key(UserName="someone")["AccessKey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        monkeypatch.delenv("AWS_SESSION_TOKEN")
        monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0.0)

    return become


def test_what_aws_denies_is_said(tables: S3Tables, tables_at: Open, someone: Callable[[], None]) -> None:
    _stage(tables, "a", 1)
    someone()
    _require_reason(tables_at("here"), r"\(403: .*\): let this role list, read, write and remove")


def test_a_key_that_aws_does_not_know_is_said(tables: S3Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0.0)
    _require_reason(tables, r"InvalidAccessKeyId.*log in to AWS again")


def test_a_download_that_aws_denies_is_said(tables: S3Tables, tables_at: Open, someone: Callable[[], None]) -> None:
    _publish(tables, "a", 1)
    there = tables_at("there")
    runs = there._manifest("payments")[0]
    someone()
    with pytest.raises(StoreUnavailableError, match=r"\(403\): let this role list, read"):
        S3Tables("s3://lakes/a/lake", glue_database="lake", cache=Path())._copies.fetch("payments", runs, runs)


def test_nothing_of_aws_is_imported_to_open_tables(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from counterfoil.adapters.aws.tables import S3Tables;"
        f"S3Tables('s3://lakes', glue_database='lake', cache=Path({str(tmp_path)!r}));"
        "assert not {'boto3', 'botocore', 'awswrangler'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("opened", ["_lake._client", "_catalogue._glue"])
def test_a_child_process_opens_its_own_connections(tables: S3Tables, opened: str) -> None:
    # moto ends each connection with its answer, so only here a shared one would be noticed.
    open_client = operator.attrgetter(opened)(tables)
    client = open_client()
    assert open_client() is client
    child = multiprocessing.get_context("fork").Process(target=lambda: sys.exit(open_client() is client))
    child.start()
    child.join(60)
    assert child.exitcode == 0


def test_nothing_staged_anywhere_is_said(tables: S3Tables) -> None:
    with pytest.raises(NotFoundError, match=r"'a'.*stage"):
        tables.publish("payments", "a")
