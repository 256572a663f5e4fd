"""`s3://` as folders: the workspace is the bucket, and a prefix means what it means in S3."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from counterfoil.errors import PipelineError
from counterfoil.workspace.settings import LOCAL_BUCKET
from pipelines.local.errors import ClientError

_FICLONE = 0x40049409  # Linux: let two files share their blocks until one is changed


@dataclass(frozen=True)
class StoredObject:
    """An object: its key, its name below the input's folder, and the file that holds it."""

    key: str
    name: str
    path: Path


class Objects:
    """The objects of one bucket, kept as the files of the folder `root`."""

    def __init__(self, root: Path, bucket: str = LOCAL_BUCKET) -> None:
        self._root, self._bucket = root.resolve(), bucket

    def path(self, uri: str) -> Path:
        """Return where `uri` is here. Raises PipelineError for another bucket or a way out of the workspace."""
        parts = urlsplit(uri)
        if parts.scheme != "s3" or parts.netloc != self._bucket:
            raise PipelineError(
                f"{uri!r} is not in 's3://{self._bucket}': locally that is the only bucket, kept in {self._root}"
            )
        key = uri.removeprefix(f"s3://{self._bucket}").lstrip("/")
        if ".." in key.split("/"):
            raise PipelineError(f"{uri!r} leads out of the workspace: a key must not contain '..'")
        return self._root / key

    def read(self, bucket: str, key: str) -> str:
        """Return an object's text. Raises FileNotFoundError, and PipelineError for another bucket."""
        return self.path(f"s3://{bucket}/{key}").read_text("utf-8")

    def listing(self, uri: str, data_type: str = "S3Prefix") -> list[StoredObject]:
        """Return an input's objects in the order of their keys. Raises ClientError if there is none.

        `uri` is an s3:// prefix or manifest, or a file or folder of this machine (absolute path or file://).
        """
        if data_type == "ManifestFile":
            found = self._named_by_manifest(uri)
        else:
            found = self._below(uri) if uri.startswith("s3://") else _local_files(uri)
        if not found:
            raise ClientError(
                f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that objects '
                f"exist under that prefix (here: {self._shown(uri)})"
            )
        return sorted(found, key=lambda o: o.key.encode())

    def _shown(self, uri: str) -> str:
        return str(self.path(uri)) if uri.startswith("s3://") else uri

    def _below(self, uri: str) -> list[StoredObject]:
        self.path(uri)
        prefix = uri.removeprefix(f"s3://{self._bucket}").lstrip("/")
        parent, _, start = prefix.rpartition("/")
        folder = self._root / parent
        if not folder.is_dir():
            return []
        tops = [entry for entry in folder.iterdir() if entry.name.startswith(start)]
        files = (file for top in tops for file in _files(top))
        return [_named(prefix, file.relative_to(self._root).as_posix(), file) for file in files]

    def _named_by_manifest(self, uri: str) -> list[StoredObject]:
        """A manifest is a JSON list: {"prefix": "s3://bucket/..."} and then names below it."""
        path = self.path(uri) if uri.startswith("s3://") else _local_path(uri)
        try:
            entries = json.loads(path.read_text("utf-8"))
            prefix = entries[0]["prefix"]
            names = [str(name) for name in entries[1:]]
        except FileNotFoundError:
            return []
        except (ValueError, LookupError, TypeError):
            raise ClientError(
                f'the manifest "{uri}" is not a JSON list of {{"prefix": "s3://..."}} and names'
            ) from None
        found = [StoredObject(name, name, self.path(f"{prefix}{name}")) for name in names]
        for item in found:
            if not item.path.is_file():
                raise ClientError(f'No S3 objects found under S3 URL "{prefix}{item.name}" given in manifest "{uri}"')
        return found


def _named(prefix: str, key: str, path: Path) -> StoredObject:
    """The name below the input's folder: what follows the prefix, or the last part where it ends inside a name."""
    rest = key[len(prefix) :]
    if key == prefix:
        name = key.rpartition("/")[2]
    elif prefix == "" or prefix.endswith("/") or rest.startswith("/"):
        name = rest.lstrip("/")
    else:
        name = key[prefix.rfind("/") + 1 :]
    return StoredObject(key, name, path)


def _local_path(uri: str) -> Path:
    path = Path(unquote(urlsplit(uri).path)) if uri.startswith("file://") else Path(uri)
    if not path.is_absolute():
        raise PipelineError(f"input {uri!r} is neither 's3://...' nor an absolute path of this machine")
    return path


def _local_files(uri: str) -> list[StoredObject]:
    path = _local_path(uri)
    if path.is_file():
        return [StoredObject(path.name, path.name, path)]
    return [StoredObject(name, name, file) for file in _files(path) for name in [file.relative_to(path).as_posix()]]


def _files(top: Path) -> Iterator[Path]:
    """Every file of a folder, at any depth, or the file itself; links are followed."""
    if top.is_file():
        yield top
    elif top.is_dir():
        for folder, _, names in os.walk(top, followlinks=True):
            yield from (Path(folder, name) for name in names if Path(folder, name).is_file())


def files_of(folder: Path) -> dict[str, Path]:
    """Return a folder's files by their names below it, in order; empty if there is no such folder."""
    return dict(sorted((file.relative_to(folder).as_posix(), file) for file in _files(folder)))


def dealt(objects: Sequence[StoredObject], instance: int, instances: int) -> list[StoredObject]:
    """Return the share of one instance (from 0): the objects are dealt out one by one, in the order of their keys."""
    return list(objects[instance::instances])


def copy_in(objects: Iterable[StoredObject], folder: Path) -> None:
    """Copy objects into a folder, which then exists; what is done to the copies never reaches the originals."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in objects:
        target = folder / item.name
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(item.path, target)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as written:
        try:
            fcntl.ioctl(written.fileno(), _FICLONE, read.fileno())
        except OSError:
            shutil.copyfileobj(read, written, 1 << 20)


def gather(folder: Path, aside: Path) -> None:
    """Move an instance's output files aside; where an earlier instance had the same name, the later one stays."""
    for name, file in files_of(folder).items():
        target = aside / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.is_symlink():
            target.unlink(missing_ok=True)
            _copy(file, target)
        else:
            file.replace(target)


def appear(aside: Path, destination: Path) -> None:
    """Let gathered files appear in their place, at once if nothing is there yet."""
    if not aside.is_dir():
        return
    destination.parent.mkdir(parents=True, exist_ok=True)
    if not destination.exists():
        aside.rename(destination)
        return
    for name, file in files_of(aside).items():
        (destination / name).parent.mkdir(parents=True, exist_ok=True)
        file.replace(destination / name)
