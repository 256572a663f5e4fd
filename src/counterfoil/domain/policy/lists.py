"""Lists of accounts, merchants, source IPs, devices and card BINs, each entry with an effect, a reason and an end."""

import csv
import io
import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.policy.desk_words import Entity as Entity
from counterfoil.domain.policy.desk_words import ListEffect as ListEffect
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys, pseudonymise
from counterfoil.domain.schemas import TIMESTAMP
from counterfoil.errors import UsageError

WIDEST = 16
"""A prefix of IPv4 stands in a list as the pseudonyms of its addresses: 65,536 of a /16."""


ENTRIES = pa.schema(
    [
        pa.field("list", pa.string(), nullable=False),
        pa.field("effect", pa.string(), nullable=False),
        pa.field("entity", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),
        pa.field("since", TIMESTAMP, nullable=False),
        pa.field("until", TIMESTAMP),
    ]
)
"""Entries as a policy reads them. One counts from `since` on and before `until`, null being for ever."""


@dataclass(frozen=True)
class NewEntry:
    """An entry of a file: `value` as payments have it (a keyed hash of a person or device)."""

    entity: Entity
    value: str
    until: datetime | None
    reason: str


@dataclass(frozen=True)
class ReadList:
    """What came of a file: its `entries`, how many `rows` it has, how many came again, and what was refused and why."""

    entries: tuple[NewEntry, ...]
    rows: int
    repeated: int
    refused: Mapping[str, int] = field(default_factory=dict)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Lists:
    """Entries that are looked up by what they name."""

    def __init__(self, entries: pa.Table | None = None) -> None:
        self._entries = entries
        self._by_name: dict[str, dict[str, list[tuple[str, int, int | None]]]] = {}
        if entries is None:
            return
        table = self.entries
        # Moments are microseconds here, and what is told is one text for many entries: a million are read in seconds.
        told = pc.binary_join_element_wise(table["effect"], table["list"], ": list ").combine_chunks()
        encoded = told.dictionary_encode()
        texts, places = encoded.dictionary.to_pylist(), encoded.indices.to_pylist()
        since, until = (table[name].cast(pa.int64()).to_pylist() for name in ("since", "until"))
        rows = zip(places, table["entity"].to_pylist(), table["value"].to_pylist(), since, until, strict=True)
        for place, entity, value, begin, end in rows:
            self._by_name.setdefault(entity, {}).setdefault(value, []).append((texts[place], begin, end))

    @property
    def entries(self) -> pa.Table:
        """The entries, following ENTRIES."""
        return ENTRIES.empty_table() if self._entries is None else self._entries.select(ENTRIES.names).cast(ENTRIES)

    def hits(self, payment: Mapping[str, Any], at: datetime) -> set[str]:
        """What the lists say of a payment at a moment, such as 'block: list stolen'."""
        found = set()
        moment = (at - _EPOCH) // _MICROSECOND
        for entity in Entity:
            value = payment.get(entity.column)
            for told, since, until in self._by_name.get(entity, {}).get(value or "", ()):
                if since <= moment and (until is None or moment < until):
                    found.add(told)
        return found


NO_LISTS = Lists()


def read_list(text: str, entity: Entity | None, until: datetime | None, reason: str, key: PseudonymKeys) -> ReadList:
    """Read a list: a value a line, or CSV with a header of `value` and any of `entity`, `until` and `reason`.

    What a line does not say is as given here. A line that cannot be used is refused and counted by its reason. No raw
    account, address or device is in what is returned. Raises UsageError where nothing says what the values are.
    """
    counts: Counter[str] = Counter()
    named: dict[Entity, list[tuple[str, datetime | None, str]]] = {}
    rows = 0
    for row in _rows(text):
        rows += 1
        read = _entry(row, entity, until, reason)
        if isinstance(read, str):
            counts[read] += 1
        else:
            named.setdefault(read[0], []).extend((value, read[2], read[3]) for value in read[1])
    if rows and entity is None and counts["no entity"] == rows:
        raise UsageError("nothing says what the values are: give --entity, or a column 'entity' in the file's header")
    entries = [entry for kind, found in named.items() for entry in _hashed(kind, found, key)]
    kept = {(entry.entity, entry.value, entry.until): entry for entry in reversed(entries)}
    return ReadList(tuple(reversed(kept.values())), rows, len(entries) - len(kept), dict(counts))


def without_past(read: ReadList, now: datetime) -> ReadList:
    """A list without the entries that are over at a moment, which are refused and counted: they would never count."""
    kept = tuple(entry for entry in read.entries if entry.until is None or entry.until > now)
    over = len(read.entries) - len(kept)
    return replace(read, entries=kept, refused={**read.refused, "until is past": over}) if over else read


def as_list(value: str) -> str:
    """One value as the text of a list, whatever signs are in it."""
    text = io.StringIO()
    csv.writer(text).writerows([["value"], [value]])
    return text.getvalue()


def _rows(text: str) -> Iterator[Mapping[str, str]]:
    bare = text.removeprefix("\ufeff")
    lines = csv.reader(io.StringIO(bare, newline=""))
    names = [cell.strip().lower() for cell in next(lines, [])]
    if "value" in names:
        yield from (dict(zip(names, cells, strict=False)) for cells in lines)
    else:
        yield from ({"value": _value_of(line)} for line in io.StringIO(bare, newline=None))


def _value_of(line: str) -> str:
    """The value of a line that holds nothing else: a comma is a part of it; quotes around it are not."""
    cells = next(csv.reader([line]), [])
    return cells[0] if len(cells) == 1 else line


def _entry(
    row: Mapping[str, str], entity: Entity | None, until: datetime | None, reason: str
) -> tuple[Entity, tuple[str, ...], datetime | None, str] | str:
    """A line's entry, or why it is refused."""
    value, named = row.get("value", "").strip(), row.get("entity", "").strip().lower()
    if not value:
        return "blank value"
    if named:
        entity = next((one for one in Entity if one.value == named), None)
        if entity is None:
            return "unknown entity"
    if entity is None:
        return "no entity"
    given = row.get("until", "").strip()
    try:
        until = end_of(given) if given else until
    except ValueError:
        return "until is no date"
    values = _addresses(value) if entity is Entity.SOURCE_IP else (value,)
    if isinstance(values, str):
        return values
    if entity is Entity.CARD_BIN and not (value.isascii() and value.isdigit() and 4 <= len(value) <= 8):
        return "a BIN has 4 to 8 digits"
    return entity, values, until, row.get("reason", "").strip() or reason


def end_of(text: str) -> datetime:
    """The end of a day (UTC) as the moment from which on it is over. Raises ValueError unless it is YYYY-MM-DD."""
    return datetime.combine(date.fromordinal(date.fromisoformat(text).toordinal() + 1), time(), UTC)


def _addresses(text: str) -> tuple[str, ...] | str:
    """The addresses of a prefix, or the one address; or why they are refused."""
    if "/" not in text:
        return (text,)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "no address or prefix"
    if network.version != 4 or network.prefixlen < WIDEST:
        return f"prefix wider than an IPv4 /{WIDEST}"
    return tuple(map(str, network))


def _hashed(
    entity: Entity, found: Sequence[tuple[str, datetime | None, str]], key: PseudonymKeys
) -> Iterator[NewEntry]:
    values = [value for value, _, _ in found]
    if entity.is_hashed:
        values = pseudonymise(pa.array(values, pa.string()), entity.value, key).to_pylist()
    for value, (_, until, reason) in zip(values, found, strict=True):
        yield NewEntry(entity, value, until, reason)
