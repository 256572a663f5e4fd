"""A release is its content: files without pickles that give back the same encoder, under an id made of them."""

import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.release import ARRAYS_FILE, DESCRIPTION_FILE, Release, from_files, to_files
from counterfoil.domain.training import Fitted
from counterfoil.errors import ReleaseMismatchError

Maker = Callable[..., tuple[pa.Table, np.ndarray]]


@pytest.fixture(scope="module")
def release(fitted: Fitted, release_of: Callable[[Fitted], Release]) -> Release:
    return release_of(fitted)


def test_it_comes_back_from_its_files(release: Release, evidence: Maker, embedder: Any) -> None:
    back = from_files(to_files(release))
    assert to_files(back) == to_files(release)
    assert back.release_id == release.release_id
    assert (back.specs, back.left_out, back.spread) == (release.specs, release.left_out, release.spread)
    table, _ = evidence(seed=3)
    np.testing.assert_array_equal(
        back.encoder.encode(table, embedder.embed), release.encoder.encode(table, embedder.embed)
    )
    margins = np.linspace(-5, 5, 11)
    assert back.calibration.kind is release.calibration.kind
    np.testing.assert_array_equal(back.calibration.probability(margins), release.calibration.probability(margins))


def test_a_release_without_votes_or_text_comes_back(release: Release) -> None:
    bare = replace(release, encoder=replace(release.encoder, votes=None, text=None), text_model=None, notes=("one",))
    back = from_files(to_files(bare))
    assert (back.encoder.votes, back.encoder.text, back.text_model, back.notes) == (None, None, None, ("one",))
    assert back.release_id == bare.release_id != release.release_id


def test_no_file_is_a_pickle(release: Release) -> None:
    files = to_files(release)
    assert files.keys() == {DESCRIPTION_FILE, ARRAYS_FILE}
    json.loads(files[DESCRIPTION_FILE])
    with np.load(io.BytesIO(files[ARRAYS_FILE]), allow_pickle=False) as archive:
        assert len(archive.files) > 10
        assert all(archive[name].dtype.kind in "fib" for name in archive.files)


def test_the_id_does_not_tell_the_time(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    before = release.release_id
    later = time.time() + 400 * 86_400
    moved = time.localtime(later)
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.setattr(time, "localtime", lambda *_: moved)
    assert release.release_id == before
    with zipfile.ZipFile(io.BytesIO(to_files(release)[ARRAYS_FILE])) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


@pytest.mark.parametrize(
    "changed",
    [
        {"mapping": "other"}, {"label_delay_days": 7.5}, {"trained_until": None}, {"neighbours": 99},
        {"reference_checksum": "0"}, {"text_weights_hash": "1" * 64}, {"notes": ("n",)}, {"specs": ()},
    ],
    ids=str,
)  # fmt: skip
def test_another_content_is_another_id(release: Release, changed: dict[str, Any]) -> None:
    assert replace(release, **changed).release_id != release.release_id


def test_another_number_in_an_array_is_another_id(release: Release) -> None:
    mean = release.encoder.numeric.mean.copy()
    mean[0] = np.nextafter(mean[0], np.inf)
    encoder = replace(release.encoder, numeric=replace(release.encoder.numeric, mean=mean))
    assert replace(release, encoder=encoder).release_id != release.release_id


@pytest.mark.parametrize("format_", [0, 99, None, "1"])
def test_another_format_is_refused(release: Release, format_: Any) -> None:
    files = to_files(release)
    description = json.loads(files[DESCRIPTION_FILE]) | {"format": format_}
    files[DESCRIPTION_FILE] = json.dumps(description).encode()
    with pytest.raises(ReleaseMismatchError, match=f"of format {format_}, this version reads format 1: train again"):
        from_files(files)
