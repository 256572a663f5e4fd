"""Which names in a folder are no payment files: those of hidden, temporary and marker files, and of earlier copies."""

import re

_TEMPORARY = (
    ".tmp",
    ".temp",
    ".part",
    ".partial",
    ".filepart",
    ".crdownload",
    ".download",
    ".opdownload",
    ".inprogress",
    ".swp",
    "._copying_",
    "~",
)
_COPIES = (".bak", ".backup", ".old", ".orig")
_CONFLICTS = re.compile(r"\(.*conflicted copy.*\)|\.sync-conflict-\d{8}-\d{6}")
"""In the names that Dropbox, Nextcloud and Syncthing give to the other of two versions of a file."""
_CHECKSUMS = (".crc", ".md5", ".sha1", ".sha256")
_OF_SYSTEMS = ("thumbs.db", "desktop.ini")
_FOLDER_MARKER = "_$folder$"


def why_left_out(name: str) -> str | None:
    """Return why a file or folder of this name is not collected, or None if it is."""
    lower = name.lower()
    if name.endswith(_FOLDER_MARKER):
        return "marks a folder"
    if name.startswith("~$") or lower.endswith(_TEMPORARY) or (name[:1] == name[-1:] == "#"):
        return "temporary"
    if name.startswith("_"):
        return "begins with '_'"
    if name.startswith(".") or lower in _OF_SYSTEMS:
        return "hidden"
    if _CONFLICTS.search(lower) is not None:
        return "a conflicted copy"
    if lower.endswith(_COPIES):
        return "an earlier copy"
    return "a checksum" if lower.endswith(_CHECKSUMS) else None
