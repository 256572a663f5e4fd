"""A release: everything that is needed to score a payment again and get the same number."""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from counterfoil.domain.encoding.collapse import Spread
from counterfoil.domain.encoding.encoder import Encoder
from counterfoil.domain.features.spec import FeatureSpec
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.release.archive import pack, unpack
from counterfoil.domain.release.lineage import Lineage
from counterfoil.domain.schemas import TIMESTAMP
from counterfoil.domain.scoring.signal import Calibration
from counterfoil.errors import OlderFormatError, ReleaseMismatchError

FORMAT = 6
DESCRIPTION_FILE = "release.json"
ARRAYS_FILE = "arrays.npz"

_WHOSE = {"transaction_id": pa.string(), "event_time": TIMESTAMP, "account_id": pa.string()}


@dataclass(frozen=True)
class Release:
    """Mapping, features, encoder, calibration, thresholds and lineage. Times are ISO 8601 in UTC.

    `usual` is what the middle good payment of training had in each number. `reference_checksum` names the content
    of the base reference set, which lives in the reference store under the release's id.
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
    usual: dict[str, float]
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
    thresholds: Thresholds
    lineage: Lineage

    @property
    def learned_until(self) -> datetime | None:
        """The moment from which on nothing was known to training: no payment, and no label. None: unknown.

        Where no limit was set for labels it is the latest moment at which one that was trained on became known.
        """
        limits: tuple[str | None, ...] = (self.labels_known_until,)
        if self.labels_known_until is None:
            limits = (self.trained_until, self.lineage.last_label_known_at)
        return max((datetime.fromisoformat(limit) for limit in limits if limit), default=None)

    @cached_property
    def release_id(self) -> str:
        """An id made of the content: training again on the same data gives the same release.

        To make it takes as long as some scores do, and it is asked for with each of them.
        """
        digest = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            digest.update(name.encode() + b"\0" + content)
        return f"r{digest.hexdigest()[:16]}"

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The release as files, byte by byte those it was read from.

        Another Python or zlib packs the same arrays into other bytes: the release would have another id there.
        """
        return to_files(self)


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
        raise _of_another_format(description.get("format"))
    with np.load(io.BytesIO(files[ARRAYS_FILE]), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    release = unpack(Release, description["release"], arrays)
    # Where cached_property would keep them.
    release.__dict__["files"] = {name: files[name] for name in (DESCRIPTION_FILE, ARRAYS_FILE)}
    return release


def _of_another_format(found: object) -> ReleaseMismatchError:
    known = f"the release is of format {found}, this version reads format {FORMAT}"
    if isinstance(found, int) and found < FORMAT:
        return OlderFormatError(
            f"{known}: train again and promote what comes of it (a champion that is in the way goes with "
            "'counterfoil release retire ID --even-in-use'), or score with the version of Counterfoil that trained it"
        )
    return ReleaseMismatchError(f"{known}: read it with the version of Counterfoil that trained it, or train again")


def scored_columns(release: Release) -> tuple[str, ...]:
    """The columns of evidence that are needed to score a payment with the release and to say whose it is."""
    return tuple(dict.fromkeys((*_WHOSE, *release.encoder.schema.columns)))


def scored_schema(release: Release) -> pa.Schema:
    """Schema of evidence rows as the release scores them; the same whatever file or engine they came from."""
    numbers = {*release.encoder.schema.numeric, *release.encoder.schema.cyclic}
    types = {name: pa.float64() if name in numbers else pa.string() for name in scored_columns(release)}
    return pa.schema(list((types | _WHOSE).items()))


def missing_evidence(release: Release, columns: Iterable[str]) -> list[str]:
    """The columns that the release needs and that are not among `columns`, in the release's order."""
    there = set(columns)
    return [name for name in scored_columns(release) if name not in there]


def require_references(release: Release, found: str) -> None:
    """Raise ReleaseMismatchError unless `found` is the checksum of the release's base references."""
    if found != release.reference_checksum:
        raise ReleaseMismatchError(
            f"the reference set of release {release.release_id} has checksum {found[:12]}, "
            f"the release was trained with {release.reference_checksum[:12]}: train again"
        )
