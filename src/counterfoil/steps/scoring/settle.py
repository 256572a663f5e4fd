"""Feedback is settled: what a crash left undone is done, and what people said goes into the lake.

One process at a time goes through the decision log, from the entry that was settled last. Doing it again changes
nothing.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from counterfoil.domain.schemas import LABELS
from counterfoil.errors import NotFoundError
from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import DecisionLog
from counterfoil.ports.service import Checkpoints, ProfileStore, ScoreLog
from counterfoil.steps.lake.labels import append_labels
from counterfoil.steps.scoring.confirm import Confirmations
from counterfoil.steps.scoring.feedback import FEEDBACK, HELD, Said, feedback_on, label_of, scored, tell_profiles
from counterfoil.steps.scoring.overrule import UNDONE, last_order
from counterfoil.steps.scoring.profiles import Logs

STREAM = "feedback"
"""The name of the checkpoints: of the lake's labels, and of each release's overlay."""
TO_LAKE = "labels"


class Turns(Protocol):
    """Work that one process at a time does."""

    def turn(self, name: str) -> AbstractContextManager[bool]:
        """Say whether it is this process's turn; nobody else gets it until the block ends."""
        ...


@dataclass
class Settling:
    """Settles feedback."""

    log: DecisionLog
    scores: ScoreLog
    profiles: ProfileStore
    tables: TableStore
    checkpoints: Checkpoints
    confirmations: Confirmations
    turns: Turns

    def settle(self) -> int:
        """Settle what was said since the last time, and return how many entries; 0 while another process does it."""
        with self.turns.turn(STREAM) as mine:
            return self._to_lake() + self._to_overlay() if mine else 0

    def _new(self, shard: str) -> Iterator[Said]:
        """The entries that were not settled yet; one is settled when the next is asked for."""
        last = int(self.checkpoints.load(STREAM).get(shard, 0))
        for entry in self.log.entries(FEEDBACK, after=last):
            said = Said.of(entry)
            yield said
            self.checkpoints.save(STREAM, shard, str(said.sequence))

    def _to_lake(self) -> int:
        """Append each change of a label to the lake's table `labels`, as a run of its own."""
        done = 0
        for said in self._new(TO_LAKE):
            until = [one for one in feedback_on(self.log, said.transaction_id) if one.sequence <= said.sequence]
            self._tell_profiles(until)
            label = label_of(until)
            if label != label_of(until[:-1]):
                row = {"transaction_id": [said.transaction_id], "label": pa.array([label], LABELS.field("label").type)}
                append_labels(
                    self.tables, pa.table(row), said_by=said.by, said_at=said.at, run=f"feedback-{said.sequence:012d}"
                )
            done += 1
        return done

    def _tell_profiles(self, said: list[Said]) -> None:
        try:
            logs = Logs.of(self.confirmations.champion.current().detector.release.specs)
            tell_profiles(self.profiles, scored(self.scores, said[-1].transaction_id), said, logs)
        except NotFoundError:  # its account was forgotten since
            return

    def _to_overlay(self) -> int:
        """Let what was said after the release in use was trained act on it, where it does not yet."""
        in_use = self.confirmations.champion.follow()
        learned = in_use.detector.release.learned_until
        done = 0
        for said in self._new(f"overlay {in_use.release_id}"):
            change = in_use.detector.overlay.changes.get(said.transaction_id)
            behind = change is None or change.said < said.sequence
            held = any(e.details["said"] >= said.sequence for e in self.log.entries(HELD, said.transaction_id))
            if behind and not held and not self._undone(said) and (learned is None or said.at > learned):
                done += self._act(said)
        return done

    def _undone(self, said: Said) -> bool:
        """Whether an operator took the payment out since this word, and no other let it act again."""
        last = last_order(self.log, said.transaction_id)
        return last is not None and last.kind == UNDONE and (last.sequence or 0) > said.sequence

    def _act(self, said: Said) -> int:
        try:
            self.confirmations.apply(said.transaction_id)
        except NotFoundError:  # its account was forgotten since
            return 0
        return 1
