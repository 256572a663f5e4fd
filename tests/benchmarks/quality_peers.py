"""Peers: other ways to score the same rows. LightGBM, XGBoost and PyOD are imported only where they are used.

What sees labels is tuned alike: as many settings each, the best by mean average precision on the later blocks of
time inside the training window on which our own training chooses, then fitted on the whole window. (The evidence is
scaled over the whole window for all of them.) What sees no labels has its library's settings.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from quality_run import Rows
from sklearn.metrics import average_precision_score

from counterfoil.domain.arrays import Doubles, Floats, Labels
from counterfoil.domain.training.options import TrainingOptions
from counterfoil.domain.training.validation import time_splits

Settings = Mapping[str, Any]

SEED = 0
KNN_ROWS = 20_000
"""Most training rows that KNN measures distances to; they come in the order of a hash, so the first are a sample."""


@dataclass(frozen=True)
class Peer:
    """`scores` takes settings, training values, their labels and the values asked for; higher is riskier."""

    name: str
    scores: Callable[[Settings, Floats, Labels, Floats], Doubles]
    grid: tuple[Settings, ...] = ({},)


@dataclass(frozen=True)
class PeerRun:
    """Scores of the test rows, what was chosen, and its mean average precision on the validation blocks.

    `cpu_s` are the seconds of choosing, fitting and scoring.
    """

    name: str
    scores: Doubles
    settings: Settings = field(default_factory=dict)
    validation: float | None = None
    cpu_s: float = 0.0


def run_peer(peer: Peer, training: Rows, asked: Floats) -> PeerRun:
    """Choose the peer's settings, fit it on all training rows, and score the rows asked for."""
    start = time.process_time()
    settings, precision = _choose(peer, training)
    scores = peer.scores(settings, training.values, training.labels, asked)
    return PeerRun(peer.name, scores, settings, precision, time.process_time() - start)


def _choose(peer: Peer, training: Rows) -> tuple[Settings, float | None]:
    """The settings with the best mean average precision; the first ones where there is nothing to choose by."""
    splits, _ = time_splits(training.payments, training.labels, TrainingOptions().fold_starts)
    if len(peer.grid) == 1 or not splits:
        return peer.grid[0], None
    found = [np.mean([_precision(peer, settings, training, *split) for split in splits]) for settings in peer.grid]
    best = int(np.argmax(found))
    return peer.grid[best], float(found[best])


def _precision(peer: Peer, settings: Settings, training: Rows, fit: np.ndarray, validate: np.ndarray) -> float:
    values, labels = training.values, training.labels
    scores = peer.scores(settings, values[fit], labels[fit], values[validate])
    return float(average_precision_score(labels[validate], scores, sample_weight=training.weights[validate]))


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _isolation_forest(_: Settings, values: Floats, _labels: Labels, asked: Floats) -> Doubles:
    from sklearn.ensemble import IsolationForest

    return -IsolationForest(random_state=SEED, n_jobs=cores()).fit(values).score_samples(asked)


def _ecod(_: Settings, values: Floats, _labels: Labels, asked: Floats) -> Doubles:
    """Its tails are counted over the training rows and all rows asked for together: that is PyOD's way."""
    from pyod.models.ecod import ECOD

    return ECOD().fit(values).decision_function(asked)


def _knn(_: Settings, values: Floats, _labels: Labels, asked: Floats) -> Doubles:
    from pyod.models.knn import KNN

    return KNN(n_jobs=cores()).fit(values[:KNN_ROWS]).decision_function(asked)


def _supervised(make: Callable[..., Any]) -> Callable[[Settings, Floats, Labels, Floats], Doubles]:
    def scores(settings: Settings, values: Floats, labels: Labels, asked: Floats) -> Doubles:
        return make(**settings).fit(values, labels).predict_proba(asked)[:, 1].astype(np.float64)

    return scores


def _logistic_regression(**settings: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=5000, random_state=SEED, **settings)


def _random_forest(**settings: Any) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(128, random_state=SEED, n_jobs=cores(), **settings)


def _lightgbm(**settings: Any) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        subsample=0.8, subsample_freq=1, colsample_bytree=0.8, deterministic=True, force_row_wise=True,
        random_state=SEED, n_jobs=cores(), verbose=-1, **settings,
    )  # fmt: skip


def _xgboost(**settings: Any) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(
        subsample=0.8, colsample_bytree=0.8, tree_method="hist", random_state=SEED, n_jobs=cores(), **settings
    )


# Four settings each; one forest of the card year takes a minute of a core.
_REGULARISED = tuple({"C": c, "class_weight": weight} for weight in (None, "balanced") for c in (0.1, 1.0))
_STEPS = ({"n_estimators": 100, "learning_rate": 0.1}, {"n_estimators": 400, "learning_rate": 0.03})
_LEAVES = tuple({**steps, "num_leaves": leaves} for steps in _STEPS for leaves in (7, 31))
_DEPTHS = tuple({**steps, "max_depth": depth} for steps in _STEPS for depth in (3, 6))
_FORESTS = (
    *({"min_samples_leaf": leaf, "max_features": "sqrt"} for leaf in (1, 3, 10)),
    {"min_samples_leaf": 3, "max_features": 0.3},
)

PEERS = {
    "isolation-forest": Peer("isolation forest", _isolation_forest),
    "ecod": Peer("ECOD", _ecod),
    "knn": Peer(f"KNN ({KNN_ROWS:,} rows)", _knn),
    "logistic-regression": Peer("logistic regression", _supervised(_logistic_regression), _REGULARISED),
    "lightgbm": Peer("LightGBM", _supervised(_lightgbm), _LEAVES),
    "xgboost": Peer("XGBoost", _supervised(_xgboost), _DEPTHS),
    "random-forest": Peer("random forest", _supervised(_random_forest), _FORESTS),
}
"""By the name that the command line takes."""
