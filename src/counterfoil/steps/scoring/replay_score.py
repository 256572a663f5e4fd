"""Score a payment again from what was kept, and compare the result with the stored score."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from counterfoil.domain.policy.policy import settle
from counterfoil.domain.release.release import Release
from counterfoil.domain.tables import SCORE_TABLE, SCORED_EVIDENCE
from counterfoil.errors import NotFoundError
from counterfoil.ports.lake import TableStore
from counterfoil.ports.stores import Stores
from counterfoil.steps.releases.registration import load_release
from counterfoil.steps.scoring.compute import Compute
from counterfoil.steps.scoring.scorer import Detector

TOLERANCE = 1e-6
"""How far a replayed number may be from the stored one: sums of floats depend on the rows beside them."""

NUMBERS = ("anomaly_signal", "novelty", "fraud_similarity", "good_similarity")

Row = Mapping[str, Any]


class Precedents(StrEnum):
    """How the replayed precedents differ from the stored ones."""

    SAME = "the same"
    TIED = "others, among references that are equally similar"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Replay:
    """A stored score beside the replayed one, both as rows of the table `scores`.

    `difference` is the largest one between their numbers; infinite where only one of them has a number.
    """

    transaction_id: str
    run: str
    stored: Row
    replayed: Row
    difference: float
    precedents: Precedents

    @property
    def ok(self) -> bool:
        """Whether the stored score was reproduced."""
        same = self.stored.get("signal_kind") in (None, self.replayed["signal_kind"]) and self._same_decision
        return same and self.difference <= TOLERANCE and self.precedents is not Precedents.DIFFERENT

    @property
    def _same_decision(self) -> bool:
        """Whether the replayed thresholds, and what the policy said then, give the stored decision."""
        stored = self.stored.get("decision")
        # A score of an older version has no decision.
        return stored in (None, settle(self.replayed["decision"], self.stored.get("policy_hits") or ()))


class Replayer:
    """Replays any number of scores; each release is loaded once."""

    def __init__(self, stores: Stores, compute: Compute = Compute()) -> None:
        self._stores = stores
        self._compute = compute
        self._detectors: dict[str, Detector] = {}

    def replay(self, transaction_id: str, run: str | None = None) -> Replay:
        """Replay the score of a run, or of the newest run that has the payment.

        Raises NotFoundError if there is no such score, or what it was made from is gone; ReleaseMismatchError if
        the references or the text encoder are not the release's.
        """
        run, stored = self._stored(transaction_id, run)
        evidence = self._evidence(transaction_id, run)
        replayed = self._detector(stored["release_id"]).score(evidence).to_pylist()[0]
        return Replay(
            transaction_id, run, stored, replayed, difference(stored, replayed), compare_precedents(stored, replayed)
        )

    def _stored(self, transaction_id: str, run: str | None) -> tuple[str, Row]:
        runs = self._stores.tables.runs(SCORE_TABLE)
        if run is not None and run not in runs:
            raise NotFoundError(f"there is no run {run!r} of scores; there are: {', '.join(runs) or 'none'}")
        for name in reversed(runs) if run is None else [run]:
            rows = _rows_of(self._stores.tables, SCORE_TABLE, name, transaction_id).to_pylist()
            if rows:
                return name, rows[0]
        where = "any run of scores" if run is None else f"run {run}"
        raise NotFoundError(f"{where} has no score of transaction {transaction_id!r}: 'counterfoil score' makes one")

    def _evidence(self, transaction_id: str, run: str) -> pa.Table:
        found = _rows_of(self._stores.tables, SCORED_EVIDENCE, run, transaction_id)
        if not found.num_rows:
            raise NotFoundError(
                f"the evidence of transaction {transaction_id!r} as run {run} scored it was not kept "
                f"(table {SCORED_EVIDENCE}): this score cannot be replayed; score the payment again"
            )
        return found.slice(0, 1)

    def _detector(self, release_id: str) -> Detector:
        if release_id not in self._detectors:
            release = load_release(self._stores.registry, release_id)
            self._require_references(release)
            self._detectors[release_id] = Detector.load(
                release, self._stores.references, self._stores.embedder, self._compute
            )
        return self._detectors[release_id]

    def _require_references(self, release: Release) -> None:
        if release.release_id not in self._stores.references.releases():
            raise NotFoundError(
                f"the references of release {release.release_id} were dropped: its scores cannot be replayed any more"
            )


def replay_score(
    stores: Stores, transaction_id: str, run: str | None = None, *, compute: Compute = Compute()
) -> Replay:
    """Replay one score; raises as `Replayer.replay` does."""
    return Replayer(stores, compute).replay(transaction_id, run)


def difference(stored: Row, replayed: Row) -> float:
    """The largest difference between the numbers of two scores; infinite if one lacks a number of the other."""

    def apart(name: str) -> float:
        a, b = stored[name], replayed[name]
        return (0.0 if a is b else float("inf")) if a is None or b is None else abs(a - b)

    return max(map(apart, NUMBERS))


def compare_precedents(stored: Row, replayed: Row) -> Precedents:
    """Compare the precedents of two scores, side by side (fraud, good)."""
    if _ids(stored["precedents"]) == _ids(replayed["precedents"]):
        return Precedents.SAME
    sides = ((1, "fraud_tied"), (0, "good_tied"))
    if all(_tied(_side(stored, label), _side(replayed, label), bool(replayed[tied])) for label, tied in sides):
        return Precedents.TIED
    return Precedents.DIFFERENT


def _tied(stored: list[Row], replayed: list[Row], tied: bool) -> bool:
    """Return whether two lists of precedents differ only in the choice among equally similar ones."""
    if len(stored) != len(replayed):
        return False
    if any(not _near(a["similarity"], b["similarity"]) for a, b in zip(stored, replayed, strict=True)):
        return False
    again = {precedent["reference_id"]: precedent["similarity"] for precedent in replayed}
    return all(
        _near(precedent["similarity"], again[precedent["reference_id"]])
        if precedent["reference_id"] in again
        else tied and _near(precedent["similarity"], replayed[-1]["similarity"])
        for precedent in stored
    )


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= TOLERANCE


def _ids(precedents: list[Row]) -> list[str]:
    return [precedent["reference_id"] for precedent in precedents]


def _side(score: Row, label: int) -> list[Row]:
    return [precedent for precedent in score["precedents"] if precedent["label"] == label]


def _rows_of(tables: TableStore, table: str, run: str, transaction_id: str) -> pa.Table:
    files = [str(path) for path in tables.files(table, run)]
    if not files:
        return pa.table({})
    return ds.dataset(files, format="parquet").to_table(filter=ds.field("transaction_id") == transaction_id)
