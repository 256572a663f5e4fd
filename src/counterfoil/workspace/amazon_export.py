"""An export of Amazon Fraud Detector as files: moved into files of ours, and its past predictions beside ours."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.policy.amazon import Moved, move
from counterfoil.domain.policy.amazon_predictions import Prediction, predictions_of
from counterfoil.domain.policy.rules import Effect
from counterfoil.errors import InputFileError, UsageError
from counterfoil.workspace.policy_files import rules_of_text
from counterfoil.workspace.wiring import Workspace

if TYPE_CHECKING:
    from counterfoil.steps.insights.amazon_trial import AmazonTrial

LARGEST_ANSWER = 256 << 20


def move_export(folder: Path, out: Path, event_type: str | None, effects: Mapping[str, Effect]) -> Moved:
    """Move what `folder` has into `out`: mapping.toml, rules.toml and lists/NAME.csv; `out` must be new or empty.

    The files are written aside and read as they will be before `out` is there: what fails leaves nothing.

    Each .json file of the folder is an answer of the API as `aws frauddetector` prints it; in its folder `lists`,
    NAME.json is the answer of get-list-elements for list NAME. Raises InputFileError for what cannot be read, and as
    `move` does.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise UsageError(f"{folder} has no .json file: put the answers of 'aws frauddetector get-...' there")
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty: name a new folder, so that nothing is overwritten")
    elements = {path.stem: [str(one) for one in _answer(path).get("elements", [])]
                for path in sorted((folder / "lists").glob("*.json"))}  # fmt: skip
    moved = move([_answer(path) for path in files], elements, event_type, effects)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as aside:
        whole = Path(aside) / "whole"
        _write(moved, whole)
        rules_of_text(moved.rules, load_mapping(str(whole / "mapping.toml")))
        whole.replace(out)  # a folder takes the place of none, or of an empty one
    return moved


def _write(moved: Moved, folder: Path) -> None:
    (folder / "lists").mkdir(parents=True)
    (folder / "mapping.toml").write_text(moved.mapping, encoding="utf-8")
    (folder / "rules.toml").write_text(moved.rules, encoding="utf-8")
    for name, found in moved.lists.items():
        (folder / "lists" / f"{name}.csv").write_text(found.text, encoding="utf-8")


def _answer(path: Path) -> dict[str, Any]:
    if path.stat().st_size > LARGEST_ANSWER:
        raise InputFileError(f"{path.name} has more than {LARGEST_ANSWER >> 20} MB: it is no answer of the API")
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError:
        raise InputFileError(f"{path.name} is no JSON: save what 'aws frauddetector get-...' prints") from None
    if not isinstance(found, dict):
        raise InputFileError(f"{path.name} is no answer of the API, which is a JSON object")
    return found


def read_predictions(path: Path, effects: Mapping[str, Effect], refused: Counter[str]) -> list[Prediction]:
    """Read past predictions: a batch's CSV, a .json file or a folder of .json files, each an answer of the API.

    Raises InputFileError for what cannot be read, UsageError for a folder without answers.
    """
    if path.suffix.lower() == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return predictions_of(_rows(path, csv.DictReader(file)), effects, refused)
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise UsageError(f"{path} has no .json file: save the answers of get-event-prediction-metadata there")
    return predictions_of(map(_answer, files), effects, refused)


def _rows(path: Path, rows: "csv.DictReader[str]") -> Iterator[Mapping[str, Any]]:
    missing = {"EVENT_ID", "OUTCOMES"} - set(rows.fieldnames or ())
    if missing:
        raise InputFileError(
            f"{path.name} has no column {', '.join(sorted(missing))}: is it a batch prediction's output?"
        )
    try:
        yield from rows
    except (csv.Error, UnicodeDecodeError):
        raise InputFileError(f"{path.name} cannot be read as CSV in UTF-8 at line {rows.line_num + 1}") from None


def compare_with_predictions(
    place: Workspace, path: Path, run: str, effects: Mapping[str, Effect], costs: AlertCosts
) -> tuple["AmazonTrial", Counter[str]]:
    """Past predictions beside a run of ours, and what of them could not be used."""
    from counterfoil.steps.insights.amazon_trial import compare_predictions

    refused: Counter[str] = Counter()
    predictions = read_predictions(path, effects, refused)
    return compare_predictions(place.tables, run, predictions, costs=costs), refused
