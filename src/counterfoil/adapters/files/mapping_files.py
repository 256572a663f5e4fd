"""Source mappings from TOML files: the ones that are shipped with the package, and the user's own."""

from importlib.resources import files
from pathlib import Path

from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.errors import InputFileError, NotFoundError

_FOLDER = files("counterfoil") / "mappings"


def load_mapping(name_or_path: str) -> SourceMapping:
    """Return a shipped mapping by its name, or the one in a file whose name ends in .toml.

    Raises NotFoundError (which lists the shipped names), InputFileError if the file cannot be read, and
    MappingError if the mapping is wrong.
    """
    if name_or_path.endswith(".toml"):
        path = Path(name_or_path)
        return parse_mapping(_text_of(path), path.stem)
    if name_or_path not in shipped_mappings():
        shipped = ", ".join(shipped_mappings())
        raise NotFoundError(f"there is no mapping {name_or_path!r}: use one of {shipped}, or the path of a .toml file")
    return parse_mapping((_FOLDER / f"{name_or_path}.toml").read_text("utf-8"), name_or_path)


def shipped_mappings() -> list[str]:
    """Return the names of the mappings that come with the package, sorted."""
    return sorted(entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir() if entry.name.endswith(".toml"))


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        shipped = ", ".join(shipped_mappings())
        raise NotFoundError(f"there is no mapping file {path} (shipped mappings: {shipped})") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise InputFileError(f"mapping file {path} cannot be read: {reason}") from None
