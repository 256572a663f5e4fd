"""Published tables count in a step's cache key by the version that pins them, all other inputs by content."""

from pathlib import Path

import pytest

from pipelines.local.hashes import FileHashes
from pipelines.local.key import PINNED, Channel, _channel
from pipelines.local.objects import StoredObject


def _key(tmp_path: Path, where: str, content: str, version: str | None) -> Channel:
    path = tmp_path / "a.parquet"
    path.write_text(content)
    item = {"InputName": "x", "S3Input": {"S3Uri": "s3://counterfoil-local/lake/x", "LocalPath": where}}
    objects = {"x": [StoredObject("x/a.parquet", "a.parquet", path)]}
    return _channel(item, objects, FileHashes(tmp_path / "hashes"), version)


def test_a_published_table_counts_by_its_version(tmp_path: Path) -> None:
    assert _key(tmp_path, f"{PINNED}x", "1", "v1") == _key(tmp_path, f"{PINNED}x", "22", "v1")
    assert _key(tmp_path, f"{PINNED}x", "1", "v1") != _key(tmp_path, f"{PINNED}x", "1", "v2")


@pytest.mark.parametrize(("where", "version"), [(f"{PINNED}x", None), ("/opt/ml/processing/input/x", "v1")])
def test_all_else_counts_by_content(tmp_path: Path, where: str, version: str | None) -> None:
    assert _key(tmp_path, where, "1", version) != _key(tmp_path, where, "22", version)
    assert _key(tmp_path, where, "1", version) == _key(tmp_path, where, "1", version)
