"""Commands that score payments and compare scores with labels."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from counterfoil.cli.options import Day, DelayDays, ParquetFile, ReleaseId, WorkspaceFolder, days, existing_workspace
from counterfoil.domain.evaluation.metrics import ALERTS_PER_DAY
from counterfoil.domain.periods import LABEL_DELAY_DAYS


def score(
    release: ReleaseId = None, since: Day = None, until: Day = None,
    out: ParquetFile = None,
    workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Score the payments that have evidence, of all days or of a span (both ends included)."""
    from counterfoil.cli.show import runs, terminal
    from counterfoil.domain.tables import EVIDENCE, SCORE_TABLE
    from counterfoil.steps.insights.riskiest import riskiest
    from counterfoil.steps.insights.scores import write_scores
    from counterfoil.steps.lake.span import require_payments
    from counterfoil.steps.scoring.score import detect

    period = days(since, until)
    place = existing_workspace(workspace)
    require_payments(place.tables, EVIDENCE, period)
    with terminal.progress("scoring") as progress:
        progress.begin("loading the release")
        detector = place.detector(release)
        run = detect(
            place.tables, detector, period=period, compute=place.compute, progress=progress,
            policy=place.policies.current(),
        )  # fmt: skip
    written = write_scores(place.tables, run, out) if out else place.tables.files(SCORE_TABLE, run)[0]
    runs.show_cases(riskiest(place.tables, place.references_for_scoring, run))
    terminal.out.print(f"run {run}: scores of release {detector.release_id} in {written}")


def evaluate(
    run: Annotated[str, typer.Argument(help="The run that 'counterfoil score' named")],
    alerts_per_day: Annotated[int, typer.Option(min=1)] = ALERTS_PER_DAY,
    label_delay_days: DelayDays = LABEL_DELAY_DAYS, workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Compare the scores of a run with the labels that can be trusted by now."""
    from counterfoil.cli.show import runs
    from counterfoil.steps.insights.evaluate_run import evaluate_run

    evaluated = evaluate_run(
        existing_workspace(workspace).tables, run, alerts_per_day=alerts_per_day,
        label_delay=timedelta(days=label_delay_days), known_until=datetime.now(UTC) if label_delay_days else None,
    )  # fmt: skip
    runs.show_evaluation(evaluated.evaluation, run)
    runs.show_unripe(evaluated.unripe, label_delay_days)
