"""How the references of a release are used: which are never named as a precedent, and which are named by many."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class NamedReference:
    """A reference and the share of the payments of its side that name it among their precedents."""

    reference_id: str
    payments: int
    share: float


@dataclass(frozen=True)
class SideUse:
    """The references of one side, frauds or good payments.

    `dead` of the `references` were named by no payment: they cost time and say nothing. `dominant` are those named
    by the most payments, most first: what is wrong with one of them is wrong with many scores.
    """

    references: int
    dead: int
    dominant: tuple[NamedReference, ...]


@dataclass(frozen=True)
class ReferenceUse:
    """The use that the `payments` of a run made of both sides of a release's references."""

    release_id: str
    payments: int
    fraud: SideUse
    good: SideUse

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain data for JSON."""
        return asdict(self)


def side_use(references: frozenset[str], named: dict[str, int], payments: int, *, most: int = 10) -> SideUse:
    """Sum up one side from its references and how many of the payments name each.

    Ids in `named` that are not references of the base (feedback that came later) are left out. Of equally often
    named ones the smaller id comes first.
    """
    known = {reference: count for reference, count in named.items() if reference in references and count > 0}
    order = sorted(known, key=lambda reference: (-known[reference], reference))[:most]
    dominant = tuple(NamedReference(one, known[one], known[one] / payments) for one in order)
    return SideUse(len(references), len(references) - len(known), dominant)
