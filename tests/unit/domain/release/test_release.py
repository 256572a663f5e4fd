"""A release is its content: files without pickles that give back the same encoder, under an id made of them."""

import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.release.lineage import Lineage
from counterfoil.domain.release.release import (
    ARRAYS_FILE,
    DESCRIPTION_FILE,
    FORMAT,
    Release,
    from_files,
    missing_evidence,
    require_references,
    scored_schema,
    to_files,
)
from counterfoil.domain.schemas import TIMESTAMP
from counterfoil.domain.training.training import Fitted
from counterfoil.errors import OlderFormatError, ReleaseMismatchError
from counterfoil.steps.releases.registration import read_release

Maker = Callable[..., tuple[pa.Table, np.ndarray]]


@pytest.fixture(scope="module")
def release(fitted: Fitted, release_of: Callable[[Fitted], Release]) -> Release:
    return release_of(fitted)


def test_it_comes_back_from_its_files(release: Release, evidence: Maker, embedder: Any) -> None:
    back = from_files(to_files(release))
    assert to_files(back) == to_files(release)
    assert back.release_id == release.release_id
    assert (back.specs, back.left_out, back.spread) == (release.specs, release.left_out, release.spread)
    assert (back.thresholds, back.lineage) == (release.thresholds, release.lineage)
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


def test_it_is_the_same_where_another_python_packs_arrays_otherwise(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11.2 and 3.11.7 write other bytes into the same archive: so did two images."""
    for name, content in release.files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(np, "savez_compressed", np.savez)
    assert to_files(release)[ARRAYS_FILE] != release.files[ARRAYS_FILE]
    back = read_release(tmp_path)
    assert (back.release_id, back.files) == (release.release_id, release.files)
    assert replace(back, neighbours=99).release_id != back.release_id


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
        {"thresholds": Thresholds(review=0.25)}, {"lineage": Lineage("0", "1", None)},
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


@pytest.mark.parametrize("format_", [0, 2, 99, None, "3"])
def test_another_format_is_refused(release: Release, format_: Any) -> None:
    files = to_files(release)
    description = json.loads(files[DESCRIPTION_FILE]) | {"format": format_}
    files[DESCRIPTION_FILE] = json.dumps(description).encode()
    with pytest.raises(ReleaseMismatchError, match=rf"of format {format_}, this version reads format 6: .*train again"):
        from_files(files)


def test_a_stored_release_of_the_format_before_is_refused_with_what_to_do() -> None:
    """It was trained by the code of 25 November 2026 (commit d3faa1e) on 600 rows made by its tests."""
    stored = Path(__file__).with_name("of_format_5")
    assert json.loads((stored / DESCRIPTION_FILE).read_bytes())["format"] == FORMAT - 1
    with pytest.raises(
        OlderFormatError,
        match=r"of format 5, this version reads format 6: train again and promote what comes of it \(.*'counterfoil "
        r"release retire ID --even-in-use'\), or score with the version of Counterfoil that trained it",
    ):
        read_release(stored)


def test_the_evidence_that_is_missing_is_named_in_full(release: Release, evidence: Maker) -> None:
    columns = evidence()[0].column_names
    assert missing_evidence(release, columns) == []
    gone = ["account_id", "n1", "hour_sin", "category"]
    assert missing_evidence(release, [name for name in columns if name not in gone]) == gone
    assert missing_evidence(release, []) == scored_schema(release).names


def test_scored_evidence_has_one_type_for_each_kind(release: Release) -> None:
    schema = scored_schema(release)
    assert schema.names[:3] == ["transaction_id", "event_time", "account_id"]
    assert schema.field("event_time").type == TIMESTAMP
    assert {schema.field(name).type for name in ("amount", "n0", "weekday_cos")} == {pa.float64()}
    assert {schema.field(name).type for name in ("merchant_id", "category")} == {pa.string()}
    assert len(set(schema.names)) == len(schema.names) == 3 + len(release.encoder.schema.columns)


MARCH, APRIL, MAY = (f"2024-0{month}-01T00:00:00+00:00" for month in (3, 4, 5))


@pytest.mark.parametrize(
    ("labels_known_until", "trained_until", "last_label", "expected"),
    [
        (MARCH, APRIL, MAY, MARCH),
        (None, APRIL, MARCH, APRIL),
        (None, MARCH, APRIL, APRIL),  # a label that was found out after the last payment
        (None, None, APRIL, APRIL),
        (None, None, None, None),
    ],
)
def test_it_learned_until_its_labels_limit_or_its_last_label(
    release: Release, labels_known_until: Any, trained_until: Any, last_label: Any, expected: Any
) -> None:
    lineage = replace(release.lineage, last_label_known_at=last_label)
    changed = replace(
        release, labels_known_until=labels_known_until, trained_until=trained_until, lineage=lineage
    )  # fmt: skip
    found = changed.learned_until
    assert (found and found.isoformat()) == expected


def test_other_references_are_an_error_that_names_the_release(release: Release) -> None:
    require_references(release, release.reference_checksum)
    with pytest.raises(ReleaseMismatchError, match=f"reference set of release {release.release_id} has checksum abc"):
        require_references(release, "abc")
