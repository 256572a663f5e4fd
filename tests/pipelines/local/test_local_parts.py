"""The parts on their own: prefixes, manifests, durations, remembered hashes, differences, records, the tree."""

import io
import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from counterfoil.cli.show.pipeline_tree import show_steps
from counterfoil.errors import PipelineError, UsageError
from pipelines.local.cache import differences, parse_duration
from pipelines.local.errors import ClientError
from pipelines.local.events import Event
from pipelines.local.key import Channel, Components, FileHashes
from pipelines.local.objects import Objects, appear, dealt, gather
from pipelines.local.record import Recorder, read_executions
from pipelines.local.request import check_request

BUCKET = "s3://counterfoil-local"


@pytest.fixture
def objects(tmp_path):
    for name in ("lake/a/1.txt", "lake/a/deep/2.txt", "lake/ab/3.txt", "lake/a.json", "lake/é.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return Objects(tmp_path)


@pytest.mark.parametrize(
    ("uri", "names"),
    [
        (f"{BUCKET}/lake/a/", ["1.txt", "deep/2.txt"]),
        (f"{BUCKET}/lake/a", ["a.json", "1.txt", "deep/2.txt", "ab/3.txt"]),
        (f"{BUCKET}/lake/a.json", ["a.json"]),
        (f"{BUCKET}/lake/a/1", ["1.txt"]),
        (f"{BUCKET}/lake/é", ["é.txt"]),
        (f"{BUCKET}/lake", ["a.json", "a/1.txt", "a/deep/2.txt", "ab/3.txt", "é.txt"]),
    ],
)
def test_a_prefix_is_a_prefix_of_keys(objects, uri, names):
    assert [found.name for found in objects.listing(uri)] == names


def test_a_manifest_names_objects(objects, tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps([{"prefix": f"{BUCKET}/lake/"}, "ab/3.txt", "a/1.txt"]))
    found = objects.listing(f"{BUCKET}/manifest.json", "ManifestFile")
    assert [(item.name, item.path.read_text()) for item in found] == [
        ("a/1.txt", "lake/a/1.txt"),
        ("ab/3.txt", "lake/ab/3.txt"),
    ]
    manifest.write_text(json.dumps([{"prefix": f"{BUCKET}/lake/"}, "none.txt"]))
    with pytest.raises(ClientError, match=r"lake/none\.txt"):
        objects.listing(f"{BUCKET}/manifest.json", "ManifestFile")
    manifest.write_text("{}")
    with pytest.raises(ClientError, match="is not a JSON list"):
        objects.listing(f"{BUCKET}/manifest.json", "ManifestFile")


@pytest.mark.parametrize("uri", ["s3://other/lake", f"{BUCKET}/../etc", "relative/path"])
def test_an_address_elsewhere_is_refused(objects, uri):
    with pytest.raises(PipelineError):
        objects.listing(uri)


def test_all_objects_are_dealt_out_once(objects):
    found = objects.listing(f"{BUCKET}/lake")
    shares = [dealt(found, number, 3) for number in range(3)]
    assert [len(share) for share in shares] == [2, 2, 1]
    assert sorted((item for share in shares for item in share), key=lambda item: item.key.encode()) == found


def test_outputs_of_all_instances_appear_together(tmp_path):
    for host, names in {"one": ("a", "both"), "two": ("deep/b", "both")}.items():
        for name in names:
            path = tmp_path / host / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(host)
        gather(tmp_path / host, tmp_path / "aside")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "old").write_text("old")
    appear(tmp_path / "aside", tmp_path / "there")
    found = {path.relative_to(tmp_path / "there").as_posix() for path in (tmp_path / "there").rglob("*")}
    assert found == {"a", "both", "deep", "deep/b", "old"}
    assert (tmp_path / "there" / "both").read_text() == "two"


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("P30D", timedelta(days=30)),
        ("p30d", timedelta(days=30)),
        ("P4DT12H", timedelta(days=4, hours=12)),
        ("T12H", timedelta(hours=12)),
        ("P1Y2M1W", timedelta(days=365 + 60 + 7)),
        ("PT1M30S", timedelta(seconds=90)),
    ],
)
def test_durations(text, duration):
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "P", "30 days", "P-1D", "PT"])
def test_what_is_no_duration(text):
    with pytest.raises(PipelineError, match="ISO 8601"):
        parse_duration(text)


def test_hashes_are_remembered_until_a_file_changes(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"one")
    os.utime(file, ns=(10**18, 10**18))
    hashes = FileHashes(tmp_path / "cache" / "hashes.sqlite")
    monkeypatch.setattr("pipelines.local.hashes._SETTLED_NS", 0)
    first = hashes.digests({"x": file})["x"]
    assert first == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    reads = []
    real = type(file).open
    monkeypatch.setattr(type(file), "open", lambda self, *a, **k: reads.append(self) or real(self, *a, **k))
    assert hashes.digests({"x": file})["x"] == first
    assert reads == []
    with real(file, "wb") as changed:
        changed.write(b"two")
    os.utime(file, ns=(10**18, 10**18))  # same size, same time: only the inode's own time tells
    assert hashes.digests({"x": file})["x"] != first


def test_a_file_that_has_just_been_written_is_not_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.local.hashes._SETTLED_NS", 10**12)
    file = tmp_path / "file"
    file.write_bytes(b"one")
    hashes = FileHashes(tmp_path / "hashes.sqlite")
    before = hashes.digests({"x": file})
    status = file.stat()
    file.write_bytes(b"two")
    monkeypatch.setattr("pipelines.local.hashes._state", lambda _: f"{status.st_size} same")
    assert hashes.digests({"x": file}) != before


def components(**changes):
    values = {
        "image": "i", "entrypoint": ["python"], "arguments": ["copy", "--since", "1", "--flag", "--until", "2"],
        "environment": {"A": "1"}, "instances": 1, "outputs": {"out": "/o"}, "code": {"a.py": "1"},
        "inputs": {"in": Channel("/i", "FullyReplicated", {f"{n}": "x" for n in range(90)})}, **changes,
    }  # fmt: skip
    return Components(**values)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"arguments": ["copy", "--since", "3", "--until", "2"]}, [
            "argument --since: 1 -> 3", "argument --flag: --flag -> (none)",
        ]),
        ({"arguments": ["move", "--since", "1", "--flag", "--until", "2"]}, ["argument number 1: copy -> move"]),
        ({"environment": {"B": "1"}}, ["environment: B is new", "environment: A is gone"]),
        ({"inputs": {}}, ["input in: gone"]),
        ({"inputs": {"in": Channel("/i", "ShardedByS3Key", {f"{n}": "x" for n in range(90)})}}, [
            "input in: FullyReplicated -> ShardedByS3Key",
        ]),
        ({"inputs": {"in": Channel("/i", "FullyReplicated", {f"{n}": "y" if n < 5 else "x" for n in range(80)})}}, [
            "input in: 5 of 90 objects changed: 0, 1, 2, and 2 more",
            "input in: 10 objects are gone: 80, 81, 82, and 7 more",
        ]),
        ({"code": {"a.py": "2", "b.py": "1"}, "entrypoint": ["sh"]}, [
            "entrypoint: python -> sh", "code: a.py changed", "code: b.py is new",
        ]),
        ({"outputs": {"out": "/p"}}, ["output out changed"]),
    ],
)  # fmt: skip
def test_differences_in_words(changes, said):
    old, new = components(), components(**changes)
    assert differences(old, new) == said
    assert (old.key == new.key) == (not said)


REQUEST = {
    "RoleArn": "arn:aws:iam::000000000000:role/toy",
    "AppSpecification": {"ImageUri": "i", "ContainerArguments": ["a"]},
    "ProcessingResources": {
        "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30}
    },
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"RoleArn": "nobody-in-particular"}, "RoleArn: 'nobody-in-particular' is not of the form"),
        ({"Environment": {"1A": "x"}}, "Environment key '1A': '1A' is not of the form"),
        ({"Environment": {"A": 3}}, "Environment.A, value: 3"),
        ({"AppSpecification": {"ImageUri": "i", "ContainerArguments": ["a"] * 101}}, "has 101 items, more than 100"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 777_601}}, "MaxRuntimeInSeconds: 777601 is over 777600"),
        ({"Nonsense": 1}, 'Unknown parameter in input: "Nonsense"'),
        (
            {"ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.none", "VolumeSizeInGB": 1}}},
            "'ml.none' is none of the values that SageMaker knows",
        ),
    ],
)
def test_requests_are_held_against_the_service_model(changes, said):
    check_request("job", REQUEST)
    with pytest.raises(ClientError) as error:
        check_request("job", {**REQUEST, **changes})
    assert said in str(error.value)


def test_executions_are_read_newest_first_and_dead_ones_are_stopped(tmp_path):
    old = Recorder(tmp_path, "toy", {"A": "1"}, {"a": "Processing"})
    old.step("a", status="Succeeded", cache=("why",), outputs={"out": "s3://x"})
    ended = old.end("Succeeded")
    other = Recorder(tmp_path, "other", {}, {})
    running = Recorder(tmp_path, "toy", {}, {"a": "Processing"})
    running.step("a", status="Executing")
    assert [e.status for e in read_executions(tmp_path, "toy")] == ["Executing", "Succeeded"]
    assert read_executions(tmp_path, "toy")[1] == ended
    running._lock.close()  # what the system does when a process dies
    dead = read_executions(tmp_path, "toy")[0]
    assert (dead.status, dead.step("a").status) == ("Stopped", "Stopped")
    other.end("Failed", failed_step="x", reason="why")
    assert read_executions(tmp_path, "other")[0].failure == "step 'x' failed: why"


EVENTS = (
    Event("planned", "", "ABCDEFGHIJKL", lines=("one", "two", "three", "four")),
    Event("started", "one"),
    Event("log", "one", "reading [files]", "algo-1"),
    Event("finished", "one", seconds=1.25, lines=("code: a.py changed",)),
    Event("cached", "two", "MNOPQRSTUVWX", lines=("taken from execution MNOPQRSTUVWX",)),
    Event("skipped", "three"),
    Event("failed", "four", "AlgorithmError: [bad]", seconds=2.0, lines=("last line",)),
)


@pytest.mark.parametrize("terminal", [False, True])
def test_steps_are_shown(terminal):
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=100, color_system=None)
    with show_steps("training", explain=True, console=console) as on_event:
        for event in EVENTS:
            on_event(event)
    text = written.getvalue()
    parts = (
        "ABCDEFGHIJKL", "1.2 s", "code: a.py changed", "cached, from execution MNOPQRSTUVWX", "three",
        "failed after 2.0 s: AlgorithmError: [bad]", "last line",
    )  # fmt: skip
    assert [part for part in parts if part not in text] == []
    assert ("✗ four" in text) == terminal
    assert "reading [files]" not in text or terminal


@pytest.mark.parametrize(
    ("setting", "variable", "goes"),
    [
        ("PSEUDONYM_KEY_SECRET", "AWS_DEFAULT_REGION", True),
        ("PSEUDONYM_KEY_SECRET", "AWS_ENDPOINT_URL", True),
        ("LEDGER_TABLE", "AWS_SECRET_ACCESS_KEY", True),
        ("TRACKING_URI", "MLFLOW_TRACKING_TOKEN", True),
        ("TRACKING_URI", "MLFLOW_S3_ENDPOINT_URL", True),
        ("TRACKING_URI", "MLFLOW_ALLOW_FILE_STORE", True),
        ("TRACKING_URI", "HTTPS_PROXY", True),
        ("DATABASE_URL", "PGPASSWORD", True),
        ("DATABASE_URL", "AWS_DEFAULT_REGION", False),
        ("TEXT_MODEL", "HF_TOKEN", True),
        ("DEVICE", "CUDA_VISIBLE_DEVICES", True),
        ("BATCH_ROWS", "AWS_DEFAULT_REGION", False),
        ("BATCH_ROWS", "HTTPS_PROXY", False),
        ("TRACKING_URI", "SOMETHING", False),
    ],
)
def test_what_a_setting_needs_goes_along_and_nothing_else(
    setting: str, variable: str, goes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.local.contract import Host, environment_for

    monkeypatch.setenv(variable, "here")
    seen = environment_for(Host("algo-1", tmp_path), {f"COUNTERFOIL_{setting}": "x"}, None)
    assert (seen.get(variable) == "here") == goes


def test_files_that_a_setting_needs_are_those_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.local.needed import needed_by

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_CONFIG_FILE", "own/config")
    monkeypatch.setenv("PGPASSFILE", "pass")
    settings = {"COUNTERFOIL_LEDGER_TABLE": "t", "COUNTERFOIL_DATABASE_URL": "postgresql://127.0.0.1/x"}
    found = needed_by(settings)
    assert (found["AWS_CONFIG_FILE"], found["PGPASSFILE"]) == (f"{tmp_path}/own/config", f"{tmp_path}/pass")


SET = {
    "database_auth": "iam", "device": "cpu", "half_precision": True, "trusted_gateway": True, "feedback_acts": False,
    "tracking_uri": "sqlite:///own.db", "text_model": "models/own", "service_deadline_ms": 70,
    "service_body_bytes": 2048, "service_threads": 3, "feedback_most_changed": 0.5, "pseudonym_key": "k" * 16,
}  # fmt: skip
"""Values of settings that take no text, or are checked; paths are relative."""


def test_each_setting_reaches_the_steps_as_the_caller_means_it_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from counterfoil.workspace.settings import Settings
    from pipelines.here import _for_steps

    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "own").mkdir(parents=True)
    (tmp_path / "step").mkdir()
    for name, field in Settings.model_fields.items():
        if name in ("workspace", "lake"):  # the session's own; refused
            continue
        number = field.annotation in (int, float)
        value = SET.get(name, (field.default + 1) if number else "given")
        with monkeypatch.context() as patch:
            settings = Settings(**{name: value})
            if name == "ml_root":
                with pytest.raises(UsageError, match="COUNTERFOIL_ML_ROOT is set"):
                    _for_steps(settings)
                continue
            [(variable, text)] = _for_steps(settings).items()
            patch.chdir("step")
            patch.setenv(variable, text)
            assert getattr(Settings(), name) == getattr(settings, name) != field.default, name
            if name in ("tracking_uri", "text_model", "database_ca", "geoip_country", "geoip_asn"):
                assert str(tmp_path) in text
