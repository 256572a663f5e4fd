"""What every image is tried with: a folder, a few payments and a database."""

from dataclasses import dataclass
from pathlib import Path

from infra.trial.buildah import Buildah

MAPPING = ("--mapping", "counterfoil-simulated")


@dataclass(frozen=True)
class Trial:
    """`payments` are a file's bytes in the mapping MAPPING; `database` is the DSN of a PostgreSQL in `folder`."""

    images: Buildah
    folder: Path
    payments: bytes
    database: str

    @property
    def mount(self) -> str:
        """The folder, under its own name in a container: the database's socket is in it."""
        return f"{self.folder}:{self.folder}"
