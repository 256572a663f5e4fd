"""The stores that training and scoring need, named once instead of passed one by one."""

from dataclasses import dataclass

from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import ReferenceStore, ReleaseRegistry, TextEmbedder


@dataclass(frozen=True)
class Stores:
    """Where payments are, where releases and their references are, and what encodes texts."""

    tables: TableStore
    references: ReferenceStore
    registry: ReleaseRegistry
    embedder: TextEmbedder
