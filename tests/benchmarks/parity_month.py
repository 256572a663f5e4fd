"""A month of the cards of 2019, scored payment by payment, beside what the batch makes of the same month.

    python tests/benchmarks/parity_month.py [--payments 5000] [--json FILE]

A release is trained on what came before October, its profiles are built from the lake, and October's payments are
scored one by one in an embedded PostgreSQL. Each label is told to the profiles at the moment from which it may be
used. The batch then builds the month's evidence within the whole lake, with labels, and scores it by the same release.
The forests are small (`--trees`): parity does not depend on how well they are trained.
"""

import csv
import datetime as dt
import gzip
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from measuring_data import TRANSACTIONS_2019, data_file
from report import arguments, print_machine, print_table, verdict, write_json

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.adapters.postgres import embedded as embedded_postgres
from counterfoil.domain.intake.requests import clean_requests
from counterfoil.domain.periods import Period
from counterfoil.domain.scoring.parity import SIGNAL_TOLERANCE, Apart, differences
from counterfoil.domain.tables import EVIDENCE, TRANSACTIONS
from counterfoil.domain.training.options import TrainingOptions
from counterfoil.ports.service import KeptScore
from counterfoil.steps.features import build_features
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.scoring.profiles import ANY_LOGS, build_profiles
from counterfoil.steps.scoring.recent import evidence_table
from counterfoil.steps.scoring.score import as_scored
from counterfoil.steps.scoring.score_one import OnlineScorer
from counterfoil.steps.train import TrainingRequest, train
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

MAPPING = "amazon-fraud-detector-transactions"
CUT, END = dt.datetime(2019, 10, 1, tzinfo=dt.UTC), dt.datetime(2019, 11, 1, tzinfo=dt.UTC)
DELAY = dt.timedelta(days=7)
SHOWN = 2_000


def main() -> None:
    """Score the month both ways and print what differs."""
    parser = arguments(__doc__)
    parser.add_argument("--payments", type=int, default=10**9, help="stop after so many payments of the month")
    parser.add_argument("--trees", type=int, default=16, help="trees of each forest of the release")
    options = parser.parse_args()
    print_machine("start")
    folder = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))  # a socket's path must be short
    try:
        month = _split(folder)[: options.payments]
        place = _trained(folder, options.trees)
        whole = _lake(folder, [folder / "older.csv", folder / "month.csv"], place.pseudonym_key)
        begun = time.process_time()
        kept = _scored_one_by_one(place, whole, month)
        seconds = time.process_time() - begun
        apart = _apart(place, whole, kept)
    finally:
        embedded_postgres.stop(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)
    header = ["column", "payments that differ", "by at most"]
    print_table(f"{len(kept):,} payments", header, [[one.name, one.rows, one.largest] for one in apart])
    without = sum(score.answer["without_history"] is not None for score in kept)
    print(f"\nwithout history {without:,}; {1000 * seconds / len(kept):.1f} ms of this process's CPU a payment")
    print(f"evidence equal (counts exactly, floats 1e-9), signal within 1e-6: {verdict(not apart and not without)}")
    print_machine("\nend")
    found = {"payments": len(kept), "without_history": without, "apart": [one.name for one in apart]}
    write_json(options.json, {"benchmark": "parity over a month", **found})


def _split(folder: Path) -> list[dict[str, str]]:
    """Write the payments before October and October's as files; return the latter in the order of time and id."""
    with gzip.open(data_file(TRANSACTIONS_2019), "rt", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        names = list(rows.fieldnames or ())
        parts: dict[str, list[dict[str, str]]] = {"older": [], "month": []}
        for row in rows:
            at = dt.datetime.fromisoformat(row["EVENT_TIMESTAMP"])
            if at < END:
                parts["older" if at < CUT else "month"].append(row)
    for name, part in parts.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(part)
    return sorted(parts["month"], key=lambda row: (row["EVENT_TIMESTAMP"], row["EVENT_ID"]))


def _trained(folder: Path, trees: int) -> Workspace:
    """A workspace whose champion was trained on what came before October, with profiles of it."""
    place, mapping = Workspace(Settings(workspace=folder, feedback_acts=False)), load_mapping(MAPPING)
    collect(
        [folder / "older.csv"], mapping,
        key=place.pseudonym_key, reader=place.reader, tables=place.tables, ledger=place.ledger,
    )  # fmt: skip
    build_features(place.tables, mapping, label_delay=DELAY)
    request = TrainingRequest(
        Period(until=CUT - DELAY), known_until=CUT, options=TrainingOptions(trees=trees, rounds=20)
    )
    release = train(place.stores, mapping, request)
    place.registry.set_alias("champion", release.release_id)
    build_profiles(place.tables, place.profiles, release.specs, DELAY)
    return place


def _lake(folder: Path, files: Sequence[Path], key: Any) -> FolderTables:
    """A lake of its own with the evidence of the month, as the batch builds it."""
    tables, mapping = FolderTables(folder / "whole"), load_mapping(MAPPING)
    reader = Workspace(Settings(workspace=folder)).reader
    collect(files, mapping, key=key, reader=reader, tables=tables, ledger=MemoryLedger())
    build_features(tables, mapping, label_delay=DELAY, period=Period(CUT, END))
    return tables


def _scored_one_by_one(place: Workspace, whole: FolderTables, month: Sequence[dict[str, str]]) -> list[KeptScore]:
    in_use = place.champion.current()
    scorer = OnlineScorer(place.champion, place.profiles, place.scores, dt.timedelta(seconds=60))
    names, told = in_use.source.source_columns, _labels(whole)
    label = next(told, None)
    kept: list[KeptScore] = []
    for row in month:
        at = dt.datetime.fromisoformat(row["EVENT_TIMESTAMP"])
        while label is not None and label[0] <= at:
            known, payment = label
            place.profiles.append(ANY_LOGS.label_entries(payment, payment["label"], known, 1))
            label = next(told, None)
        arrivals = clean_requests([{name: row[name] for name in names}], in_use.source, key=place.pseudonym_key)
        kept += scorer.score(arrivals, in_use)
        if len(kept) % SHOWN == 0:
            print(f"{len(kept):,} scored", file=sys.stderr, flush=True)
    scorer.close()
    return kept


def _labels(whole: FolderTables) -> Iterator[tuple[dt.datetime, dict[str, Any]]]:
    """The labels of the month's payments with the moment from which each may be used, in that order."""
    rows = pa.concat_tables([pq.read_table(path, partitioning=None) for path in whole.files(TRANSACTIONS)])
    names = ["transaction_id", "event_time", "account_id", "merchant_id", "source_ip_id", "label", "label_time"]
    payments = [row for row in rows.select(names).to_pylist() if row["event_time"] >= CUT and row["label"] is not None]
    known = [(max(row["label_time"] or row["event_time"], row["event_time"] + DELAY), row) for row in payments]
    return iter(sorted(known, key=lambda one: (one[0], one[1]["transaction_id"])))


def _apart(place: Workspace, whole: FolderTables, kept: Sequence[KeptScore]) -> list[Apart]:
    """The columns of the evidence that differ, and the signal if it does."""
    detector = place.champion.current().detector
    rows = as_scored(pa.concat_tables([pq.read_table(path) for path in whole.files(EVIDENCE)]), detector.release)
    places = {name: number for number, name in enumerate(rows["transaction_id"].to_pylist())}
    batch = rows.take(pa.array([places[score.transaction_id] for score in kept], pa.int64()))
    ours, theirs = (
        pa.table({"transaction_id": batch["transaction_id"], "anomaly_signal": signals})
        for signals in (pa.array([score.signal for score in kept]), detector.score(batch)["anomaly_signal"])
    )
    return [*differences(evidence_table(kept, detector.release), batch), *differences(ours, theirs, SIGNAL_TOLERANCE)]


if __name__ == "__main__":
    main()
