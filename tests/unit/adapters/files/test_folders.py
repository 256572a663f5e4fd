"""Folders are walked, and what is no payment file is left out and told."""

from pathlib import Path

import pytest

from counterfoil.adapters.files.folders import FoundFiles, find_files
from counterfoil.domain.intake.file_names import why_left_out

LEFT_OUT = {
    "_SUCCESS": "begins with '_'",
    "_committed_123": "begins with '_'",
    "in_$folder$": "marks a folder",
    "_$folder$": "marks a folder",
    ".hidden.csv": "hidden",
    ".part-0.csv.crc": "hidden",
    "._in.csv": "hidden",
    "Thumbs.db": "hidden",
    "~$book.csv": "temporary",
    "in.csv~": "temporary",
    "in.csv.TMP": "temporary",
    "in.csv.crdownload": "temporary",
    "in.csv._COPYING_": "temporary",
    "#in.csv#": "temporary",
    "in.csv.download": "temporary",
    "in.csv.bak": "an earlier copy",
    "in.csv.OLD": "an earlier copy",
    "in.csv.orig": "an earlier copy",
    "in (conflicted copy).csv": "a conflicted copy",
    "in (Ann's conflicted copy 2026-03-01).csv": "a conflicted copy",
    "in (Case Conflicted Copy 1).csv": "a conflicted copy",
    "in (conflicted copy 2026-03-01 101500).csv": "a conflicted copy",
    "in.sync-conflict-20260301-101500-ABCDEF7.csv": "a conflicted copy",
    "in.csv.md5": "a checksum",
    "part-0.crc": "a checksum",
}


def made(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def names(found: FoundFiles, folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in found.files]


@pytest.mark.parametrize(("name", "reason"), LEFT_OUT.items())
def test_a_name_that_is_no_payment_file_is_left_out_with_its_reason(tmp_path: Path, name: str, reason: str) -> None:
    found = find_files([made(tmp_path, name, "in.csv")])
    assert names(found, tmp_path) == ["in.csv"]
    assert found.left_out == ((tmp_path / name, reason),)
    assert find_files([tmp_path / name]).left_out == found.left_out


@pytest.mark.parametrize(
    "name", ["part-00000.csv", "#1 export.csv", "a_b.csv", "tmp.csv", "year=2026", "in.csv.gz", "conflicted copy.csv"]
)
def test_other_names_are_files(name: str) -> None:
    assert why_left_out(name) is None


def test_folders_are_walked_in_order_and_hidden_ones_left_out_whole(tmp_path: Path) -> None:
    made(
        tmp_path, "b.csv", "a/z.csv", "a/y.csv", "day=1/_temporary/0/x.csv", ".ipynb_checkpoints/b-checkpoint.csv",
        "_delta_log/0.json", "day=1/part-0.csv",
    )  # fmt: skip
    (tmp_path / "again").symlink_to(tmp_path / "a")
    found = find_files([tmp_path])
    assert names(found, tmp_path) == ["b.csv", "a/y.csv", "a/z.csv", "day=1/part-0.csv"]
    assert {path.relative_to(tmp_path).as_posix(): reason for path, reason in found.left_out} == {
        ".ipynb_checkpoints": "hidden",
        "_delta_log": "begins with '_'",
        "again": "a link to a folder",
        "day=1/_temporary": "begins with '_'",
    }


def test_what_lies_above_the_folder_does_not_count(tmp_path: Path) -> None:
    folder = made(tmp_path / ".cache" / "_in", "a.csv")
    assert names(find_files([folder]), folder) == ["a.csv"]
    assert names(find_files([folder / "a.csv"]), folder) == ["a.csv"]


def test_a_checkpoint_that_a_pattern_of_the_shell_named_is_left_out(tmp_path: Path) -> None:
    made(tmp_path, ".ipynb_checkpoints/a.csv")
    path = tmp_path / ".ipynb_checkpoints" / "a.csv"
    assert find_files([path]) == FoundFiles((), ((path, "in .ipynb_checkpoints"),), ())


def test_a_file_is_found_once(tmp_path: Path) -> None:
    made(tmp_path, "a.csv", "b.csv")
    found = find_files([tmp_path / "b.csv", tmp_path, tmp_path])
    assert names(found, tmp_path) == ["b.csv", "a.csv"]
    assert found.problems == ()


def test_a_folder_without_files_is_a_problem(tmp_path: Path) -> None:
    made(tmp_path, "full/a.csv", "marked/_SUCCESS")
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    found = find_files([tmp_path / "full", tmp_path / "empty", tmp_path / "marked"])
    assert found.problems == (
        (tmp_path / "empty", "holds no payment file"),
        (tmp_path / "marked", "holds no payment file"),
    )
    assert names(find_files([tmp_path]), tmp_path) == ["full/a.csv"]
    assert find_files([tmp_path]).problems == ()


def test_a_missing_file_stays_for_the_reader_to_refuse(tmp_path: Path) -> None:
    assert find_files([tmp_path / "none.csv"]).files == (tmp_path / "none.csv",)
