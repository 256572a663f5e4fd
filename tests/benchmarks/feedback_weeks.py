"""Weeks of payments and of people's words about them, played through what serves: log, trial, overlay, intercept.

Payments come in the order of their time and words between them. A payment is compared with the release's base once;
what changes from word to word is the overlay, and that is compared anew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
from feedback_stores import Answers, Changes, Log, NoProfiles

from counterfoil.domain.arrays import Doubles, Floats
from counterfoil.domain.policy.decide import decide
from counterfoil.domain.policy.verdicts import Verdict
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.domain.scoring.compare import Side
from counterfoil.domain.scoring.overlaid import OverlaySide, merged
from counterfoil.domain.scoring.signal import margin
from counterfoil.steps.scoring.champion import Champion, InUse
from counterfoil.steps.scoring.confirm import Confirmations, Effect, State
from counterfoil.steps.scoring.feedback import give_feedback
from counterfoil.steps.scoring.scorer import Detector

PEOPLE = ("ada", "bob")
"""A good word about a blocked payment needs two."""


@dataclass(frozen=True)
class Stream:
    """Payments in the order of time: their evidence, their vectors, and what is nearest in the release's base."""

    evidence: pa.Table
    ids: list[str]
    times: np.ndarray
    vectors: Floats
    fraud: Side
    good: Side

    def __len__(self) -> int:
        return len(self.ids)

    def base(self, rows: slice) -> tuple[Side, Side]:
        """What is nearest to some of the rows on both sides of the base."""
        return tuple(
            Side(side.similarity[rows], side.position[rows], side.tied[rows]) for side in (self.fraud, self.good)
        )


@dataclass(frozen=True)
class Spoken:
    """What a person says of the payment in a row of the stream, and when."""

    row: int
    label: int
    at: datetime


@dataclass
class Played:
    """A service without sockets: it scores rows of the stream, and takes words."""

    stream: Stream
    detector: Detector
    most_moved: float = 0.001
    signals: Doubles = field(init=False)
    effects: list[tuple[Spoken, Effect]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.signals = np.full(len(self.stream), np.nan)
        self.log, self.changes = Log(), Changes()
        self.answers = Answers(self.stream.evidence, self.stream.ids, self.detector.release_id)
        champion = Champion(None, self.changes, lambda _: None)  # type: ignore[arg-type]
        champion._in_use = InUse(self.detector, None, frozenset(), {})  # type: ignore[arg-type]
        self.champion = champion
        self.confirmations = Confirmations(self.log, self.answers, self.changes, champion, self.most_moved)
        self._made: tuple[int, tuple[OverlaySide, OverlaySide]] | None = None

    @property
    def scored(self) -> int:
        """How many rows were scored."""
        return self.answers.count

    def score_until(self, moment: datetime) -> None:
        """Score the payments that were made before a moment, with the overlay of now."""
        until = int(np.searchsorted(self.stream.times, np.datetime64(moment.replace(tzinfo=None)), side="left"))
        if until <= self.scored:
            return
        rows = slice(self.scored, until)
        detector = self.champion.current().detector
        sides = self.stream.base(rows)
        if detector.overlay.references:
            vectors = self.stream.vectors[rows]
            sides = tuple(merged(base, own, vectors) for base, own in zip(sides, self._overlay(detector), strict=True))
        signals = detector.calibration.probability(margin(*(side.mean for side in sides)))
        self.signals[rows] = signals
        self.answers.keep(signals, decide(signals, detector.release.thresholds).to_pylist())

    def _overlay(self, detector: Detector) -> tuple[OverlaySide, OverlaySide]:
        """The overlay made ready, once a change."""
        sequence, dimensions = detector.overlay.sequence, detector.release.encoder.dimensions
        if self._made is None or self._made[0] != sequence:
            references, first = detector.overlay.references, detector.release.reference_rows
            sides = tuple(OverlaySide.of(references, label, dimensions, first) for label in (FRAUD, GOOD))
            self._made = sequence, sides
        return self._made[1]

    def hear(self, word: Spoken) -> Effect:
        """Take a word as the service does: into the log, then tried, then into the overlay."""
        name, verdict = self.stream.ids[word.row], Verdict.FRAUD if word.label == FRAUD else Verdict.GOOD
        self.log.now = word.at
        for person in PEOPLE:
            give_feedback(self.log, self.answers, NoProfiles(), name, verdict, person, "looked at")
            effect = self.confirmations.apply(name)
            if effect.state is not State.AWAITS:
                break
        self.effects.append((word, effect))
        return effect


def spoken_at_label_delay(stream: Stream) -> list[Spoken]:
    """Every fraud is confirmed when its label comes."""
    labels = stream.evidence.column("label").to_pylist()
    known = stream.evidence.column("known_at").to_pylist()
    found = [
        Spoken(row, FRAUD, at) for row, (label, at) in enumerate(zip(labels, known, strict=True)) if label == FRAUD
    ]
    return sorted(found, key=lambda word: (word.at, word.row))


def spoken_of_alerts(
    stream: Stream, signals: Doubles, rows: Sequence[int], most: int, at: datetime, cards: set[str]
) -> Iterator[Spoken]:
    """What analysts say at the end of a day of its riskiest payments; cards found compromised are blocked from then on.

    `rows` are the day's, `cards` the cards that are blocked; those that are found are added.
    """
    labels, accounts = stream.evidence.column("label"), stream.evidence.column("account_id")
    looked_at = 0
    for row in sorted(rows, key=lambda row: (-signals[row], stream.ids[row])):
        label, card = labels[row].as_py(), accounts[row].as_py()
        if label is None or card in cards:
            continue
        looked_at += 1
        if looked_at > most:
            return
        if label == FRAUD:
            cards.add(card)
        yield Spoken(row, FRAUD if label == FRAUD else GOOD, at + timedelta(seconds=looked_at))
