"""Where the evidence lies."""

from counterfoil.domain.tables import EVIDENCE
from counterfoil.errors import NotFoundError
from counterfoil.ports.lake import TableStore


def evidence_files(tables: TableStore) -> list[str]:
    """The files of the table `evidence`, as SQL takes them. Raises NotFoundError if it was not built."""
    files = [str(path) for path in tables.files(EVIDENCE)]
    if not files:
        raise NotFoundError("no evidence in this workspace: run 'counterfoil features' first")
    return files
