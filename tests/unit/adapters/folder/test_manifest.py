"""A manifest read back is the one written; another's is refused in words."""

import json
from pathlib import Path

import pytest

from counterfoil.adapters.folder.manifest import PublishedRun, manifest_text, number_of, parse_manifest, run_of
from counterfoil.errors import StoreUnavailableError

RUN = PublishedRun("a.b", "runs/a.b.3-0f", {"runs/a.b.3-0f/event_date=2019-01-01/part-0.parquet": 7})


def test_what_was_written_is_read() -> None:
    empty = PublishedRun("c", "runs/c.1-0f", {})
    assert parse_manifest(manifest_text([RUN, empty]), "here") == [RUN, empty]
    assert (run_of(RUN.folder), number_of(RUN.folder)) == ("a.b", 3)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"format": 1, "runs": [{"run": "a"}]}', b"\xff"])
def test_what_is_no_manifest_is_said_so(text: bytes) -> None:
    with pytest.raises(StoreUnavailableError, match=r"s3://b/t is no manifest .*restore it"):
        parse_manifest(text, "s3://b/t")


def test_another_version_s_manifest_is_left_to_it() -> None:
    with pytest.raises(StoreUnavailableError, match="format 2 and this version reads 1"):
        parse_manifest(b'{"format": 2, "runs": {"of": "another kind"}}', "here")


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("runs/a.1-0f", "runs/b.1-0f/part-0.parquet"),
        ("runs/a.1-0f", "runs/a.1-0f/../../../../.bashrc"),
        ("..", "../part-0.parquet"),
        ("/etc", "/etc/passwd"),
    ],
)
def test_a_manifest_names_no_files_elsewhere(folder: str, name: str, tmp_path: Path) -> None:
    text = json.dumps({"format": 1, "runs": [{"run": "a", "folder": folder, "files": {name: 1}}]})
    with pytest.raises(StoreUnavailableError, match="not in the folder of run 'a'"):
        parse_manifest(text.encode(), str(tmp_path))
