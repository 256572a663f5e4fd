#!/usr/bin/env bash
# LightGBM 4.7.0: in mode rf, raw scores and contributions are sums over the trees, probabilities come from the mean.
# Seen: with boosting="rf" and ten trees, predict() is the sigmoid of a tenth of predict(raw_score=True), and the
# contributions of pred_contrib add up to ten times the log odds that the probability stands for.
# Expected: the sigmoid of the raw score is the probability, as with every other boosting mode. By the raw score every
# payment looks certain, and explanations grow with the number of trees.
# What we do: we use no raw scores of forests; we read the value of each tree from the model's text.

set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet lightgbm==4.7.0 numpy==2.4.6 scipy==1.17.1
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import lightgbm
import numpy as np

TREES = 10
random = np.random.default_rng(0)
values = random.normal(size=(400, 3))
labels = (values[:, 0] + random.normal(size=400) > 0).astype(float)
parameters = {
    "objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6, "num_leaves": 4,
    "num_threads": 1, "verbose": -1, "seed": 0,
}  # fmt: skip


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def seen(boosting):
    model = lightgbm.train({**parameters, "boosting": boosting}, lightgbm.Dataset(values, labels), TREES)
    share = model.predict(values)
    return share, model.predict(values, raw_score=True), model.predict(values, pred_contrib=True).sum(axis=1)


share, raw, contributions = seen("rf")
usual_share, usual_raw, _ = seen("gbdt")

print(f"LightGBM {lightgbm.__version__}: first row, boosting rf, {TREES} trees")
print(f"seen: probability {share[0]:.4f}, raw score {raw[0]:.4f}, sum of contributions {contributions[0]:.4f}")
print(f"expected: sigmoid(raw score) is the probability; it is {sigmoid(raw[0]):.4f}")
print(f"what we do: we read each tree's value and use no raw score; sigmoid(raw score / {TREES}) is {sigmoid(raw[0] / TREES):.4f}")
assert np.allclose(usual_share, sigmoid(usual_raw)), "gbdt changed"
assert not np.allclose(share, sigmoid(raw), atol=0.01), "the behaviour changed"
assert np.allclose(share, sigmoid(raw / TREES)) and np.allclose(contributions, raw), "the behaviour changed"
PYTHON
