"""What the control records of a NACHA file (8 and 9) tell, and what the records before them make."""

from collections.abc import Iterator
from dataclasses import dataclass

from counterfoil.domain.intake.raw import BadRecordError

_HASH_MODULUS = 10**10
_CREDIT_CODES, _DEBIT_CODES = "1234", "56789"
ADVICES = "280"
"""The service class of accounting advices, whose records have other places."""

_IN_BATCH = {"entries and addenda": (5, 10), "entry hash": (11, 20), "debits": (21, 32), "credits": (33, 44)}
_IN_FILE = {
    "batches": (2, 7), "entries and addenda": (14, 21), "entry hash": (22, 31), "debits": (32, 43), "credits": (44, 55),
}  # fmt: skip
"""The places of each total, counted from 1, as the rules of NACHA count them; money is in cents."""


@dataclass
class Totals:
    """Totals of a batch or a file while its records are met; nothing is known of them if one could not be read."""

    batches: int = 0
    records: int = 0
    entry_hash: int = 0
    debits: int = 0
    credits: int = 0
    known: bool = True

    def add_entry(self, record: str) -> None:
        """Take in an entry (6)."""
        code, bank, cents = record[2:3], record[3:11], record[29:39]
        if code not in _CREDIT_CODES + _DEBIT_CODES or not (_is_number(bank) and _is_number(cents)):
            self.known = False
            return
        self.records += 1
        self.entry_hash += int(bank)
        if code in _CREDIT_CODES:
            self.credits += int(cents)
        else:
            self.debits += int(cents)

    def add_batch(self, batch: "Totals") -> None:
        """Take in a batch that has ended."""
        self.batches += 1
        self.records += batch.records
        self.entry_hash += batch.entry_hash
        self.debits += batch.debits
        self.credits += batch.credits
        self.known = self.known and batch.known

    def require_batch(self, record: str) -> None:
        """Raise BadRecordError if a batch's control (8) tells other totals."""
        if record[1:4] != ADVICES:
            self._require(record, _IN_BATCH, "batch")

    def require_file(self, record: str) -> None:
        """Raise BadRecordError if the file's control (9) tells other totals."""
        self._require(record, _IN_FILE, "file")

    def _require(self, record: str, places: dict[str, tuple[int, int]], what: str) -> None:
        wrong = list(self._differences(record, places)) if self.known else []
        if wrong:
            message = f"the control record of the {what} has other totals than its records: {'; '.join(wrong)}"
            raise BadRecordError(f"{what}_totals_differ", message)

    def _differences(self, record: str, places: dict[str, tuple[int, int]]) -> Iterator[str]:
        made = {
            "batches": self.batches,
            "entries and addenda": self.records,
            "entry hash": self.entry_hash % _HASH_MODULUS,
            "debits": self.debits,
            "credits": self.credits,
        }
        for name, (first, last) in places.items():
            told = record[first - 1 : last]
            if _is_number(told) and int(told) != made[name]:
                yield f"{name} {int(told)}, and there are {made[name]}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
