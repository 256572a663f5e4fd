"""Forget an account in the stores of the service: its scores, alerts, history, list entries and cases.

The rows of others stay, without its name.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from counterfoil.domain.privacy.forgetting import Trace
from counterfoil.ports.service import AccountRows, Entry, OverlayStore, ProfileStore
from counterfoil.steps.scoring.profiles import PAYMENT, entities_of

HISTORY = "profile_entry"
OVERLAY = "overlay_reference"


@dataclass(frozen=True)
class ServiceStores:
    """Where the service keeps what it knows of accounts."""

    rows: AccountRows
    profiles: ProfileStore
    overlays: OverlayStore


def find_in_service(stores: ServiceStores, account: str, payments: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Yield traces (kind, place, name) of an account; `payments` of it are known already."""
    history = _log(stores, f"account:{account}")
    names = {str(entry.content["transaction_id"]) for entry in history} | stores.rows.payments(account)
    yield from ((Trace.PAYMENT, "", name) for name in sorted(names))
    known = names.union(payments)
    brought = stores.overlays.naming(account, known)
    counts = {**stores.rows.own(account, known), HISTORY: len(history), OVERLAY: brought}
    yield from ((Trace.ROWS, table, str(count)) for table, count in counts.items() if count)
    of_others = {**stores.rows.naming(account, known), HISTORY: len(_log(stores, f"merchant:{account}"))}
    yield from ((Trace.PAYEE_ROWS, table, str(count)) for table, count in of_others.items() if count)


def remove_from_service(stores: ServiceStores, account: str, payments: Collection[str]) -> None:
    """Remove an account and its payments; those who paid it keep their histories, without its name.

    Safe to do again. A kill between the two steps at the histories may cost its payers these payments' history, which
    'profiles build' brings back.
    """
    # Scores first: what a service writes to the profiles later, it takes from them.
    stores.rows.remove(account, payments)
    stores.overlays.forget(account, payments)
    own, paid = f"account:{account}", f"merchant:{account}"
    log = [entry for entry in _log(stores, paid) if entry.content["transaction_id"] not in payments]
    others = {
        str(entry.content["transaction_id"]): [entity for entity in entities_of(entry.content) if entity != paid]
        for entry in log
        if entry.entry_id.startswith(f"{PAYMENT}:") and entry.content.get("account_id") != account
    }
    stores.profiles.forget([own, paid], {*payments, *others})
    stores.profiles.append(
        [
            replace(entry, entity=entity, content={k: v for k, v in entry.content.items() if v != account})
            for entry in log
            for entity in others.get(str(entry.content["transaction_id"]), ())
        ]
    )


def left_in_service(stores: ServiceStores, account: str, payments: Collection[str]) -> dict[str, int]:
    """How often each table of the service still names the account."""
    rows = Counter(stores.rows.own(account, payments))
    rows.update(stores.rows.naming(account, payments))
    logs = sum(len(_log(stores, f"{kind}:{account}")) for kind in ("account", "merchant"))
    brought = stores.overlays.naming(account, payments)
    return {f"table {table}": count for table, count in {**rows, HISTORY: logs, OVERLAY: brought}.items()}


def _log(stores: ServiceStores, entity: str) -> tuple[Entry, ...]:
    return stores.profiles.read({entity: 0})[entity].entries
