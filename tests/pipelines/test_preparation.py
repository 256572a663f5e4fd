"""Before a pipeline starts, aliases become ids, the raw files' state gets a name, and the lake's tables exist."""

from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.key import KeyFile
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.errors import NotFoundError, StoreUnavailableError, UsageError
from counterfoil.ports.lake import SourceFile
from counterfoil.ports.releases import RegisteredRelease
from counterfoil.steps.lake.forgotten import Traces, keep_traces
from counterfoil.steps.lake.runs import run_name
from counterfoil.workspace.settings import PipelineSettings, Settings
from pipelines.preparation import prepare_start
from pipelines.raw_files import input_version

LOCAL = PipelineSettings()
DETECTION = {"RawUri": "s3://counterfoil-local/raw", "Mapping": "ulb-credit-card", "Release": "r1"}
TRAINING = {
    "RawUri": "s3://counterfoil-local/raw", "Mapping": "ulb-credit-card",
    "TrainUntil": "2026-03-01", "EvaluateFrom": "2026-03-02",
}  # fmt: skip


class Registry:
    """Releases without files; with `gone`, none can be registered."""

    gone = False

    def __init__(self, **aliases: str) -> None:
        self._aliases = aliases

    def require_writable(self) -> None:
        if self.gone:
            raise StoreUnavailableError("MLflow experiment 'counterfoil' was deleted")

    def releases(self) -> list[RegisteredRelease]:
        ids = ("r2", "r1")
        return [
            RegisteredRelease(one, 1, {}, {}, tuple(a for a, r in self._aliases.items() if r == one)) for one in ids
        ]


class Desk:
    """Policies by name, as `Policies.pinned` gives them; `now` is what is in force."""

    now: str | None = None

    def pinned(self, name: str) -> str | None:
        return self.now if name == "in-force" else f"{name.partition('.')[0]}.lists"


@dataclass
class Place:
    """What is used of a Workspace."""

    root: Path
    registry: Registry = field(default_factory=Registry)
    settings: Settings = field(default_factory=lambda: Settings(database_url="used"))
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    policies: Desk = field(default_factory=Desk)

    @property
    def key_file(self) -> KeyFile:
        return KeyFile(self.root / "pseudonym.key")

    @property
    def tables(self) -> FolderTables:
        return FolderTables(self.root / "lake")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a workspace with two raw files."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.csv").write_text("1")
    (tmp_path / "raw" / "b.csv").write_text("22")
    return Place(tmp_path)


def test_the_version_names_the_state_of_the_raw_files(place: Place, tmp_path_factory: Any) -> None:
    def version() -> str:
        return prepare_start("detection", DETECTION, LOCAL, place, local=True)["InputVersion"]

    first = version()
    assert version() == first
    (place.root / "raw" / "b.csv").write_text("23")
    changed = version()
    (place.root / "raw" / "b.csv").rename(place.root / "raw" / "c.csv")
    renamed = version()
    assert len({first, changed, renamed}) == 3
    place.key_file.begin()
    assert version() == renamed
    place.key_file.finish()
    assert version() != renamed  # the same files give other pseudonyms
    (place.root / "pseudonym.key").unlink()
    moved = tmp_path_factory.mktemp("elsewhere") / "raw"
    (place.root / "raw").rename(moved)
    assert input_version(str(moved), LOCAL, place.root, []) == renamed


def test_the_version_follows_what_others_brought_into_the_lake(place: Place) -> None:
    def version(*runs: str, number: int = 1) -> str:
        return input_version(DETECTION["RawUri"], LOCAL, place.root, [(run, f"{run}.{number}-0") for run in runs])

    content = sha256((place.root / "raw" / "a.csv").read_bytes()).hexdigest()
    file = SourceFile(f"{DETECTION['RawUri']}/a.csv", content)
    elsewhere, earlier = replace(file, location="s3://b/c"), replace(file, content_hash="0" * 64)
    own, others, before = (run_name(load_mapping("ulb-credit-card"), f) for f in (file, elsewhere, earlier))
    assert version() == version(own)
    assert version(own, others) == version(others) != version()
    # A run that was replaced has other files, whose keys an execution from the cache would not find.
    assert version(own, others, number=2) == version(others, number=2) != version(others)
    # The file was another, was collected, and is what it was again: the lake is not.
    assert version(own, before) != version()


def test_the_version_follows_the_accounts_that_were_forgotten(place: Place) -> None:
    def version() -> str:
        return prepare_start("detection", DETECTION, LOCAL, place, local=True)["InputVersion"]

    before = version()
    keep_traces(place.tables, Traces("a" * 32, frozenset()))
    assert version() != before


def test_a_given_version_stays(place: Place) -> None:
    given = {**DETECTION, "InputVersion": "2026-11"}
    assert prepare_start("detection", given, LOCAL, place, local=True)["InputVersion"] == "2026-11"


def test_no_raw_files_are_not_found(place: Place) -> None:
    with pytest.raises(NotFoundError, match="no raw files under 's3://counterfoil-local/row'"):
        prepare_start("detection", {**DETECTION, "RawUri": "s3://counterfoil-local/row"}, LOCAL, place, local=True)


def test_a_version_of_s3_follows_names_and_contents(aws: str, settings: PipelineSettings, tmp_path: Path) -> None:
    import boto3

    s3 = boto3.client("s3", endpoint_url=aws)
    s3.create_bucket(Bucket="counterfoil-test", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    with pytest.raises(NotFoundError, match="raw"):
        input_version("s3://counterfoil-test/raw", settings, tmp_path, [])
    seen = set()
    for key, body in (("raw/a.csv", b"1"), ("raw/b.csv", b"2"), ("raw/b.csv", b"3"), ("other/b.csv", b"4")):
        s3.put_object(Bucket="counterfoil-test", Key=key, Body=body)
        seen.add(input_version("s3://counterfoil-test/raw", settings, tmp_path, []))
    assert len(seen) == 3
    with pytest.raises(NotFoundError, match="s3://counterfoil-nowhere/raw: there is no such bucket"):
        input_version("s3://counterfoil-nowhere/raw", settings, tmp_path, [])


@pytest.mark.parametrize(("name", "release"), [("champion", "r1"), ("challenger", "r2"), ("r2", "r2")])
def test_an_alias_becomes_an_id(name: str, release: str, place: Place) -> None:
    place.registry = Registry(champion="r1", challenger="r2")
    detection = prepare_start("detection", {**DETECTION, "Release": name}, LOCAL, place, local=True)
    training = prepare_start("training", {**TRAINING, "Champion": name}, LOCAL, place, local=True)
    assert (detection["Release"], training["Champion"]) == (release, release)


def test_the_champion_is_the_default(place: Place) -> None:
    place.registry = Registry(champion="r1")
    without = {key: value for key, value in DETECTION.items() if key != "Release"}
    assert prepare_start("detection", without, LOCAL, place, local=True)["Release"] == "r1"
    assert prepare_start("training", TRAINING, LOCAL, place, local=True)["Champion"] == "r1"


def test_without_a_champion_training_has_none_and_detection_cannot_start(place: Place) -> None:
    assert prepare_start("training", TRAINING, LOCAL, place, local=True)["Champion"] == "-"
    with pytest.raises(NotFoundError, match="champion"):
        prepare_start("detection", {**DETECTION, "Release": "champion"}, LOCAL, place, local=True)
    with pytest.raises(NotFoundError, match="r9"):
        prepare_start("training", {**TRAINING, "Champion": "r9"}, LOCAL, place, local=True)


def test_a_training_that_could_not_register_does_not_begin(place: Place) -> None:
    place.registry = Registry(champion="r1")
    place.registry.gone = True
    with pytest.raises(StoreUnavailableError, match="was deleted"):
        prepare_start("training", TRAINING, LOCAL, place, local=True)
    assert not (place.root / "lake" / "transactions").exists()
    prepare_start("detection", DETECTION, LOCAL, place, local=True)


def test_the_policy_in_force_gets_a_name_for_the_step_cache(place: Place) -> None:
    def policy(**given: str) -> str:
        return prepare_start("detection", {**DETECTION, **given}, LOCAL, place, local=True)["Policy"]

    assert policy() == "-"
    place.policies.now = "p1.lists"
    assert policy() == policy(Policy="in-force") == "p1.lists"
    assert policy(Policy="p0") == "p0.lists"
    assert policy(Policy="-") == "-"


def test_without_a_database_the_step_finds_the_policy(place: Place) -> None:
    place.settings = Settings()
    away = {**DETECTION, "RawUri": "s3://counterfoil-local/raw", "InputVersion": "v"}
    assert prepare_start("detection", away, LOCAL, place)["Policy"] == "in-force"
    assert prepare_start("detection", away, LOCAL, place, local=True)["Policy"] == "-"


def test_no_champion_may_be_asked_for(place: Place) -> None:
    place.registry = Registry(champion="r1")
    given = {**TRAINING, "Champion": "-"}
    assert prepare_start("training", given, LOCAL, place, local=True)["Champion"] == "-"


def test_lake_tables_get_manifests_and_published_ones_stay(place: Place) -> None:
    staged = place.tables.stage("transactions", "run")
    (staged / "part.parquet").write_bytes(b"x")
    place.tables.publish("transactions", "run")
    prepare_start("detection", DETECTION, LOCAL, place, local=True)
    assert place.tables.runs("transactions") == ["run"]
    assert (place.root / "lake" / "addresses" / ".manifest.json").is_file()


def test_a_wrong_parameter_leaves_the_workspace_alone(place: Place) -> None:
    with pytest.raises(UsageError, match="unknown: Shards"):
        prepare_start("detection", {**DETECTION, "Shards": "2"}, LOCAL, place, local=True)
    assert not (place.root / "lake").exists()


def test_local_paths_are_made_whole(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.root)
    values = prepare_start("detection", {**DETECTION, "RawUri": "raw"}, LOCAL, place, local=True)
    assert values["RawUri"] == str(place.root / "raw")
    with pytest.raises(UsageError, match="RawUri is 'raw': give 's3://bucket/prefix'"):
        prepare_start("detection", {**DETECTION, "RawUri": "raw"}, LOCAL, place)


def test_a_mappings_file_is_kept_under_a_name_of_its_content(place: Place) -> None:
    mapping = place.root / "mine.toml"
    kept = []
    for content in ("a = 1", "a = 2", "a = 1"):
        mapping.write_text(content)
        values = prepare_start("detection", {**DETECTION, "Mapping": str(mapping)}, LOCAL, place, local=True)
        assert Path(values["Mapping"]).read_text() == content
        kept.append(values["Mapping"])
    assert kept[0] == kept[2] != kept[1]


def test_a_file_that_failed_is_tried_again_and_a_marker_is_no_file(place: Place) -> None:
    def version() -> str:
        return prepare_start("detection", DETECTION, LOCAL, place, local=True)["InputVersion"]  # type: ignore[arg-type]

    path = place.root / "raw" / "a.csv"
    before = version()
    (place.root / "raw" / "2026_$folder$").write_bytes(b"")
    assert version() == before
    file = SourceFile(f"s3://counterfoil-local/raw/{path.name}", "0" * 64)
    place.ledger.claim(file, "m")
    place.ledger.fail(file, "no column")
    assert len({before, version(), version()}) == 3
