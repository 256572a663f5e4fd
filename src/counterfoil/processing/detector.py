"""The detector's container: evidence, training, judgement, scores, publication."""

from counterfoil.domain.evaluation.gate import GateRules
from counterfoil.processing import detection, training
from counterfoil.processing.commands import container
from counterfoil.processing.insights import insights
from counterfoil.steps.options import (
    DetectOptions,
    EvaluateOptions,
    FeaturesOptions,
    InsightsOptions,
    PublishOptions,
    RegisterOptions,
    ReportOptions,
    TrainOptions,
)

app = container(
    "Build evidence, train and judge releases, score payments, publish.",
    (FeaturesOptions, detection.features),
    (TrainOptions, training.train),
    (EvaluateOptions, training.evaluate),
    (GateRules, training.gate),
    (RegisterOptions, training.register),
    (DetectOptions, detection.detect),
    (PublishOptions, detection.publish),
    (ReportOptions, detection.report),
    (InsightsOptions, insights),
)
