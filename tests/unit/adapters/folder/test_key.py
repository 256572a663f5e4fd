"""The key that a workspace makes for itself: one, whole, and nowhere else."""

from pathlib import Path

from counterfoil.adapters.folder.key import KEY_BYTES, KeyFile


def test_the_draft_of_a_killed_process_is_no_key_and_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "pseudonym.key.draft").write_bytes(b"half of a k")
    keys = KeyFile(tmp_path / "pseudonym.key").read().keys
    assert [len(key) for key in keys] == [KEY_BYTES]
    [path] = tmp_path.iterdir()
    assert (path.name, path.read_bytes(), path.stat().st_mode & 0o777) == ("pseudonym.key", keys[0], 0o600)


def test_a_key_that_another_process_made_first_stays(tmp_path: Path) -> None:
    first = KeyFile(tmp_path / "pseudonym.key").read()
    assert KeyFile(tmp_path / "pseudonym.key").read() == first
    later = KeyFile(tmp_path / "pseudonym.key").begin()
    assert KeyFile(tmp_path / "pseudonym.key").begin() == later
