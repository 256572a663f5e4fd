"""The command forget: an account's pseudonym, the removal from the stores, and a report that is kept."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from counterfoil.adapters.folder.whole_files import write_whole
from counterfoil.domain.privacy.forgetting import Marks, Trace
from counterfoil.domain.privacy.ibans import read_iban
from counterfoil.domain.privacy.pseudonyms import HEX_DIGITS, PseudonymKeys, pseudonymise_accounts
from counterfoil.domain.tables import TRANSACTIONS
from counterfoil.errors import UsageError
from counterfoil.progress import Progress
from counterfoil.steps.lake.forgotten import read_traces
from counterfoil.steps.lake.keys import is_of_older_form
from counterfoil.steps.privacy.forget import Forgotten, Removal, forget
from counterfoil.steps.privacy.forget_releases import ReleaseStores
from counterfoil.steps.privacy.forget_service import remove_from_service
from counterfoil.steps.privacy.tracing import mentions_in, rows_of_merchant
from counterfoil.workspace.wiring import Workspace

_PSEUDONYM = re.compile(f"[0-9a-f]{{{HEX_DIGITS}}}")


def remove_account(
    place: Workspace,
    text: str,
    operator: str,
    reason: str,
    *,
    banks: Sequence[str] = (),
    is_pseudonym: bool = False,
    merchant_is_another: bool = False,
    progress: Progress = Progress(),
) -> Removal:
    """Forget an account, given by its raw id or by its pseudonym, and keep the report as `reports/forget-*.json`.

    Raises UsageError for a text that is no account, or that names a merchant too whose name is kept as it is, unless
    `merchant_is_another`; and as `forget` does. `banks` are what the mapping's account columns hold before the number:
    its bank, its branch. The raw id goes nowhere.
    """
    account = pseudonym_of(place, text, banks, is_pseudonym=is_pseudonym)
    progress.begin("looking for merchants of that name")
    namesakes = rows_of_merchant(place.tables, account, place.pseudonym_key)
    if namesakes and not merchant_is_another:
        raise UsageError(
            f"{namesakes:,} payments name a merchant by this very text, in the clear: their mapping takes merchants "
            "for no accounts. If the merchant is this account, collect these files into a new workspace with a mapping "
            'that has privacy.hashed = ["merchant"], and forget it there; if it is somebody else, give '
            "--merchant-is-another: the merchant's name then stays in these payments"
        )
    # The desk may still have pseudonyms of earlier keys, where a lake was copied for the key that is set now.
    place.lists.rekey(place.pseudonym_key)
    place.cases.rekey(place.pseudonym_key)
    releases = ReleaseStores(place.registry, place.references, place.decisions)
    report = forget(
        place.tables, releases, place.ledger, account, operator, reason,
        service=place.service_stores, progress=progress,
    )  # fmt: skip
    if not is_pseudonym:
        _forget_under_earlier_keys(place, text, banks)
    progress.begin("looking for copies outside the lake")
    written_to = str(place.root / "reports" / f"forget-{account}.json")
    removal = Removal(report, written_to, _copies(place, account), namesakes)
    _write(report, removal)
    return removal


def pseudonym_of(place: Workspace, text: str, banks: Sequence[str] = (), *, is_pseudonym: bool = False) -> str:
    """Return an account's pseudonym. Raises UsageError for a blank id, or what cannot be a pseudonym or an IBAN."""
    given = text.strip()
    if is_pseudonym:
        if not _PSEUDONYM.fullmatch(given):
            raise UsageError(f"a pseudonym has {HEX_DIGITS} hexadecimal digits: take one from a column account_id")
        return given
    iban = read_iban(given)
    if iban is not None and iban.is_second_spelling:
        raise UsageError("no IBAN has the check digits 00, 01 or 99: give the account's IBAN")
    if iban is not None and is_of_older_form(place.tables.files(TRANSACTIONS)):
        raise UsageError(
            "the lake has this IBAN under a pseudonym for each spelling in the files: give them one by one, with "
            "--pseudonym, from the column account_id"
        )
    parts = [pa.array([part], pa.string()) for part in (*banks, given)]
    [account] = pseudonymise_accounts(parts, place.pseudonym_key).to_pylist()
    if account is None:
        raise UsageError("the account is blank: give its id as it stands in the files")
    return str(account)


def _forget_under_earlier_keys(place: Workspace, text: str, banks: Sequence[str]) -> None:
    """The service's scores keep the pseudonyms of the key that they were made with."""
    parts = [pa.array([part], pa.string()) for part in (*banks, text.strip())]
    keys = place.pseudonym_key.keys
    for count in range(1, len(keys)):
        [earlier] = pseudonymise_accounts(parts, PseudonymKeys(keys[:count])).to_pylist()
        payments = place.service_stores.rows.payments(earlier)
        if payments:
            remove_from_service(place.service_stores, earlier, payments)


def _copies(place: Workspace, account: str) -> tuple[str, ...]:
    """Parquet files of the workspace outside its lake that name the account or its payments.

    Such are left by pipeline executions, a changed key (under another pseudonym) or a killed backtest.
    """
    traces = read_traces(place.tables, account)
    payments = frozenset[str]() if traces is None else traces.names(Trace.PAYMENT)
    marks, lake = Marks(account, payments), place.root / "lake"
    files = [path for path in sorted(place.root.rglob("*.parquet")) if not path.is_relative_to(lake)]
    return tuple(str(path) for path in files if mentions_in([path], marks, of_anybody=True))


def _write(report: Forgotten, removal: Removal) -> None:
    content = {**report.as_dict(), "copies": removal.copies, "rows_of_a_merchant_of_that_name": removal.namesakes}
    write_whole(Path(removal.written_to), json.dumps(content, indent=1, sort_keys=True) + "\n")
