"""A candidate as files, and its way into the registry; a release's way back."""

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.release.references import checksum
from counterfoil.domain.release.release import (
    ARRAYS_FILE,
    DESCRIPTION_FILE,
    Release,
    from_files,
    require_references,
)
from counterfoil.errors import NotFoundError
from counterfoil.ports.releases import ReferenceStore, RegisteredRelease, ReleaseRegistry
from counterfoil.progress import Progress

REFERENCES_FILE = "references.parquet"


@dataclass(frozen=True)
class Candidate:
    """A release with its base references (`domain.references.reference_schema`), before it is registered."""

    release: Release
    references: pa.Table


def register_candidate(
    candidate: Candidate,
    references: ReferenceStore,
    registry: ReleaseRegistry,
    *,
    evaluation: Mapping[str, bytes] = MappingProxyType({}),
    metrics: Mapping[str, float] = MappingProxyType({}),
    tags: Mapping[str, str] = MappingProxyType({}),
    progress: Progress = Progress(),
) -> RegisteredRelease:
    """Write the base references, then register the release; `evaluation` are further files, by their path.

    The release is visible last: one that the registry lists is complete, and a call that was killed is simply
    made again. A release that is registered already stays as it is, with the files that it was given then.
    """
    release = candidate.release
    progress.begin("writing the reference set")
    references.write_base(release.release_id, candidate.references)
    progress.begin("registering the release")
    with tempfile.TemporaryDirectory(prefix="counterfoil-") as name:
        _write_files(Path(name), {**evaluation, **release.files})
        return registry.register(
            release.release_id,
            Path(name),
            parameters=_parameters(release),
            # A comparison finds no NaN: what is not defined is absent.
            metrics={
                name: float(value)
                for name, value in {**_training_metrics(release), **metrics}.items()
                if math.isfinite(value)
            },
            tags={"mapping": release.mapping, "signal_kind": release.calibration.kind.value, **tags},
        )


def write_candidate(candidate: Candidate, folder: Path) -> None:
    """Write a candidate as files: the release's own and `references.parquet`."""
    _write_files(folder, candidate.release.files)
    pq.write_table(candidate.references, folder / REFERENCES_FILE, compression="zstd")


def read_candidate(folder: Path) -> Candidate:
    """Read what `write_candidate` wrote.

    Raises NotFoundError if a file is missing, ReleaseMismatchError if the references are not the release's.
    """
    missing = [n for n in (DESCRIPTION_FILE, ARRAYS_FILE, REFERENCES_FILE) if not (folder / n).is_file()]
    if missing:
        raise NotFoundError(f"{folder} holds no candidate, {', '.join(missing)} is missing: run the step train again")
    release = read_release(folder)
    references = pq.read_table(folder / REFERENCES_FILE)
    require_references(release, checksum(references))
    return Candidate(release, references)


def read_release(folder: Path) -> Release:
    """Read a release from its files. Raises ReleaseMismatchError for those of another format."""
    return from_files({name: (folder / name).read_bytes() for name in (DESCRIPTION_FILE, ARRAYS_FILE)})


def load_release(registry: ReleaseRegistry, release_id: str) -> Release:
    """Load a release by its id. Raises NotFoundError if there is none of this id."""
    return read_release(registry.fetch(release_id))


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _parameters(release: Release) -> dict[str, str]:
    """What the registry shows of a release beside its metrics."""
    return {
        "mapping": release.mapping,
        "label_delay_days": str(release.label_delay_days),
        "evidence_share": str(release.encoder.mixture.evidence),
        "odds_share": str(release.encoder.mixture.odds),
        "machines": release.encoder.mixture.machines,
        "neighbours": str(release.neighbours),
        "references": str(release.reference_rows),
        "reference_checksum": release.reference_checksum,
        "text_model": str(release.text_model),
        "trained_from": str(release.trained_from),
        "trained_until": str(release.trained_until),
        "labels_known_until": str(release.labels_known_until),
        "evidence_sha256": release.lineage.evidence_sha256,
        "mapping_sha256": release.lineage.mapping_sha256,
    }


def _training_metrics(release: Release) -> dict[str, float]:
    thresholds = {"review": release.thresholds.review, "block": release.thresholds.block}
    return {
        **{f"validation_{name}": value for name, value in release.validation.items()},
        **{f"ablation_{name}": value for name, value in release.ablation.items()},
        **{f"threshold_{name}": value for name, value in thresholds.items() if value is not None},
    }
