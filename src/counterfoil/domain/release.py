"""A release: everything that is needed to score a payment again and get the same number."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterfoil.domain.archive import pack, unpack
from counterfoil.domain.detection.signal import Calibration
from counterfoil.domain.encoding.collapse import Spread
from counterfoil.domain.encoding.encoder import Encoder
from counterfoil.domain.features.spec import FeatureSpec
from counterfoil.errors import ReleaseMismatchError

FORMAT = 1
DESCRIPTION_FILE = "release.json"
ARRAYS_FILE = "arrays.npz"


@dataclass(frozen=True)
class Release:
    """Mapping, features, encoder, calibration and lineage. Times are ISO 8601 in UTC.

    `reference_checksum` names the content of the base reference set, which lives in the reference store
    under the release's id.
    """

    mapping: str
    specs: tuple[FeatureSpec, ...]
    label_delay_days: float
    trained_from: str | None
    trained_until: str | None
    labels_known_until: str | None
    training_rows: int
    training_frauds: int
    encoder: Encoder
    calibration: Calibration
    neighbours: int
    text_model: str | None
    text_weights_hash: str | None
    reference_rows: int
    reference_frauds: int
    reference_checksum: str
    left_out: dict[str, str]
    spread: Spread
    validation: dict[str, float]
    ablation: dict[str, float]
    notes: tuple[str, ...]

    @property
    def release_id(self) -> str:
        """An id made of the content: training again on the same data gives the same release."""
        digest = hashlib.sha256()
        for name, content in sorted(to_files(self).items()):
            digest.update(name.encode() + b"\0" + content)
        return f"r{digest.hexdigest()[:16]}"


def to_files(release: Release) -> dict[str, bytes]:
    """The release as files: a JSON description and an archive of arrays without pickles."""
    arrays: dict[str, np.ndarray] = {}
    description = {"format": FORMAT, "release": pack(release, arrays)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    text = json.dumps(description, indent=1, sort_keys=True, allow_nan=False)
    return {DESCRIPTION_FILE: text.encode(), ARRAYS_FILE: buffer.getvalue()}


def from_files(files: Mapping[str, bytes]) -> Release:
    """Read what `to_files` made. Raises ReleaseMismatchError if it is of another format."""
    description: dict[str, Any] = json.loads(files[DESCRIPTION_FILE])
    if description.get("format") != FORMAT:
        raise ReleaseMismatchError(
            f"the release is of format {description.get('format')}, this version reads format {FORMAT}: train again"
        )
    with np.load(io.BytesIO(files[ARRAYS_FILE]), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return unpack(Release, description["release"], arrays)
