"""Formats whose files have the same columns always, since a standard says what their records hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from counterfoil.domain.intake import camt, iso8583, iso20022, mt103, mt940, nacha


@dataclass(frozen=True)
class FixedColumns:
    """Every column that a mapping may name, and those that say who somebody is: they are kept as keyed hashes only."""

    names: tuple[str, ...]
    personal: frozenset[str]


def _of(module: ModuleType) -> FixedColumns:
    return FixedColumns(tuple(module.COLUMNS), frozenset(module.PERSONAL))


FIXED_COLUMNS: Mapping[str, FixedColumns] = {
    **{name: FixedColumns(kind.columns, iso20022.PERSONAL) for name, kind in iso20022.KINDS.items()},
    **dict.fromkeys(camt.READ_BY, _of(camt)),
    "mt940": _of(mt940),
    "mt942": _of(mt940),
    "mt103": _of(mt103),
    "nacha": _of(nacha),
    "iso8583": _of(iso8583),
}
"""By `file.format`."""
