#!/usr/bin/env bash
# XGBoost 3.2.0 (xgboost-cpu) beside scikit-learn 1.9.1: aucpr is not average precision, also without ties.
# Seen: one fraud among ten payments, ranked second: XGBoost's aucpr is 1 - ln 2 = 0.307, scikit-learn's average
# precision 0.5, and the trapezoids under scikit-learn's curve give 0.25. If all scores are the same, XGBoost and
# average precision agree.
# Expected: one of scikit-learn's two figures. XGBoost takes recall to grow evenly between two scores, and
# integrates precision along that way, which matters where frauds are few.
# What we do: we compute average precision ourselves, as scikit-learn defines it, for models of every kind.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet xgboost-cpu==3.2.0 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import math

import numpy as np
import sklearn
import xgboost
from sklearn.metrics import auc, average_precision_score, precision_recall_curve


def by_xgboost(labels, scores):
    """The metric of a model without trees, whose margin is the score."""
    data = xgboost.DMatrix(np.zeros((len(labels), 1)), label=labels, base_margin=scores)
    model = xgboost.train({"objective": "binary:logistic", "eval_metric": "aucpr", "nthread": 1}, data, 0)
    return float(model.eval(data).split(":")[1])


labels = np.array([0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
scores = np.linspace(2, -2, 10)
seen = by_xgboost(labels, scores)
precision, recall, _ = precision_recall_curve(labels, scores)
trapezoids, average = auc(recall, precision), average_precision_score(labels, scores)
tied = by_xgboost(labels, np.zeros(10)), average_precision_score(labels, np.zeros(10))

print(f"XGBoost {xgboost.__version__}, scikit-learn {sklearn.__version__}: one fraud in ten payments, ranked second")
print(f"seen: aucpr {seen:.4f}; average precision {average:.4f}; trapezoids {trapezoids:.4f}; all tied {tied}")
print("expected: aucpr is one of scikit-learn's two figures")
print("what we do: we compute average precision ourselves, for models of every kind")
assert math.isclose(seen, 1 - math.log(2), abs_tol=1e-4), "the behaviour changed"
assert average == 0.5 and math.isclose(trapezoids, 0.25), "scikit-learn changed"
assert math.isclose(*tied, abs_tol=1e-6), "the behaviour changed"
PYTHON
