"""Backtest: train on one span of time, score a later one with the code that serves, compare with labels."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.periods import Period
from counterfoil.domain.release.release import Release
from counterfoil.errors import UsageError
from counterfoil.ports.lake import TableStore
from counterfoil.ports.stores import Stores
from counterfoil.progress import Progress
from counterfoil.steps.insights.evaluate_run import EvaluatedRun, evaluate_run
from counterfoil.steps.lake.engine import engine, one_row
from counterfoil.steps.lake.evidence import evidence_files
from counterfoil.steps.scoring.compute import Compute
from counterfoil.steps.scoring.score import detect
from counterfoil.steps.scoring.scorer import Detector
from counterfoil.steps.train import TrainingRequest, train


@dataclass(frozen=True)
class Windows:
    """The training and the test span. Labels count in training if they were known when the test began."""

    training: Period
    test: Period

    def __post_init__(self) -> None:
        if self.test.since is None or (self.training.until is not None and self.training.until > self.test.since):
            raise UsageError(
                f"the test window (from {self.test.since}) must begin after the training window "
                f"(until {self.training.until}): else the test would be trained on"
            )


@dataclass(frozen=True)
class Backtest:
    """What a backtest gives."""

    release: Release
    evaluated: EvaluatedRun
    windows: Windows
    run: str  # of the table `scores`


def windows_by_fraction(tables: TableStore, fraction: float) -> Windows:
    """The first `fraction` of the payments in `evidence` by time for training, all others for the test.

    Payments at the instant of the cut are all in the test. Raises UsageError unless 0 < fraction < 1.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"--train-fraction {fraction}: a number between 0 and 1 is expected, such as 0.7")
    files = evidence_files(tables)
    with engine() as database:
        cut: datetime = one_row(
            database,
            f"SELECT event_time FROM read_parquet({files!r}) ORDER BY event_time, transaction_id "
            f"OFFSET (SELECT CAST(floor({fraction} * count(*)) AS BIGINT) FROM read_parquet({files!r})) LIMIT 1",
        )[0]
    return Windows(Period(until=cut), Period(since=cut))


def backtest(
    stores: Stores,
    mapping: SourceMapping,
    windows: Windows,
    *,
    label_delay: timedelta,
    exclude_compromised: bool = False,
    compute: Compute = Compute(),
    progress: Progress = Progress(),
) -> Backtest:
    """Train on the training window of `evidence`, detect in the test window, and evaluate."""
    request = TrainingRequest(
        period=windows.training,
        known_until=windows.test.since,
        label_delay_days=label_delay / timedelta(days=1),
    )
    release = train(stores, mapping, request, progress=progress)
    detector = Detector.load(release, stores.references, stores.embedder, compute)
    run = detect(stores.tables, detector, period=windows.test, compute=compute, progress=progress)
    progress.begin("evaluating")
    since = windows.training.since or datetime.min.replace(tzinfo=UTC)
    excluded = since if exclude_compromised else None
    evaluated = evaluate_run(stores.tables, run, exclude_compromised_since=excluded, label_delay=label_delay)
    return Backtest(release, evaluated, windows, run)
