"""Profiles: what accounts, merchants, source IPs and a mapping's own entities did, as logs that scoring folds."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from counterfoil.domain.features.span import read_back
from counterfoil.domain.features.spec import Aggregate, FeatureSpec, longest_window
from counterfoil.domain.intake.requests import as_json
from counterfoil.domain.schemas import FRAUD
from counterfoil.domain.tables import TRANSACTIONS
from counterfoil.errors import NotFoundError
from counterfoil.ports.lake import TableStore
from counterfoil.ports.service import PROFILES_KEPT_FOR, Entry, LogPart, ProfileStore
from counterfoil.progress import Progress
from counterfoil.steps.lake.engine import engine, one_row, parquet_source

ENTITIES = {"account_id": "account", "merchant_id": "merchant", "source_ip_id": "source_ip"}
"""The columns whose histories are kept in any case -> how a log's name begins."""

KEPT = (
    "transaction_id", "event_time", "amount", "currency", "account_id", "merchant_id", "device_id", "source_ip_id",
    "email_id", "phone_id", "card_bin", "category", "label", "label_time",
)  # fmt: skip
"""What a history keeps of any payment: the columns that windows read."""

OWN = "own"
"""The logs that a payment is in beside those of `ENTITIES`, as its entries name them: their columns."""

PAYMENT, LABEL = "payment", "label"
BATCH = 2_000

Row = Mapping[str, Any]


def entities_of(payment: Row) -> list[str]:
    """The logs that a payment, or an entry of it, belongs to; those of a mapping's own entities only an entry tells."""
    own = {column: _own(column) for column in payment.get(OWN, ())}
    there = {column: kind for column, kind in {**ENTITIES, **own}.items() if payment.get(column) is not None}
    return [f"{kind}:{payment[column]}" for column, kind in there.items()]


def _own(column: str) -> str:
    """How the logs of a column that is in no `ENTITIES` begin."""
    return f"{OWN}:{column}"


@dataclass(frozen=True)
class Logs:
    """The logs that the features of a release are read from.

    Each entity has one log: that of its first column in `ENTITIES` or, where none of its columns is there, that of its
    first column, which is one of `own`. `kept` are the columns that a log keeps of a payment.

    >>> Logs(own=("place",)).names({"account_id": "a", "place": "p"})
    [('account:a', 'account_id'), ('own:place:p', 'place')]
    """

    own: tuple[str, ...] = ()
    kept: tuple[str, ...] = KEPT

    @classmethod
    def of(cls, specs: Iterable[FeatureSpec]) -> "Logs":
        """Those of these specs."""
        entities = dict.fromkeys(spec.entity.columns for spec in specs)
        logs = dict.fromkeys(cls.column_of(columns) for columns in entities)
        more = dict.fromkeys(column for columns in entities for column in columns if column not in KEPT)
        return cls(tuple(column for column in logs if column not in ENTITIES), (*KEPT, *more))

    @staticmethod
    def column_of(columns: Sequence[str]) -> str:
        """Of the columns of an entity the one whose log its payments are in."""
        return next((column for column in columns if column in ENTITIES), columns[0])

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that have logs."""
        return (*ENTITIES, *self.own)

    def names(self, payment: Row) -> list[tuple[str, str]]:
        """The logs that a payment is in, each with its column."""
        return [
            (f"{ENTITIES.get(column) or _own(column)}:{payment[column]}", column)
            for column in self.columns
            if payment.get(column) is not None
        ]

    def payment_entries(self, payment: Row) -> list[Entry]:
        """A canonical transaction as entries, one for each of its logs; of a kept score's payment they are the same.

        A log keeps the first content of an id: what keeps more columns than any payment does has another id.
        """
        content = {name: as_json(payment[name]) for name in self.kept if payment.get(name) is not None}
        if self.own:
            content[OWN] = list(self.own)
        more = "".join(f":{name}" for name in self.kept[len(KEPT) :])
        entry_id = f"{PAYMENT}:{payment['transaction_id']}{more}"
        at = _moment(payment["event_time"])
        return [Entry(name, entry_id, at, content) for name, _ in self.names(payment)]

    def label_entries(self, payment: Row, label: int | None, known: datetime, number: int) -> list[Entry]:
        """What became known of a payment's label, as entries of its logs; `number` orders what was said of it."""
        content = {
            "transaction_id": payment["transaction_id"], "label": label, "label_time": known.isoformat(),
            "number": number,
        }  # fmt: skip
        entry_id = f"{LABEL}:{payment['transaction_id']}:{number}"
        return [Entry(name, entry_id, known, content) for name, _ in self.names(payment)]


ANY_LOGS = Logs()
"""Those that are there whatever a release reads."""


@dataclass
class History:
    """What a process knows of one entity: payments and the last word on their labels, by transaction."""

    position: int = 0
    payments: dict[str, Row] = field(default_factory=dict)
    labels: dict[str, Row] = field(default_factory=dict)

    def add(self, part: LogPart) -> None:
        """Add what a store read; entries that are known already change nothing."""
        for entry in part.entries:
            content = entry.content
            name = content["transaction_id"]
            if entry.entry_id.startswith(f"{PAYMENT}:"):
                self.payments[name] = {**self.payments.get(name, {}), **row_of(content)}
            elif content["number"] >= self.labels.get(name, {"number": -1})["number"]:
                self.labels[name] = content
        self.position = max(self.position, part.position)

    def rows(self) -> Iterator[Row]:
        """The payments, each with the last label that was said of it."""
        for name, payment in self.payments.items():
            said = self.labels.get(name)
            if said is None:
                yield payment
            else:
                yield {**payment, "label": said["label"], "label_time": _moment(said["label_time"])}


class Histories:
    """The histories that a process holds; each reading asks the store only for what is new. Threads may share it."""

    def __init__(self, store: ProfileStore, most_entities: int = 20_000) -> None:
        self._store = store
        self._most = most_entities
        self._held: OrderedDict[str, History] = OrderedDict()
        self._guard = threading.Lock()
        self._drops = 0

    def drop(self) -> None:
        """Hold nothing any more: the store has removed entries."""
        with self._guard:
            self._held.clear()
            self._drops += 1

    def holds(self, entity: str) -> bool:
        """Whether the history of an entity is held."""
        with self._guard:
            return entity in self._held

    def of(self, payments: Sequence[Row], logs: Logs) -> dict[str, Row]:
        """All that the entities of these payments did, by transaction. Raises StoreUnavailableError."""
        entities = list(dict.fromkeys(name for payment in payments for name, _ in logs.names(payment)))
        with self._guard:
            drops = self._drops
            positions = {entity: self._held[entity].position if entity in self._held else 0 for entity in entities}
        parts = self._store.read(positions) if positions else {}
        with self._guard:
            for entity, part in parts.items():
                # One that another thread dropped meanwhile must begin at the beginning.
                held = self._held.get(entity)
                if (held is None and positions[entity]) or drops != self._drops:
                    part = self._store.read({entity: 0})[entity]
                held = self._held.setdefault(entity, History())
                held.add(part)
                self._held.move_to_end(entity)
            found = {row["transaction_id"]: row for entity in entities for row in self._held[entity].rows()}
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return found


def without_accounts(rows: Mapping[str, Row], forgotten: Collection[str | None]) -> dict[str, Row]:
    """The payments, by transaction, that none of these accounts made or was paid by."""
    return {
        name: row
        for name, row in rows.items()
        if row.get("account_id") not in forgotten and row.get("merchant_id") not in forgotten
    }


def seen_by_windows(
    rows: Sequence[Row], first: datetime, specs: Sequence[FeatureSpec], label_delay: timedelta
) -> list[Row]:
    """The rows that windows of payments from `first` on can see: the batch's rule (`span.read_back`) for rows."""
    others = longest_window(spec for spec in specs if spec.aggregate is not Aggregate.FRAUDS)
    since, known_since = first - others - label_delay, first - longest_window(specs)
    good_since = first - others if any(spec.aggregate.reads_good_labels for spec in specs) else None

    def is_seen(row: Row) -> bool:
        at = row["event_time"]
        if at >= since:
            return True
        label, known = row.get("label"), max(row.get("label_time") or at, at + label_delay)
        if label == FRAUD:
            return bool(known >= known_since)
        return label is not None and good_since is not None and bool(known >= good_since)

    return [row for row in rows if is_seen(row)]


def as_transactions(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    """Rows as a table of transactions; what a history does not keep is null."""
    columns = [pa.array([row.get(f.name) for row in rows], f.type) for f in schema]
    return pa.Table.from_arrays(columns, schema=pa.schema([f.with_nullable(True) for f in schema]))


def build_profiles(
    tables: TableStore,
    store: ProfileStore,
    specs: Sequence[FeatureSpec],
    label_delay: timedelta,
    *,
    progress: Progress = Progress(),
) -> int:
    """Fill the store from the lake with all that windows of later payments can see; return how many payments.

    What left every window long ago is removed. May run beside a service and again. Raises NotFoundError without
    payments.
    """
    files = tables.files(TRANSACTIONS)
    if not files:
        raise NotFoundError("no transactions in this workspace: run 'counterfoil collect' first")
    logs = Logs.of(specs)
    with engine() as database:
        [last] = one_row(database, f"SELECT max(event_time) FROM {parquet_source(files)}")
        if last is None:
            return 0
        condition = read_back(specs, label_delay, last, None)
        source = f"{parquet_source(files)} WHERE {condition}"
        total = int(one_row(database, f"SELECT count(*) FROM {source}")[0])
        done = 0
        for batch in database.sql(f"SELECT {', '.join(logs.kept)} FROM {source}").to_arrow_reader(BATCH):
            rows = batch.to_pylist()
            store.append([entry for row in rows for entry in logs.payment_entries(row)])
            done += len(rows)
            progress.count(done, total)
    # A payment with a wrong date far ahead must not make all others old.
    newest = min(last, datetime.now(last.tzinfo))
    store.expire(newest - max(PROFILES_KEPT_FOR, longest_window(specs) + label_delay))
    return done


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def row_of(content: Row) -> Row:
    """A payment that was kept as plain JSON, with its times and its amount as they are reckoned with."""
    row = dict(content)
    row["event_time"] = _moment(content["event_time"])
    if content.get("label_time") is not None:
        row["label_time"] = _moment(content["label_time"])
    if content.get("amount") is not None:
        row["amount"] = Decimal(content["amount"])
    return row
