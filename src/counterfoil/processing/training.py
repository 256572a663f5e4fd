"""The steps that lead from evidence to a registered release."""

import json
import shutil

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.evaluation.candidate import CandidateEvaluation
from counterfoil.domain.evaluation.gate import GateRules, judge_candidate
from counterfoil.domain.tables import EVIDENCE
from counterfoil.errors import OlderFormatError
from counterfoil.processing.detection import LINEAGE
from counterfoil.processing.job import Job, log
from counterfoil.progress import Progress
from counterfoil.steps.options import EvaluateOptions, RegisterOptions, TrainOptions

UNDEFINED_TAG = "metrics_undefined"
"""On a release whose window does not define all metrics: which, and why. Such are absent, and never NaN."""


def train(options: TrainOptions) -> None:
    """Fit a candidate on the evidence of a period."""
    from counterfoil.steps.releases.registration import write_candidate
    from counterfoil.steps.train import TrainingRequest, fit_candidate

    job = Job.here()
    request = TrainingRequest(options.period, options.known_until, options.label_delay_days)
    candidate = fit_candidate(
        job.tables, job.workspace.embedder, load_mapping(options.mapping), request,
        progress=Progress(begin=lambda what: log().info("training", what=what)),
    )  # fmt: skip
    write_candidate(candidate, job.output("release"))
    lineage = job.input(EVIDENCE) / LINEAGE
    if lineage.is_file():
        shutil.copyfile(lineage, job.output("release") / LINEAGE)
    release = candidate.release
    figures = {"release": release.release_id, "rows": release.training_rows, "frauds": release.training_frauds}
    log().info("candidate fitted", **figures)
    job.write_json("summary", "summary.json", figures)
    job.finish("train")


def evaluate(options: EvaluateOptions) -> None:
    """Score the evaluation window with candidate and champion, and compare both with the labels."""
    import pyarrow.parquet as pq

    from counterfoil.adapters.report.plots import draw
    from counterfoil.steps.insights.candidate import evaluate_candidate
    from counterfoil.steps.releases.registration import read_candidate
    from counterfoil.steps.scoring.scorer import Detector

    job = Job.here()
    place, candidate = job.workspace, read_candidate(job.input("release"))
    detector = Detector(candidate.release, candidate.references, place.embedder, place.compute)
    standing = options.champion
    against, unread = None, None
    if standing is not None:
        try:
            against = place.detector(standing)
        except OlderFormatError as error:  # training would never get past it
            unread = f"champion {standing} cannot be read: {error}"
            log().warning("champion of an older format", champion=standing, reason=str(error))
    evaluation = evaluate_candidate(job.tables, detector, against, options.period, unread_champion=unread)
    job.write_json("evaluation", "evaluation.json", evaluation.as_dict())
    pq.write_table(evaluation.scores, job.output("evaluation") / "scores.parquet", compression="zstd")
    for name, content in draw(evaluation).items():
        path = job.output("evaluation") / "plots" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    job.finish("evaluate")


def gate(rules: GateRules) -> None:
    """Say whether the candidate may be registered, and why."""
    job = Job.here()
    evaluation = CandidateEvaluation.from_dict(job.read_json("evaluation", "evaluation.json"))
    verdict = judge_candidate(evaluation.figures, rules)
    log().info("gate", passed=verdict.passed, summary=verdict.summary)
    job.write_json("verdict", "verdict.json", verdict.as_dict())
    job.finish("gate")


def register(options: RegisterOptions) -> None:
    """Register the candidate with its evaluation and verdict, and let the alias name it."""
    from counterfoil.steps.releases.registration import read_candidate, register_candidate
    from counterfoil.steps.releases.releases import GATE_PASSED, GATE_TAG, promote

    job = Job.here()
    place, candidate = job.workspace, read_candidate(job.input("release"))
    verdict = job.read_json("verdict", "verdict.json")
    verdict_tag = GATE_PASSED if verdict["passed"] else "failed"
    registered = register_candidate(
        candidate, place.references, place.registry,
        evaluation=_evaluation_files(job), metrics=_metrics(job),
        tags={GATE_TAG: verdict_tag, **_undefined(job)},
    )  # fmt: skip
    # A release that was registered before the gate judged it keeps its files and tags, but for this one.
    place.registry.tag(registered.release_id, GATE_TAG, verdict_tag)
    if (name := options.alias) is not None:
        promote(place.registry, place.decisions, registered.release_id, name, "ci", verdict["summary"])
    log().info("registered", release=registered.release_id, version=registered.version, alias=name)
    job.write_json("registered", "registered.json", {"release": registered.release_id, "version": registered.version})
    job.finish("register")


def _evaluation_files(job: Job) -> dict[str, bytes]:
    """What is kept with the release: what it learned from, the evaluation with its plots, and the verdict."""
    evaluation, verdict = job.input("evaluation"), job.input("verdict")
    lineage = job.input("release") / LINEAGE
    files = {"lineage.json": lineage} if lineage.is_file() else {}
    files |= {"evaluation.json": evaluation / "evaluation.json", "verdict.json": verdict / "verdict.json"}
    files |= {f"plots/{path.name}": path for path in sorted((evaluation / "plots").glob("*.svg"))}
    return {name: path.read_bytes() for name, path in files.items()}


def _undefined(job: Job) -> dict[str, str]:
    """A tag that says which metrics are absent and why; none if all are there."""
    figures = CandidateEvaluation.from_dict(job.read_json("evaluation", "evaluation.json")).figures
    why = figures.undefined()
    return {} if why is None else {UNDEFINED_TAG: why}


def _metrics(job: Job) -> dict[str, float]:
    evaluation = json.loads((job.input("evaluation") / "evaluation.json").read_text(encoding="utf-8"))
    metrics: dict[str, float] = evaluation["candidate_metrics"]
    return metrics
