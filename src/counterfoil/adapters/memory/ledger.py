"""A FileLedger for work that ends with its process, such as a backtest in a scratch lake."""

from counterfoil.errors import UsageError
from counterfoil.ports.lake import LedgerEntry, SourceFile


class MemoryLedger:
    """Claims of one process on input files; gone when the process is. `beside` shares another one's entries."""

    def __init__(self, beside: "MemoryLedger | None" = None) -> None:
        self._entries: dict[SourceFile, LedgerEntry] = {} if beside is None else beside._entries
        self._held: set[SourceFile] = set()

    def claim(self, file: SourceFile, mapping: str, *, again: bool = False) -> bool:
        """Claim a file unless it is claimed or (but for `again`) done; a failed or unclaimed one is free."""
        known = self._entries.get(file)
        if known is not None and known.state not in ("failed", "unclaimed", *(["done"] if again else [])):
            return False
        self._entries[file] = LedgerEntry(file, mapping, "claimed", 0, 0, 0)
        self._held.add(file)
        return True

    def complete(self, file: SourceFile, *, rows_in: int, rows_out: int, rows_rejected: int) -> None:
        """Mark a claimed file as done. Raises UsageError if this object does not hold the claim."""
        self._settle(file, "done", rows_in, rows_out, rows_rejected)

    def fail(self, file: SourceFile, reason: str) -> None:
        """Mark a claimed file as failed; raises like `complete`."""
        self._settle(file, "failed", 0, 0, 0, reason)

    def unclaim(self, file: SourceFile) -> None:
        """Give a claim up without a result; raises like `complete`."""
        self._settle(file, "unclaimed", 0, 0, 0)

    def entry(self, file: SourceFile) -> LedgerEntry | None:
        """Return what is known of a file, or None."""
        return self._entries.get(file)

    def entries(self) -> list[LedgerEntry]:
        """Return all entries, ordered by location and then content hash."""
        return sorted(self._entries.values(), key=lambda e: (e.file.location, e.file.content_hash))

    def _settle(
        self, file: SourceFile, state: str, rows_in: int, rows_out: int, rejected: int, reason: str | None = None
    ) -> None:
        if file not in self._held:
            raise UsageError(f"{file.location} is not claimed here and cannot be marked {state}: claim it first")
        mapping = self._entries[file].mapping
        self._entries[file] = LedgerEntry(file, mapping, state, rows_in, rows_out, rejected, reason)
        self._held.discard(file)
