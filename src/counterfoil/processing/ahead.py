"""A step's process before its turn: `python -m counterfoil.processing.ahead STEP` imports what the step will need.

Then it reads one line, JSON with `arguments` (the program and its arguments), `environment`, `folder` and `log`, and is
that program's process from then on. Where the line never comes it ends, and nothing was done.
"""

import json
import os
import runpy
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from counterfoil.adapters.mlflow_registry.client import silence
from counterfoil.cores import settle_threads
from counterfoil.workspace.wiring import open_workspace

_DETECTOR = "counterfoil.processing.detector"
_DATABASE = ("counterfoil.adapters.postgres.connections", "counterfoil.adapters.postgres.ledger")
_RELEASES = ("counterfoil.steps.releases.registration", "mlflow.store.tracking.sqlalchemy_store", "mlflow.artifacts")
_SCORING = ("counterfoil.steps.scoring.score", "counterfoil.domain.encoding.walk", "counterfoil.domain.scoring.highest")
NEEDED: Mapping[str, tuple[str, ...]] = {
    "collect": ("counterfoil.processing.collector", *_DATABASE),
    "curate": ("counterfoil.processing.curation", "pandas"),
    "features": (_DETECTOR, "counterfoil.steps.features", "counterfoil.domain.features.fold", "pandas"),
    "train": (_DETECTOR, "counterfoil.steps.train", "lightgbm", "sklearn.ensemble", "sklearn.linear_model"),
    "evaluate": (_DETECTOR, "counterfoil.steps.insights.candidate", *_SCORING, "matplotlib.figure"),
    "gate": (_DETECTOR, "pandas"),
    "register": (_DETECTOR, *_DATABASE, "counterfoil.adapters.postgres.references", *_RELEASES),
    "detect": (_DETECTOR, *_DATABASE, "counterfoil.adapters.postgres.references", *_RELEASES, *_SCORING),
    "publish": (_DETECTOR, *_DATABASE, "pandas"),
    "report": (_DETECTOR, *_RELEASES),
    "insights": (_DETECTOR,),
}
"""The modules of each step that take long to import, most of them inside of functions."""
_WITH_TEXT = ("train", "evaluate", "detect")
"""Steps that load the text encoder, which takes longest of all."""


def prepare(step: str) -> None:
    """Import what the step will need. What is not installed or set is left: the step itself says so best."""
    settle_threads()
    modules = NEEDED.get(step, ())
    if {*_RELEASES} & {*modules}:
        silence()  # MLflow looks at what is set when it is imported
    for name in modules:
        with suppress(Exception):
            import_module(name)
    if step in _WITH_TEXT:
        with suppress(Exception):
            open_workspace().embedder.embed([])


def become(line: str) -> None:
    """Be the program of the line, as if it had been started by itself."""
    told = json.loads(line)
    arguments: list[str] = told["arguments"]
    os.chdir(told["folder"])
    os.environ.update(told["environment"])
    log = os.open(told["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, place in ((0, nothing), (1, log), (2, log)):
        os.dup2(place, number)
    sys.argv = arguments
    sys.path.insert(0, str(Path(arguments[0]).parent))
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    prepare(sys.argv[1])
    if given := sys.stdin.readline():
        become(given)
