"""Hold our signals and the peers' scores of one case against the labels, payment by payment."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from quality_mean_lead import Window
from quality_peers import Peer, PeerRun, run_peer
from quality_run import CaseRun
from sklearn.metrics import average_precision_score

from counterfoil.domain.arrays import Doubles, Flags
from counterfoil.domain.evaluation.evaluation import Evaluation, evaluate
from counterfoil.domain.evaluation.paired import Pair, evaluate_pair
from counterfoil.domain.evaluation.scored import Scored
from counterfoil.domain.release.release import Release

OURS = "Counterfoil"
TALLY = "frauds known at the IP"
DRAWS = 500


@dataclass(frozen=True)
class Compared:
    """One case: each peer with its evaluation beside ours, and the evaluations by whether the IP was trained on.

    `apart` has, for `seen` and `unseen`, the evaluation of each system by its name; empty unless the case asks.
    """

    run: CaseRun
    peers: tuple[tuple[PeerRun, Pair], ...]
    apart: Mapping[str, Mapping[str, Evaluation]]

    @property
    def ours(self) -> Evaluation:
        return self.peers[0][1].first

    @property
    def best(self) -> tuple[PeerRun, Pair]:
        """The peer with the highest average precision."""
        return max(self.peers, key=lambda peer: peer[1].second.metrics["average_precision"] or 0.0)

    @property
    def window(self) -> Window:
        """What the mean of several cases is made of."""
        peers = {peer.name: peer.scores for peer, _ in self.peers}
        return Window(self.run.test.labels, self.run.test.accounts, self.run.signals, peers)

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain data for JSON; without scores."""
        run = self.run
        return {
            "release_id": run.release.release_id,
            "training": {"rows": run.training.payments.num_rows, "frauds": int(run.training.labels.sum())},
            "columns": int(run.training.values.shape[1]),
            "ours": {**_choices(run.release), "cpu_s": run.cpu_s, "test": self.ours.as_dict()},
            "peers": {peer.name: _peer(peer, pair) for peer, pair in self.peers},
            "apart": {part: {n: e.as_dict() for n, e in found.items()} for part, found in self.apart.items()},
        }


def compare(run: CaseRun, peers: Sequence[Peer], *, draws: int = DRAWS) -> Compared:
    """Run the peers on the case's rows and evaluate each beside ours; bootstrap draws take the same accounts."""
    done = [_told(run.case.name, peer, run) for peer in peers]
    if run.ips is not None:
        done.append(PeerRun(TALLY, run.ips.tally))
    test = run.test
    ours = Scored(test.labels, run.signals, test.accounts, test.times)
    pairs = [(peer, evaluate_pair(ours, peer.scores, draws=draws)) for peer in done]
    return Compared(run, tuple(pairs), _apart(run, done, draws))


def _told(case: str, peer: Peer, run: CaseRun) -> PeerRun:
    """Run a peer and say how it did: a case takes minutes."""
    done = run_peer(peer, run.training, run.test.values)
    precision = average_precision_score(run.test.labels, done.scores)
    print(f"  {case}: {peer.name}, average precision {precision:.3f}", file=sys.stderr, flush=True)
    return done


def _apart(run: CaseRun, peers: Sequence[PeerRun], draws: int) -> dict[str, dict[str, Evaluation]]:
    if run.ips is None:
        return {}
    scores = {OURS: run.signals, **{peer.name: peer.scores for peer in peers}}
    parts = {"seen": run.ips.seen, "unseen": ~run.ips.seen}
    return {
        part: {name: _part(run, values, rows, draws) for name, values in scores.items()} for part, rows in parts.items()
    }


def _part(run: CaseRun, scores: Doubles, rows: Flags, draws: int) -> Evaluation:
    test = run.test
    return evaluate(Scored(test.labels[rows], scores[rows], test.accounts[rows], test.times[rows]), draws=draws)


def _choices(release: Release) -> dict[str, Any]:
    """What was chosen, and what that gave on the validation blocks; there also without each block of the vector."""
    chosen = {**asdict(release.encoder.mixture), "neighbours": release.neighbours}
    return {"chosen": chosen, "validation": release.validation, "ablation": release.ablation}


def _peer(peer: PeerRun, pair: Pair) -> dict[str, Any]:
    return {
        "settings": dict(peer.settings),
        "validation": peer.validation,
        "cpu_s": peer.cpu_s,
        "test": pair.second.as_dict(),
        "ours_less_it": {name: asdict(difference) for name, difference in pair.differences.items()},
    }
