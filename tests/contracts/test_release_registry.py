"""What every ReleaseRegistry must do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from counterfoil.adapters.mlflow_registry import releases as registry_mlflow
from counterfoil.adapters.mlflow_registry.releases import MlflowRegistry
from counterfoil.errors import NotFoundError, ReleaseMismatchError, StoreUnavailableError, UsageError
from counterfoil.ports.releases import RegisteredRelease, ReleaseRegistry


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MLflow database without releases: making one takes seconds, copying it none."""
    folder = tmp_path_factory.mktemp("mlflow")
    MlflowRegistry(f"sqlite:///{folder}/mlflow.db", cache=folder).releases()
    return folder / "mlflow.db"


@pytest.fixture(params=["mlflow on sqlite", "mlflow beside its files", "mlflow with its files elsewhere"])
def open_registry(
    request: pytest.FixtureRequest, tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], ReleaseRegistry]:
    """Return a function that opens the same registry again, as another process would."""
    if request.param == "mlflow with its files elsewhere":
        monkeypatch.setattr(registry_mlflow, "_local_folder", lambda _: None)
    (tmp_path / "mlflow.db").write_bytes(empty_database.read_bytes())
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    beside = request.param == "mlflow beside its files"
    return lambda: MlflowRegistry(uri, cache=tmp_path / "cache", artifact_root=tmp_path / "artifacts", beside=beside)


@pytest.fixture
def registry(open_registry: Callable[[], ReleaseRegistry]) -> ReleaseRegistry:
    return open_registry()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a release's folder with a file in a subfolder."""
    folder = tmp_path / "release"
    (folder / "scaler").mkdir(parents=True)
    (folder / "release.json").write_text('{"threshold": 0.5}')
    (folder / "scaler" / "mean.npy").write_bytes(bytes(range(256)))
    return folder


def _register(registry: ReleaseRegistry, folder: Path, release_id: str = "r1") -> RegisteredRelease:
    return registry.register(
        release_id,
        folder,
        parameters={"encoder": "bundled", "note": ""},
        metrics={"average_precision": 0.625},
        tags={"mapping": "bank"},
    )


def test_a_registered_release_is_fetched_byte_for_byte(registry: ReleaseRegistry, folder: Path) -> None:
    release = _register(registry, folder)
    assert release == RegisteredRelease("r1", 1, {"average_precision": 0.625}, {"mapping": "bank"})
    fetched = registry.fetch("r1")
    assert fetched != folder
    files = {path.relative_to(fetched): path.read_bytes() for path in fetched.rglob("*") if path.is_file()}
    assert files == {
        Path("release.json"): b'{"threshold": 0.5}',
        Path("scaler/mean.npy"): bytes(range(256)),
    }


def test_registering_an_id_again_returns_what_is_there(
    registry: ReleaseRegistry, open_registry: Callable[[], ReleaseRegistry], folder: Path
) -> None:
    first = _register(registry, folder)
    (folder / "release.json").write_text('{"threshold": 0.9}')
    assert _register(open_registry(), folder) == first
    assert (registry.fetch("r1") / "release.json").read_text() == '{"threshold": 0.5}'


def test_releases_are_listed_newest_first(registry: ReleaseRegistry, folder: Path) -> None:
    assert registry.releases() == []
    for release_id in ("r2", "r1", "r3"):
        _register(registry, folder, release_id)
    assert [release.release_id for release in registry.releases()] == ["r3", "r1", "r2"]
    assert [release.version for release in registry.releases()] == [3, 2, 1]


def test_an_unknown_release_is_named_with_those_there_are(registry: ReleaseRegistry, folder: Path) -> None:
    _register(registry, folder)
    with pytest.raises(NotFoundError, match=r"'r9'.*r1"):
        registry.fetch("r9")


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_a_release_whose_files_differ_is_not_handed_out(registry: ReleaseRegistry, folder: Path, damage: str) -> None:
    _register(registry, folder)
    file = registry.fetch("r1") / ("extra.json" if damage == "added" else "release.json")
    if damage == "missing":
        file.unlink()
    else:
        file.write_text("{}")
    with pytest.raises(ReleaseMismatchError, match=file.name):
        registry.fetch("r1")


def test_a_register_killed_half_way_is_completed_by_a_rerun(
    registry: ReleaseRegistry,
    open_registry: Callable[[], ReleaseRegistry],
    folder: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    from mlflow import MlflowClient

    beside = "beside" in request.node.name  # then the files are written without a client
    for step in ("log_batch" if beside else "log_artifacts", "create_model_version"):
        with monkeypatch.context() as patch:
            patch.setattr(MlflowClient, step, killed)
            with pytest.raises(KeyboardInterrupt):
                _register(registry, folder)
        assert open_registry().releases() == []
    assert _register(open_registry(), folder).version == 1
    assert (registry.fetch("r1") / "release.json").is_file()
    left = [path for path in (tmp_path / "artifacts").rglob("release.json") if path.is_file()]
    assert len(left) == (2 if "elsewhere" in request.node.name else 1)


def test_an_alias_names_one_release_at_a_time(
    registry: ReleaseRegistry, open_registry: Callable[[], ReleaseRegistry], folder: Path
) -> None:
    def aliases() -> dict[str, tuple[str, ...]]:
        return {release.release_id: release.aliases for release in open_registry().releases()}

    for release_id in ("r1", "r2"):
        assert _register(registry, folder, release_id).aliases == ()
    registry.set_alias("challenger", "r1")
    registry.set_alias("champion", "r1")
    assert aliases() == {"r1": ("challenger", "champion"), "r2": ()}
    assert _register(registry, folder, "r1").aliases == ("challenger", "champion")
    registry.set_alias("champion", "r2")
    registry.set_alias("champion", "r2")
    assert aliases() == {"r1": ("challenger",), "r2": ("champion",)}
    registry.set_alias("challenger", None)
    registry.set_alias("challenger", None)
    assert aliases() == {"r1": (), "r2": ("champion",)}


def test_a_tag_stands_beside_the_files(
    registry: ReleaseRegistry, open_registry: Callable[[], ReleaseRegistry], folder: Path
) -> None:
    _register(registry, folder)
    files = {path: path.read_bytes() for path in registry.fetch("r1").rglob("*") if path.is_file()}
    registry.tag("r1", "gate", "failed")
    registry.tag("r1", "gate", "passed")
    (found,) = open_registry().releases()
    assert found.tags == {"mapping": "bank", "gate": "passed"}
    fetched = open_registry().fetch("r1")
    assert {path: path.read_bytes() for path in fetched.rglob("*") if path.is_file()} == files


def test_an_unknown_release_takes_no_alias_and_no_tag(registry: ReleaseRegistry, folder: Path) -> None:
    registry.set_alias("champion", None)
    with pytest.raises(NotFoundError, match=r"'r9'.*none"):
        registry.set_alias("champion", "r9")
    _register(registry, folder)
    for change in (lambda: registry.set_alias("champion", "r9"), lambda: registry.tag("r9", "gate", "passed")):
        with pytest.raises(NotFoundError, match=r"'r9'.*r1"):
            change()
    assert registry.releases()[0].aliases == ()


@pytest.mark.parametrize("alias", ["", "v1", "latest", "a b", "Champion"])
def test_aliases_that_are_no_names_are_refused(registry: ReleaseRegistry, alias: str) -> None:
    with pytest.raises(UsageError, match="alias"):
        registry.set_alias(alias, None)


@pytest.mark.parametrize("key", ["release_id", "counterfoil.files_sha256"])
def test_what_the_registry_lives_by_is_not_tagged_over(registry: ReleaseRegistry, folder: Path, key: str) -> None:
    _register(registry, folder)
    with pytest.raises(UsageError, match=key):
        registry.tag("r1", key, "x")
    assert registry.fetch("r1").is_dir()


def test_a_release_that_two_machines_registered_at_once_is_the_first_of_them(
    registry: ReleaseRegistry, open_registry: Callable[[], ReleaseRegistry], folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    _register(registry, folder)
    slower = open_registry()
    with monkeypatch.context() as patch:
        # What the slower machine saw before the faster one was done.
        patch.setattr(slower, "_versions", lambda _: {})
        assert _register(slower, folder).version == 2
    registry.set_alias("champion", "r1")
    registry.tag("r1", "gate", "passed")
    (found,) = registry.releases()
    assert (found.version, found.aliases, found.tags["gate"]) == (1, ("champion",), "passed")

    from mlflow import MlflowClient

    client: MlflowClient = slower._client()  # type: ignore[attr-defined]
    client.set_registered_model_alias("counterfoil", "challenger", "2")
    assert registry.releases()[0].aliases == ("challenger", "champion")


@pytest.mark.parametrize("release_id", ["", "../r1", "a'b", "a b"])
def test_ids_that_are_no_names_are_refused(registry: ReleaseRegistry, folder: Path, release_id: str) -> None:
    with pytest.raises(UsageError, match="release id"):
        _register(registry, folder, release_id)


def test_empty_folders_and_pickles_are_refused(registry: ReleaseRegistry, folder: Path) -> None:
    (folder / "model.pkl").write_bytes(b"")
    with pytest.raises(UsageError, match=r"model\.pkl"):
        _register(registry, folder)
    for path in (folder / "model.pkl", folder / "release.json", folder / "scaler" / "mean.npy"):
        path.unlink()
    with pytest.raises(UsageError, match="no files"):
        _register(registry, folder)
    assert registry.releases() == []


def test_mlflow_reports_nothing_to_its_makers(registry: ReleaseRegistry) -> None:
    registry.releases()
    from mlflow.telemetry import get_telemetry_client

    assert get_telemetry_client() is None


def test_a_registry_out_of_reach_is_named_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    for uri in (f"sqlite:///{tmp_path}/folder.db", "nonsense://me:hunter2@127.0.0.1:1/base"):
        with pytest.raises(StoreUnavailableError, match="check the tracking URI") as caught:
            MlflowRegistry(uri, cache=tmp_path).releases()
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("name", "cure"), [("mlruns", "mlruns/mlflow.db"), ("own.db", "own.db")])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_folder_is_no_registry_and_the_address_to_write_is_told(
    tmp_path: Path, scheme: str, name: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(StoreUnavailableError) as told:
        MlflowRegistry(f"{scheme}{tmp_path / name}", cache=tmp_path / "cache").releases()
    assert f"'sqlite:///{tmp_path / cure}'" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_deleted_experiment_is_told_before_the_work_with_the_command_that_brings_it_back(
    registry: ReleaseRegistry, open_registry: Callable[[], ReleaseRegistry], folder: Path, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    registry.require_writable()  # there is none yet
    _register(registry, folder)
    registry.require_writable()
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    number = client.get_experiment_by_name("counterfoil").experiment_id
    client.delete_experiment(number)
    for asked in (lambda: open_registry().require_writable(), lambda: _register(open_registry(), folder, "r2")):
        with pytest.raises(StoreUnavailableError, match=f"was deleted.*restore --experiment-id {number}'"):
            asked()
    client.restore_experiment(number)
    open_registry().require_writable()
