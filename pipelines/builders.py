"""One builder per step: its channels, its container's arguments, and what its job needs.

Cached are the steps whose result follows from what SageMaker compares: image, arguments, environment and input
URIs. A URI of an upstream step names the execution that computed it, so `InputVersion`, which collect is given,
pins all that follows; releases are named by id, policies by version and the state of the lists. The lake's URIs never
change, but `features` and `detect` have none of them: what they read of the lake is a list of keys among collect's
outputs. `curate`, `train` and `evaluate` repeat their answer for the same outputs of collect. `publish` and
`register` change what others see, and `insights` shows the lake as it is: they always run.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from counterfoil.adapters.sagemaker.carried import HISTORY, KEYS
from counterfoil.domain.evaluation.gate import GateRules
from counterfoil.domain.tables import (
    ADDRESSES,
    EVIDENCE,
    FORGOTTEN_TABLE,
    LABELS_TABLE,
    REJECTED_ROWS,
    SCORE_TABLE,
    SCORED_EVIDENCE,
    SOURCE_IP_DAY_TABLE,
    SOURCE_IP_TABLE,
    TRANSACTIONS,
)
from counterfoil.steps.options import (
    CollectOptions,
    CurateOptions,
    DetectOptions,
    EvaluateOptions,
    FeaturesOptions,
    InsightsOptions,
    PublishOptions,
    RegisterOptions,
    ReportOptions,
    TrainOptions,
)
from pipelines.jobs import Input, Job, Site, below, output_of

if TYPE_CHECKING:
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep
    from sagemaker.mlops.workflow.steps import ProcessingStep

COLLECTED = (TRANSACTIONS, LABELS_TABLE, REJECTED_ROWS, ADDRESSES, "summary")
COLLECT = Job("collect", "collector", (*COLLECTED, HISTORY), volume_gb=200, hours=8)
CURATE = Job("curate", "curation", (SOURCE_IP_TABLE, SOURCE_IP_DAY_TABLE, "summary"), volume_gb=100)
FEATURES = Job("features", "detector", (EVIDENCE, "summary"), volume_gb=200, hours=8)
TRAIN = Job("train", "detector", ("release", "summary"), gpu=True, volume_gb=100, hours=12)
EVALUATE = Job("evaluate", "detector", ("evaluation",), gpu=True, volume_gb=100, property_files=())
GATE = Job("gate", "detector", ("verdict",), hours=1, property_files=(("verdict", "verdict.json"),))
REGISTER = Job("register", "detector", ("registered",), cached=False, hours=1, property_files=())
# Its instances share the channel `summary`, each with a file of its own.
DETECT = Job(
    "detect", "detector", (SCORE_TABLE, SCORED_EVIDENCE, "summary"), gpu=True, volume_gb=200, hours=12,
    property_files=(),
)  # fmt: skip
PUBLISH = Job("publish", "detector", ("published",), cached=False, volume_gb=200, property_files=())
REPORT = Job("report", "detector", ("report",), volume_gb=100, hours=1, property_files=())
# It reads the lake itself, as a notebook does: its inputs do not say what is in there.
INSIGHTS = Job("insights", "detector", ("insights",), cached=False, volume_gb=200, hours=1, property_files=())

JOBS = {
    job.step: job
    for job in (COLLECT, CURATE, FEATURES, TRAIN, EVALUATE, GATE, REGISTER, DETECT, PUBLISH, REPORT, INSIGHTS)
}  # fmt: skip
CURATED = (SOURCE_IP_TABLE, SOURCE_IP_DAY_TABLE)
DETECTED = (SCORE_TABLE, SCORED_EVIDENCE)


def collect(site: Site, *, scope: str, since: Any, until: Any) -> "ProcessingStep":
    """Raw files to transactions, with what was refused and why. Files that were collected before are skipped.

    It alone reads all payments of the lake, since an id may come again after any time. It chooses what `features` and
    `detect` are to have of them, and so it is told which payments get evidence, as `features` is.
    """
    lake = [site.lake(table) for table in (TRANSACTIONS, LABELS_TABLE, FORGOTTEN_TABLE)]
    options = site.arguments(CollectOptions, since=since, until=until, scope=scope)
    return site.step(COLLECT, [Input("raw", site["RawUri"]), *lake], options)


def _chosen(site: Site, collected: "ProcessingStep", reader: Job, *tables: str) -> list[Input]:
    """What collect has chosen of the lake's tables for a step, and what it has just collected of them."""
    history = output_of(collected, HISTORY)
    parts = {table: below(history, reader.step, table, KEYS) for table in tables}
    lake = [Input(site.lake(table).channel, keys, manifest=True) for table, keys in parts.items()]
    return [*lake, Input(HISTORY, below(history, reader.step)), *(output_of(collected, table) for table in tables)]


def curate(site: Site, collected: "ProcessingStep") -> "ProcessingStep":
    """Source IPs and their metadata."""
    tables = (TRANSACTIONS, LABELS_TABLE, ADDRESSES)
    new, lake = [output_of(collected, table) for table in tables], [site.lake(table) for table in tables]
    return site.step(CURATE, [*lake, *new], site.arguments(CurateOptions))


def features(site: Site, collected: "ProcessingStep", *, scope: str, since: Any, until: Any) -> "ProcessingStep":
    """Evidence of the payments from `since` to `until`: of all of them, or (`scope` 'new') of those just collected."""
    options = site.arguments(FeaturesOptions, since=since, until=until, scope=scope)
    return site.step(FEATURES, _chosen(site, collected, FEATURES, TRANSACTIONS, LABELS_TABLE), options)


def _labels(site: Site, collected: "ProcessingStep") -> list[Input]:
    """What was said of payments after they were collected, in the lake and by the new files."""
    return [site.lake(LABELS_TABLE), output_of(collected, LABELS_TABLE)]


def train(site: Site, collected: "ProcessingStep", featured: "ProcessingStep") -> "ProcessingStep":
    """A candidate, from the labels that are known before the first day that it is judged on."""
    options = site.arguments(
        TrainOptions, since=site["TrainFrom"], until=site["TrainUntil"], known_until=site["EvaluateFrom"]
    )
    return site.step(TRAIN, [output_of(featured, EVIDENCE), *_labels(site, collected)], options)


def evaluate(
    site: Site, collected: "ProcessingStep", featured: "ProcessingStep", trained: "ProcessingStep"
) -> "ProcessingStep":
    """Candidate and champion on the same later days."""
    options = site.arguments(EvaluateOptions, since=site["EvaluateFrom"], until=site["EvaluateUntil"])
    inputs = [output_of(featured, EVIDENCE), output_of(trained, "release"), *_labels(site, collected)]
    return site.step(EVALUATE, inputs, options)


def gate(site: Site, trained: "ProcessingStep", evaluated: "ProcessingStep") -> "ProcessingStep":
    """The verdict on the candidate, with its reasons."""
    inputs = [output_of(evaluated, "evaluation"), output_of(trained, "release")]
    return site.step(GATE, inputs, site.arguments(GateRules))


def register(
    site: Site, trained: "ProcessingStep", evaluated: "ProcessingStep", judged: "ProcessingStep"
) -> "ProcessingStep":
    """The candidate becomes a registered release, with its evaluation and verdict beside it."""
    inputs = [output_of(trained, "release"), output_of(evaluated, "evaluation"), output_of(judged, "verdict")]
    return site.step(REGISTER, inputs, site.arguments(RegisterOptions))


def fail(judged: "ProcessingStep") -> "FailStep":
    """The execution fails with the verdict's line of figures."""
    from sagemaker.mlops.workflow.fail_step import FailStep

    return FailStep(name="fail", error_message=_of_verdict(judged, "summary"))


def passed(judged: "ProcessingStep", then: Sequence[Any], otherwise: Sequence[Any]) -> "ConditionStep":
    """`then` if the gate let the candidate pass, else `otherwise`."""
    from sagemaker.core.workflow.conditions import ConditionEquals
    from sagemaker.mlops.workflow.condition_step import ConditionStep

    condition = ConditionEquals(left=_of_verdict(judged, "passed"), right=True)
    return ConditionStep(name="passed", conditions=[condition], if_steps=list(then), else_steps=list(otherwise))


def detect(site: Site, collected: "ProcessingStep", featured: "ProcessingStep") -> "ProcessingStep":
    """Scores with their precedents, and the policy's decisions; each instance takes its share of the evidence's files.

    Rules and lists read the payments themselves, too.
    """
    evidence = output_of(featured, EVIDENCE, sharded=True)
    inputs = [evidence, *_chosen(site, collected, DETECT, TRANSACTIONS)]
    return site.step(DETECT, inputs, site.arguments(DetectOptions), instances=site["DetectInstances"])


def publish(
    site: Site,
    written: Mapping["ProcessingStep", Sequence[str]],
    *,
    after: Sequence["ProcessingStep"] = (),
    allow_failed_files: Any = "true",
) -> "ProcessingStep":
    """Make what steps wrote to these channels visible in the lake; `after` steps that still read it."""
    inputs = [output_of(step, channel) for step, channels in written.items() for channel in channels]
    return site.step(
        PUBLISH, inputs, site.arguments(PublishOptions, allow_failed_files=allow_failed_files), after=after
    )


def report(site: Site, detected: "ProcessingStep", published: "ProcessingStep") -> "ProcessingStep":
    """What was scored, in figures; then the execution fails if files did that must not."""
    inputs = [output_of(detected, SCORE_TABLE), output_of(published, "published")]
    return site.step(REPORT, inputs, site.arguments(ReportOptions))


def insights(site: Site, published: "ProcessingStep") -> "ProcessingStep":
    """The insight report, by a notebook that reads the lake; a notebook that does not end well fails the execution."""
    return site.step(INSIGHTS, [output_of(published, "published")], site.arguments(InsightsOptions))


def _of_verdict(judged: "ProcessingStep", path: str) -> Any:
    from sagemaker.core.workflow.functions import JsonGet

    return JsonGet(step_name=judged.name, property_file="verdict", json_path=path)
