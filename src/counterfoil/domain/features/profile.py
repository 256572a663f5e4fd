"""What one entity keeps of its payments: enough to say at once what its next payment's features are.

The last payments are kept one by one, older ones by the hour they fall in, and none beyond the longest window.
`evidence_of` folds with the same rule, so a payment gets the same features here as in a batch. A payment that comes
late is put where it belongs, as long as it is newer than what was added up.
"""

import json
import struct
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from counterfoil.domain.arrays import Doubles, Integers
from counterfoil.domain.features import values
from counterfoil.domain.features.aggregates import Family
from counterfoil.domain.features.arrivals import NEVER, Arrivals
from counterfoil.domain.features.fold import HOUR, Kept
from counterfoil.domain.features.groups import running_squares
from counterfoil.domain.features.payments import DAY, QUARTER, microseconds
from counterfoil.domain.features.spec import FeatureSpec
from counterfoil.errors import StoreUnavailableError

ROW_COLUMNS = 7
"""Tick, amount, whether it has one, quarter of the day, currency, account, merchant; the last three by number."""
TILE_COLUMNS = 12
"""As `values.newest` reads them."""

_FAMILIES = list(Family)

_MAGIC, _VERSION = b"CFPR", 3
_HEADER = struct.Struct("<4sI4q6I")
_WHOLE = np.dtype("<i8")


@dataclass(frozen=True)
class Payment:
    """A payment as profiles need it: its time in microseconds, its amount in 1/10,000 of a unit."""

    transaction_id: str
    tick: int
    minor: int | None
    currency: str | None
    account_id: str | None
    merchant_id: str | None


@dataclass(frozen=True)
class Program:
    """The features of one kind of entity, and what its profiles keep for them; `label_delay` in microseconds."""

    specs: tuple[FeatureSpec, ...]
    label_delay: int
    by_currency: bool = False
    kept: Kept = field(default_factory=Kept)

    @cached_property
    def steps(self) -> Integers:
        """The specs as compiled code takes them, by window."""
        declared = [spec.aggregate.declared for spec in self.specs]
        rows = [
            [_FAMILIES.index(one.family), one.code, spec.hours * HOUR, int(one.itself), place]
            for place, (spec, one) in enumerate(zip(self.specs, declared, strict=True))
        ]
        return np.array(sorted(rows, key=lambda row: row[2]), np.int64).reshape(-1, 5)

    @cached_property
    def delay(self) -> int:
        """How long after a payment its label counts: no label is known at the payment's own instant."""
        return max(self.label_delay, 1)

    @cached_property
    def reads_good_labels(self) -> bool:
        """Whether labels that say good are kept too: only some aggregates tell them from none."""
        return any(spec.aggregate.reads_good_labels for spec in self.specs)

    @cached_property
    def tile(self) -> int:
        """The length of a tile in microseconds."""
        return microseconds(self.kept.tile)

    @cached_property
    def reach(self) -> int:
        """How far back a payment, or a label's becoming known, can matter, in microseconds."""
        reaches = [spec.hours * HOUR + self.delay * spec.aggregate.is_delayed for spec in self.specs]
        return max(reaches, default=0)


@dataclass
class Profile:
    """The past of one entity. `late` counts what came when it could no longer be put where it belongs."""

    program: Program
    rows: Integers = field(default_factory=lambda: np.empty((0, ROW_COLUMNS), np.int64))
    ids: list[str] = field(default_factory=list)
    tiles: Integers = field(default_factory=lambda: np.empty((0, TILE_COLUMNS), np.int64))
    tiled_until: int = NEVER
    frauds: Arrivals = field(default_factory=Arrivals)
    judged: Arrivals = field(default_factory=Arrivals)
    names: list[str] = field(default_factory=list)
    late: int = 0

    def __post_init__(self) -> None:
        self._numbers = {name: number for number, name in enumerate(self.names)}
        self._seen = np.zeros(0, np.int64)
        self._gone_until = NEVER  # nothing newer was forgotten

    def features(self, payment: Payment) -> Doubles:
        """The features of a payment that is newer than all before, in the order of the specs; NaN is null."""
        self._settle(payment.tick)
        return self._features(payment, self.rows)

    def features_in_place(self, payment: Payment) -> Doubles | None:
        """The features of any payment, from what was before it; of one that is kept already they are the same.

        None where a window of it reaches what was added up or forgotten since.
        """
        place, _ = self._place_of(payment)
        if place == len(self.rows):
            return self.features(payment)
        gone_until = max(self.tiled_until, self.frauds.until, self.judged.until, self._gone_until)
        if gone_until > payment.tick - self.program.reach:
            return None
        return self._features(payment, self.rows[:place])

    def _features(self, payment: Payment, rows: Integers) -> Doubles:
        strangers = len(self._numbers)
        if len(self._seen) < strangers + 2:
            self._seen = np.zeros(2 * strangers + 64, np.int64)
        out = np.empty(len(self.program.specs))
        values.newest(
            payment.tick, payment.minor or 0, payment.minor is not None, payment.tick % DAY // QUARTER,
            self._currency(payment),
            _number(self._numbers, payment.account_id, strangers),
            _number(self._numbers, payment.merchant_id, strangers + 1),
            rows, self.tiles, self.tiled_until, self.program.tile,
            self.frauds.moments, self.frauds.tiles, self.frauds.until,
            self.judged.moments, self.judged.tiles, self.judged.until, self.program.delay,
            self.program.steps, self._seen, out,
        )  # fmt: skip
        return out

    def add(self, payment: Payment) -> bool:
        """Keep a payment, in its place; say no if it is older than what was added up, or kept already."""
        place, kept = self._place_of(payment)
        if kept:
            return False
        if place == 0 and payment.tick <= self.tiled_until:
            self.late += 1
            return False
        row = [
            payment.tick, payment.minor or 0, int(payment.minor is not None), payment.tick % DAY // QUARTER,
            self._currency(payment, new=True), self._named(payment.account_id), self._named(payment.merchant_id),
        ]  # fmt: skip
        self.rows = _with_row(self.rows, place, row)
        self.ids.insert(place, payment.transaction_id)
        if len(self.rows) > self.program.kept.payments:
            self._add_up()
        newest = int(self.rows[-1, 0])
        self._settle(newest)
        self._forget(newest - self.program.reach)
        return True

    def _place_of(self, payment: Payment) -> tuple[int, bool]:
        """Where a payment stands among those kept one by one, or would stand; and whether it is there."""
        ticks = self.rows[:, 0]
        if not len(ticks) or payment.tick > ticks[-1]:
            return len(ticks), False
        first, last = np.searchsorted(ticks, payment.tick), np.searchsorted(ticks, payment.tick, side="right")
        place = bisect_left(self.ids, payment.transaction_id, int(first), int(last))
        return place, bool(place < last) and self.ids[place] == payment.transaction_id

    def add_label(self, known: int, *, fraud: bool) -> bool:
        """Count a label from `known` on, in microseconds; say no if that is older than what was added up."""
        streams = [self.frauds] * fraud + [self.judged] * self.program.reads_good_labels
        if any(known <= stream.until for stream in streams):
            self.late += 1
            return False
        for stream in streams:
            stream.add(known)
        return True

    def to_bytes(self) -> bytes:
        """The profile as a header and arrays of little-endian numbers, then its ids and names as JSON in UTF-8."""
        self._drop_unused_names()
        frauds, judged = self.frauds, self.judged
        numbers = [self.rows, self.tiles, frauds.moments, frauds.tiles, judged.moments, judged.tiles]
        until = self.tiled_until, frauds.until, judged.until
        header = _HEADER.pack(_MAGIC, _VERSION, *until, self.late, *map(len, numbers))
        texts = json.dumps([self.ids, self.names], ensure_ascii=False, separators=(",", ":")).encode()
        return b"".join([header, *(one.astype(_WHOLE).tobytes() for one in numbers), texts])

    @classmethod
    def from_bytes(cls, state: bytes, program: Program) -> "Profile":
        """The profile that `to_bytes` wrote. Raises StoreUnavailableError if this version did not write it."""
        if len(state) < _HEADER.size or state[:8] != struct.pack("<4sI", _MAGIC, _VERSION):
            raise _not_written_here(state)
        _, _, tiled, frauds_until, judged_until, late, *sizes = _HEADER.unpack_from(state)
        offset, arrays = _HEADER.size, []
        try:
            for rows, columns in zip(sizes, (ROW_COLUMNS, TILE_COLUMNS, 1, 2, 1, 2), strict=True):
                flat = np.frombuffer(state, _WHOLE, rows * columns, offset)
                arrays.append(flat.astype(np.int64).reshape(rows, columns))
                offset += flat.nbytes
            ids, names = json.loads(state[offset:])
        except ValueError as error:  # too short, or no texts at its end
            raise _not_written_here(state) from error
        frauds = Arrivals(arrays[2][:, 0], arrays[3], frauds_until)
        judged = Arrivals(arrays[4][:, 0], arrays[5], judged_until)
        read = cls(program, arrays[0], ids, arrays[1], tiled, frauds, judged, names, late)
        read._gone_until = int(np.iinfo(np.int64).max)  # the bytes do not say what was forgotten before
        return read

    def _drop_unused_names(self) -> None:
        """Keep, in order, the names that payments or tiles still have: equal pasts are equal bytes."""
        numbers = np.unique(np.concatenate([self.rows[:, 4:].ravel(), self.tiles[:, 2]]))
        used = sorted(numbers[numbers >= 0].tolist(), key=self.names.__getitem__)
        new = np.full(len(self.names) + 1, -1)  # the last is that of null
        new[used] = np.arange(len(used))
        self.rows = np.hstack([self.rows[:, :4], new[self.rows[:, 4:]]])
        self.tiles[:, 2] = new[self.tiles[:, 2]]
        self.names = [self.names[number] for number in used]
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def _currency(self, payment: Payment, *, new: bool = False) -> int:
        if not self.program.by_currency:
            return -1
        return self._named(payment.currency) if new else _number(self._numbers, payment.currency, -2)

    def _named(self, name: str | None) -> int:
        if name is None:
            return -1
        if name not in self._numbers:
            self._numbers[name] = len(self.names)
            self.names.append(name)
        return self._numbers[name]

    def _add_up(self) -> None:
        """Take the oldest payment into the tile of its hour and currency."""
        tick, minor, has, quarter, currency = (int(value) for value in self.rows[0, :5])
        self.rows, self.tiled_until = self.rows[1:], tick
        del self.ids[0]
        start = tick // self.program.tile * self.program.tile
        mine = (self.tiles[:, 0] == start) & (self.tiles[:, 2] == currency)
        if not mine.any():
            self.tiles = np.vstack([self.tiles, [start, 0, currency, quarter, 0, 0, 0, 0, 0, 0, 0, 0]])
            mine = np.append(mine, True)
        tile = self.tiles[int(np.flatnonzero(mine)[-1])]
        tile[1] += 1
        if has:
            tile[4] = max(int(tile[4]), minor) if tile[5] else minor
            squares = running_squares(np.array([minor]))[:, 1]
            tile[5:8] += [1, minor >> 32, minor & 0xFFFF_FFFF]
            tile[8 : 8 + len(squares)] += squares

    def _settle(self, now: int) -> None:
        """Add up the labels that are known by now, but for the last."""
        for arrivals in (self.frauds, self.judged):
            arrivals.settle(now, self.program.kept.payments, self.program.tile)

    def _forget(self, until: int) -> None:
        """Let go of whole tiles, and of payments and labels within them, that no window can reach any more."""
        first = (until + 1) // self.program.tile * self.program.tile
        gone = int(np.searchsorted(self.rows[:, 0], first)) if _begin_before(first, self.rows) else 0
        forgotten = [arrivals.forget(first) for arrivals in (self.frauds, self.judged)]
        if gone or any(forgotten) or _begin_before(first, self.tiles):
            self._gone_until = first - 1
            self.tiles = self.tiles[self.tiles[:, 0] >= first]
            self.rows = self.rows[gone:]
            del self.ids[:gone]
        # Nothing that was added up is left: whatever is as old is forgotten too, in whatever order it comes.
        self.tiled_until = NEVER if self.tiled_until < first else self.tiled_until


def _begin_before(first: int, rows: Integers) -> bool:
    """Whether the first of some rows in order of time is older."""
    return len(rows) > 0 and bool(rows[0, 0] < first)


def _with_row(rows: Integers, place: int, row: list[int]) -> Integers:
    """The rows with one more: `numpy.insert`, which takes ten times as long where there are few."""
    more = np.empty((len(rows) + 1, rows.shape[1]), np.int64)
    more[:place], more[place], more[place + 1 :] = rows[:place], row, rows[place:]
    return more


def _not_written_here(state: bytes) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"a profile of {len(state)} bytes is none of version {_VERSION}: remove the profiles; they are made again from"
        " the payments"
    )


def _number(numbers: dict[str, int], name: str | None, stranger: int) -> int:
    return -1 if name is None else numbers.get(name, stranger)


def fold(state: bytes | None, payment: Payment, program: Program) -> tuple[bytes, Doubles]:
    """The features of an entity's next payment, and the entity's profile with it; None is an entity that is new."""
    profile = Profile(program) if state is None else Profile.from_bytes(state, program)
    features = profile.features(payment)
    profile.add(payment)
    return profile.to_bytes(), features
