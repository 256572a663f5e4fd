"""Score requests together: their payments are cleaned, scored and kept as one set, and each gets its own answer."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Integers
from counterfoil.domain.intake.requests import Arrivals, clean_requests, flattened, ignored_fields
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys
from counterfoil.ports.service import KeptScore
from counterfoil.service.problems import ProblemError, of_faults
from counterfoil.steps.scoring.champion import InUse
from counterfoil.steps.scoring.score_one import OnlineScorer


@dataclass(frozen=True)
class Asked:
    """The payments of a request, in the source layout or the canonical one."""

    payments: Sequence[Mapping[str, Any]]
    source_layout: bool

    def flat(self) -> list[Mapping[str, Any]]:
        """The payments with their evidence beside the other fields."""
        return list(self.payments) if self.source_layout else [flattened(payment) for payment in self.payments]

    def ignored(self, in_use: InUse) -> list[str]:
        """The fields that the release's mapping does not read."""
        return ignored_fields(self.flat(), in_use.source if self.source_layout else in_use.canonical)


def score_together(
    requests: Sequence[Asked], scorer: OnlineScorer, in_use: InUse, key: PseudonymKeys, latest: datetime
) -> list[list[KeptScore] | ProblemError]:
    """The scores of each request, or why its payments cannot be read: then none of the request is scored.

    Raises what `OnlineScorer.score` does: then nothing is known of any.
    """
    found: dict[int, list[KeptScore] | ProblemError] = {}
    for source_layout in dict.fromkeys(request.source_layout for request in requests):
        places = [place for place, request in enumerate(requests) if request.source_layout is source_layout]
        mapping = in_use.source if source_layout else in_use.canonical
        payments = [payment for place in places for payment in requests[place].flat()]
        arrivals = clean_requests(payments, mapping, key=key, forgotten=in_use.forgotten, latest=latest)
        answers = _of_one_layout(arrivals, [len(requests[place].payments) for place in places], scorer, in_use)
        found |= dict(zip(places, answers, strict=True))
    return [found[place] for place in range(len(requests))]


def _of_one_layout(
    arrivals: Arrivals, sizes: Sequence[int], scorer: OnlineScorer, in_use: InUse
) -> list[list[KeptScore] | ProblemError]:
    """The same of requests of so many payments each, which were cleaned together."""
    first = [0, *accumulate(sizes)]
    whose = np.repeat(np.arange(len(sizes)), sizes)
    refused = {
        number: of_faults([replace(fault, index=fault.index - first[number]) for fault in faults])
        for number in range(len(sizes))
        if (faults := [fault for fault in arrivals.faults if whose[fault.index] == number])
    }
    owner = whose[arrivals.payments["source_line"].to_numpy()]
    if refused:
        arrivals, owner = _without(arrivals, owner, refused)
    scores = scorer.score(arrivals, in_use) if len(owner) else []
    kept: list[list[KeptScore]] = [[] for _ in sizes]
    for number, score in zip(owner.tolist(), scores, strict=True):
        kept[number].append(score)
    return [refused.get(number, kept[number]) for number in range(len(sizes))]


def _without(arrivals: Arrivals, owner: Integers, refused: Collection[int]) -> tuple[Arrivals, Integers]:
    stays = ~np.isin(owner, list(refused))
    hashes = tuple(content for content, is_in in zip(arrivals.hashes, stays, strict=True) if is_in)
    return replace(arrivals, payments=arrivals.payments.filter(pa.array(stays)), hashes=hashes), owner[stays]
