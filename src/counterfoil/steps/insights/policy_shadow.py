"""A proposed rule set in shadow: it decides on what the service scores, beside what is decided, and nothing follows.

The service keeps with each score the signal, the evidence and what the lists said, and a rule set gives again from them
what it would have given then. So nothing has to run beside the scorer, and no payment waits for a proposal.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.evaluation.policy_trial import PolicyTrial
from counterfoil.domain.policy.contender import Change
from counterfoil.domain.release.release import Release
from counterfoil.errors import NotFoundError
from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import DecisionLog
from counterfoil.ports.service import ScoreLog
from counterfoil.steps.insights.online_trial import Replayed, decided_again, trial_of
from counterfoil.steps.scoring.policies import rules_of, standing

LATEST = 20_000
"""So many of the payments scored last are looked at, unless more are asked for."""


@dataclass(frozen=True)
class Shadow:
    """What a proposal decides beside the policy in force, since it was proposed.

    `payments` were looked at; `changed` counts those that it decides otherwise, by (decided, in shadow); `examples` are
    the last of them, newest first. `trial` compares alerts, frauds and money; None where nothing was scored yet.
    """

    version: str
    since: datetime | None
    payments: int
    changed: Mapping[tuple[str, str], int]
    examples: tuple[Replayed, ...]
    trial: PolicyTrial | None


def shadow(
    scores: ScoreLog, log: DecisionLog, tables: TableStore, release_of: Callable[[str], Release], version: str,
    *, latest: int = LATEST, costs: AlertCosts = AlertCosts(), shown: int = 20,
) -> Shadow:  # fmt: skip
    """Let a proposal that waits decide on the `latest` payments that were scored since it was proposed.

    Raises NotFoundError if it does not wait.
    """
    now = standing(log)
    proposal = now.waiting.get(version)
    if proposal is None:
        there = ", ".join(now.waiting) or "none"
        raise NotFoundError(f"no proposal {version!r} waits for a second signature; there are: {there}")
    kept = scores.latest(latest, proposal.at)
    rows = list(decided_again(kept, release_of, Change(rules_of(now, version))))
    order = {one.transaction_id: place for place, one in enumerate(kept)}
    others = sorted((row for row in rows if row.tried != row.then), key=lambda row: -order[row.transaction_id])
    changed = Counter((row.then, row.tried) for row in others)
    trial = trial_of(rows, log, tables, costs=costs) if rows else None
    return Shadow(version, proposal.at, len(rows), dict(changed), tuple(others[:shown]), trial)
