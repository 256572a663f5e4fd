"""Names of the runs of collected files."""

import hashlib

from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.ports.lake import SourceFile

RUN_DIGITS = 16
"""Of a file's SHA-256 (hex), in the name of its run."""


def run_name(mapping: SourceMapping, file: SourceFile) -> str:
    """Return the name of the run that a file's rows are published under: by mapping, content and place."""
    return mapping.name + run_ending(file)


def run_ending(file: SourceFile) -> str:
    """Return what the names of a file's runs end in, by whatever mapping."""
    return f"-{file.content_hash[:RUN_DIGITS]}-{place_of(file.location)}"


def place_of(location: str) -> str:
    """Return what the runs of all files at a location end in, whatever the files held."""
    return hashlib.sha256(location.encode()).hexdigest()[:8]
