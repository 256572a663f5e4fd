"""The stacks in moto: deployed as far as its CloudFormation goes, used for one detection, and removed to the last."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from asked import asked_for
from emulated import Emulated
from synthesised import Synthesised

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.intake.requests import clean_requests
from counterfoil.domain.tables import SCORE_TABLE, SCORED_EVIDENCE, TRANSACTIONS
from counterfoil.processing.collector import CarriedFiles
from counterfoil.simulation import as_csv
from counterfoil.steps.features import build_features
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.scoring.profiles import build_profiles
from counterfoil.steps.scoring.score import detect
from infra.deploy.destroy import destroy
from infra.deploy.place import Place
from infra.deploy.rest import left
from infra.environments import DEV
from infra.permissions import permissions

pytestmark = pytest.mark.xdist_group("service")  # whose tests share the workspace to score in

FIND_SETTINGS = ("lake", "glue_database", "ledger_table", "pseudonym_key_secret", "profile_table", "alerts_topic")
"""What the tasks are told of stores that moto has; the database and MLflow are this machine's."""
DELAY = dt.timedelta(days=7)


@pytest.fixture
def emulated(aws: str, dev: Synthesised, monkeypatch: pytest.MonkeyPatch) -> Emulated:
    """The stacks of dev, not yet in moto."""
    assert aws
    monkeypatch.setenv("AWS_DEFAULT_REGION", DEV.region)
    return Emulated(Place(DEV, {}, say=lambda _: None), dev)


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Settings of a task's environment variables, without those of stores that moto has not."""
    named = {name.removeprefix("COUNTERFOIL_").lower(): value for name, value in environment.items()}
    return {name: named[name] for name in FIND_SETTINGS}


def test_a_detection_runs_on_what_was_deployed_and_nothing_is_left(
    emulated: Emulated, scoring_place: Any, tmp_path: Path
) -> None:
    standing = emulated.deploy()
    assert standing["AWS::S3::Bucket"] == 5
    assert standing["AWS::IAM::Role"] == len(emulated.properties("AWS::IAM::Role"))
    place = scoring_place.open(service_profile_deadline_ms=20_000, **settings(emulated.environment("scoring")))
    raw = f"counterfoil-dev-raw-{boto3.client('sts').get_caller_identity()['Account']}-{DEV.region}"
    rows = scoring_place.newer[:150]
    _bring(raw, "incoming/2024-02-12/payments.csv", rows, tmp_path)

    mapping = load_mapping("counterfoil-simulated")
    reader = CarriedFiles(tmp_path / "raw", f"s3://{raw}/incoming/2024-02-12")
    with asked_for() as in_batch:
        [file] = collect(
            reader.paths(), mapping, key=place.pseudonym_key, reader=reader, tables=place.tables, ledger=place.ledger
        )
        build_features(place.tables, mapping, label_delay=DELAY)
        run = detect(place.tables, place.detector("champion"), compute=place.compute)
    assert (file.rows_in, file.rows_out) == (150, 150)
    _require_published(emulated, place, run)
    with asked_for() as online:
        _score_one(place, mapping, scoring_place.newer[150])
    _require_granted(emulated, in_batch, online)

    emulated.remove_catalogue()
    destroy(emulated.place, repositories=True)
    assert left(emulated.place) == []
    assert emulated.place.client("ecr").describe_repositories()["repositories"] == []


def _require_granted(emulated: Emulated, in_batch: set[str], online: set[str]) -> None:
    """The roles of the templates hold each right that was used: a file's claim, publication, scoring a payment."""
    found = permissions(emulated.templates)

    def granted(*roles: str) -> set[str]:
        names = {f"counterfoil-dev-{role}" for role in roles}
        return {action for one in found if one.role in names and one.effect == "Allow" for action in one.actions}

    claims = {action for action in in_batch if action.startswith(("dynamodb:", "secretsmanager:"))}
    assert claims >= {"dynamodb:PutItem", "dynamodb:UpdateItem", "secretsmanager:GetSecretValue"}
    assert claims - granted("step-collect") == set()
    published = in_batch - claims
    assert published >= {"s3:PutObject", "glue:BatchCreatePartition"}
    assert published - granted("step-publish") == set()
    assert online >= {"dynamodb:Query", "dynamodb:PutItem"}
    assert online - granted("scoring") == set()


def _bring(bucket: str, key: str, rows: list[dict[str, str]], tmp_path: Path) -> None:
    """Put payments where a sender puts them, and carry them to a channel as SageMaker does."""
    import pyarrow as pa

    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=as_csv(pa.Table.from_pylist(rows)))
    (tmp_path / "raw").mkdir()
    s3.download_file(bucket, key, str(tmp_path / "raw" / "payments.csv"))


def _require_published(emulated: Emulated, place: Any, run: str) -> None:
    """Scores lie in the bucket of the stack, Glue shows them in the template's tables, the ledger has the file."""
    scores = pq.read_table(place.tables.files(SCORE_TABLE, run)[0])
    assert scores.num_rows == 150
    assert set(scores["release_id"].to_pylist()) == {place.detector("champion").release.release_id}
    bucket = place.settings.lake.removeprefix("s3://").partition("/")[0]
    keys = [one["Key"] for one in boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="lake/")["Contents"]]
    assert f"lake/{SCORE_TABLE}/.manifest.json" in keys
    glue = boto3.client("glue")
    for table in (SCORE_TABLE, SCORED_EVIDENCE, TRANSACTIONS):
        found = glue.get_partitions(DatabaseName=emulated.glue_database, TableName=table)["Partitions"]
        assert found
        assert all(one["StorageDescriptor"]["Location"].startswith(f"s3://{bucket}/lake/{table}/") for one in found)
    [entry] = place.ledger.entries()
    assert entry.state == "done"
    assert entry.file.location.endswith("/incoming/2024-02-12/payments.csv")


def _score_one(place: Any, mapping: Any, row: dict[str, str]) -> None:
    """The service's way: profiles from the lake in the stack's table, and a payment that is scored with them."""
    release = place.detector("champion").release
    assert build_profiles(place.tables, place.profiles, release.specs, DELAY) > 0
    arrivals = clean_requests([{**row, "payment_id": "emulated-1"}], mapping, key=place.pseudonym_key)
    [kept] = place.online_scorer.score(arrivals, place.champion.current())
    assert kept.answer["without_history"] is None
    assert 0 <= kept.answer["anomaly_signal"] <= 1
