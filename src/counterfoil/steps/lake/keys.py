"""Which key made the pseudonyms of the lake, and of which spelling of an account."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from counterfoil.domain.privacy.pseudonyms import PseudonymKeys
from counterfoil.domain.tables import TRANSACTIONS
from counterfoil.errors import UsageError
from counterfoil.ports.lake import TableStore

KEY_ID = b"counterfoil.key"
"""In the metadata of each file of transactions: which keys made its pseudonyms."""


ACCOUNT_FORM = b"counterfoil.accounts"
"""There too: in which form accounts were hashed."""

FORM = b"2"
"""IBANs in one spelling, other numbers with their banks if the mapping names them. Before (1, or not told), accounts
were hashed as they stood in the files."""

HASHED = b"counterfoil.hashed"
"""There too, where a mapping hashes fields that are text elsewhere (`privacy.hashed`): which."""


def require_key(tables: TableStore, keys: PseudonymKeys) -> None:
    """Raise UsageError if the transactions have pseudonyms of other keys: known people would look like new ones.

    Files of older versions do not record their key; they are accepted without this check.
    """
    found = key_id_of(tables.files(TRANSACTIONS))
    if found not in (None, keys.key_id):
        raise UsageError(
            f"the lake's pseudonyms are of key {found} and the configured key is {keys.key_id}: configure the "
            "lake's key, or the lake of this key (after 'counterfoil rotate-key' both change together)"
        )


def require_form(tables: TableStore) -> None:
    """Raise UsageError if the lake's accounts were hashed in an older form: known accounts would look like new ones."""
    if is_of_older_form(tables.files(TRANSACTIONS)):
        raise UsageError(
            "the lake's accounts were hashed as they stood in the files (IBANs in every spelling, numbers without "
            "their bank), and this version hashes one normal form: collect the raw files into a new workspace, or "
            "go on here with the version that made this one"
        )


def is_of_older_form(files: Sequence[Path]) -> bool:
    """Whether some files of transactions have accounts in an older form; a lake has one form, as it has one key.

    Files that record no key are accepted without this check too.
    """
    marks = [pq.read_metadata(path).metadata or {} for path in (*files[:1], *files[-1:])]
    return any(KEY_ID in mark and mark.get(ACCOUNT_FORM) != FORM for mark in marks)


def key_id_of(files: Sequence[Path]) -> str | None:
    """The id of the key of some files of transactions, if they record it. One lake has one key, so two files do."""
    for path in (*files[:1], *files[-1:]):
        found = (pq.read_metadata(path).metadata or {}).get(KEY_ID)
        if found is not None:
            return str(found.decode())
    return None
