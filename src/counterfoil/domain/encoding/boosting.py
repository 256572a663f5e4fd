"""Trees that LightGBM grows on evidence that is binned once.

Ke et al. 2017. Each machine has one thread: machines that grow side by side never wait for each other, as the threads
of one machine do at every node. LightGBM is imported where it is used: a release can be read and scored without it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterfoil.domain.arrays import Floats, Integers, Labels
from counterfoil.errors import NotFoundError

_ONE_THREAD: Mapping[str, Any] = {
    "num_threads": 1,
    "verbosity": -1,
    "deterministic": True,
    "force_col_wise": True,  # else LightGBM takes what is faster at the moment, and sums in another order
    "feature_pre_filter": False,  # machines that share the bins have leaves of different sizes
}
_NODE = np.dtype(
    [("is_leaf", "?"), ("left", "i8"), ("right", "i8"), ("feature_idx", "i8"), ("num_threshold", "f8"), ("value", "f8")]
)


@dataclass(frozen=True)
class GrownTree:
    """The nodes of one tree, as `FlatTrees.of_boosting` takes them."""

    nodes: np.ndarray


class BinnedEvidence:
    """Evidence (rows, columns) and labels as LightGBM holds them; every machine takes its rows from here."""

    def __init__(self, values: Floats, labels: Labels) -> None:
        lightgbm = _lightgbm()
        target = (labels == 1).astype(np.float32)
        self._dataset = lightgbm.Dataset(values, target, params=dict(_ONE_THREAD), free_raw_data=True).construct()

    def grow(self, rows: Integers, rounds: int, **settings: Any) -> list[GrownTree]:
        """Grow `rounds` trees on these rows (positions, ascending). Fewer come where nothing is left to learn."""
        parameters = {**_ONE_THREAD, **settings}
        chosen = self._dataset.subset(rows, params=parameters)
        grown = _lightgbm().train(parameters, chosen, rounds)
        return list(trees_of(grown.model_to_string(num_iteration=-1)))


def trees_of(model: str) -> Iterator[GrownTree]:
    """The trees in LightGBM's text format, where a child below 0 is the leaf of that number's complement."""
    for block in model.partition("\nTree=")[2].partition("\nend of trees")[0].split("\nTree="):
        fields = dict(line.partition("=")[::2] for line in block.splitlines())
        yield _tree(fields, int(fields["num_leaves"]))


def _tree(fields: Mapping[str, str], leaves: int) -> GrownTree:
    """The inner nodes first, in LightGBM's order, then the leaves."""
    inner = leaves - 1
    nodes = np.zeros(inner + leaves, dtype=_NODE)
    nodes["is_leaf"][inner:] = True
    nodes["value"][inner:] = _numbers(fields["leaf_value"])
    if inner:
        for side, name in (("left", "left_child"), ("right", "right_child")):
            child = _numbers(fields[name]).astype(np.int64)
            nodes[side][:inner] = np.where(child < 0, inner + ~child, child)
        nodes["feature_idx"][:inner] = _numbers(fields["split_feature"])
        nodes["num_threshold"][:inner] = _numbers(fields["threshold"])
    return GrownTree(nodes)


def _numbers(text: str) -> np.ndarray:
    return np.array(text.split(" "), dtype=np.float64)


def _lightgbm() -> Any:
    try:
        import lightgbm
    except OSError as error:  # the package is there, OpenMP's library is not
        raise NotFoundError(
            f"LightGBM cannot be loaded ({error}): install OpenMP's library (Debian: apt-get install libgomp1, "
            "macOS: brew install libomp), then train again"
        ) from error
    return lightgbm
