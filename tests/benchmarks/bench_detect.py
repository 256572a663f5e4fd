"""Detection: rows a second against the published system's way; its stages; compare against a bare matrix product.

Times of `detect` have reading the evidence and writing the scores in them; the release is loaded before. The
published way has its encoding and its queries; imports and the filling of its table are not counted.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import published_detection as published
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from card_year import TEST, TRAINING, newest_release, trained_workspace
from measuring_data import TRANSACTIONS_2019, data_file
from report import arguments, print_machine, print_table, verdict, write_json
from single_payments import latencies
from threadpoolctl import threadpool_limits
from timing import Laps, alternate, timed

from counterfoil.domain.encoding.blocks import remembering
from counterfoil.domain.release.references import vectors_of
from counterfoil.domain.scoring.compare import References
from counterfoil.domain.scoring.on_device import BLOCK_ROWS
from counterfoil.domain.scoring.scores import score_table
from counterfoil.steps.scoring.score import detect
from counterfoil.steps.scoring.scorer import Detector
from counterfoil.workspace.wiring import Workspace

LEAST_FASTER = 100.0
"""Rows a second over the published way's."""
MOST_OF_PRODUCT = 3.0
"""Time of the compare stage over that of a bare matrix product of the same sizes."""


def main() -> None:
    """Train unless it is done, measure, print three tables."""
    options = _options()
    path = data_file(TRANSACTIONS_2019)
    folder = options.workspace or Path(tempfile.mkdtemp(prefix="cfd-", dir="/tmp"))
    try:
        workspace = trained_workspace(folder, path)
        workspace.embedder.embed(["warm up"])  # our process loads the model once; loading sets torch's threads
        if options.threads:
            torch.set_num_threads(options.threads)
            threadpool_limits(options.threads)  # numpy's, too
        print_machine("start")
        print(f"torch threads: {torch.get_num_threads()}")
        bench = DetectBench(workspace, options.repeat)
        figures = {
            "published": bench.against_published(path),
            "stages": bench.stages(),
            "product": bench.against_product(),
            "single": bench.single(),
        }
    finally:
        if options.workspace is None:
            shutil.rmtree(folder)
    print_machine("\nend")
    threads = torch.get_num_threads()
    write_json(options.json, {"benchmark": "detect", "release": bench.release_id, "threads": threads, **figures})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--workspace", type=Path, help="folder with a short path; one with a release is used as it is")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of each way")
    parser.add_argument("--threads", type=int, help="threads of torch and numpy, for all ways; all cores if not given")
    return parser.parse_args()


class DetectBench:
    """A release ready to score, and the evidence of the test window."""

    def __init__(self, workspace: Workspace, repeat: int) -> None:
        self._workspace = workspace
        self._repeat = repeat
        release = newest_release(workspace)
        self.release_id = release.release_id
        self._detector = self._fresh_detector()
        self._evidence = _test_window(workspace)
        self._encode = self._encoder()  # remembers sentences

    def _fresh_detector(self) -> Detector:
        workspace = self._workspace
        return Detector.load(
            newest_release(workspace), workspace.references_for_scoring, workspace.embedder, workspace.compute
        )

    def against_published(self, path: Path) -> dict[str, Any]:
        """Rows a second of both. Each of our runs has an empty memory of sentences."""
        trained = f"EVENT_TIMESTAMP >= '{TRAINING.since:%Y-%m-%d}' AND EVENT_TIMESTAMP < '{TRAINING.until:%Y-%m-%d}'"
        frauds = published.payments(path, f"EVENT_LABEL = '1' AND {trained}", 10**6)
        chunk = published.payments(path, f"EVENT_TIMESTAMP >= '{TEST.since:%Y-%m-%d}'", published.CHUNK)
        detectors = [self._fresh_detector() for _ in range(self._repeat)]
        with published.fraud_table(self._workspace.dsn, published.encode(frauds)) as connection:
            laps = alternate(
                {
                    "counterfoil detect": lambda: self._detect(detectors.pop()),
                    "published way": lambda: published.ask(connection, published.encode(chunk)),
                },
                self._repeat,
            )
            queries = timed(lambda: published.ask(connection, np.eye(published.CHUNK, published.WIDTH) + 1))
        return _show_published(laps, self._evidence.num_rows, len(frauds), queries.wall)

    def _detect(self, detector: Detector) -> None:
        detect(self._workspace.tables, detector, period=TEST, compute=self._workspace.compute)

    def stages(self) -> dict[str, Any]:
        """Encode, compare and the table of scores, in the batches of `detect`."""
        size = self._workspace.compute.batch_rows
        batches = [self._evidence.slice(i, size) for i in range(0, self._evidence.num_rows, size)]
        references, vectors = self._references(), [self._encode(batch) for batch in batches]
        release, table = self._detector.release, self._detector.references
        compared = [references.compare(each, release.neighbours) for each in vectors]
        distances = [release.encoder.strangeness.distance(release.encoder.forest_input(batch)) for batch in batches]

        def scored() -> None:
            for batch, comparison, distance in zip(batches, compared, distances, strict=True):
                score_table(
                    batch, comparison, distance, table, release.calibration, release.thresholds, release.release_id
                )

        laps = alternate(
            {
                "encode, no sentence seen before": lambda: _each(self._encoder(), batches),
                "encode, sentences known": lambda: _each(self._encode, batches),
                "compare": lambda: _each(lambda each: references.compare(each, release.neighbours), vectors),
                "table of scores": scored,
            },
            self._repeat,
        )
        return _show_stages(laps, self._evidence.num_rows)

    def _encoder(self) -> Callable[[pa.Table], np.ndarray]:
        embed = remembering(self._workspace.embedder.embed)
        return lambda batch: self._detector.release.encoder.encode(batch, embed)

    def _references(self) -> References:
        found = self._detector.references
        labels = found.column("label").to_numpy()
        return References(vectors_of(found), labels)

    def against_product(self) -> dict[str, Any]:
        """The compare stage and the product of the same queries and references in the same blocks."""
        references, k = self._references(), self._detector.release.neighbours
        queries = np.ascontiguousarray(self._encode(self._evidence))
        kept = vectors_of(self._detector.references).copy()
        laps = alternate(
            {
                "compare": lambda: references.compare(queries, k),
                "torch product": lambda: _torch_product(queries, kept),
                "numpy product": lambda: _numpy_product(queries, kept),
            },
            self._repeat,
        )
        return _show_product(laps, queries.shape, kept.shape)

    def single(self) -> dict[str, Any]:
        """Scores of one payment at a time, by a detector that knows no sentence yet, and by the same one again."""
        detector = self._fresh_detector()
        found = {name: latencies(detector, self._evidence, 500) for name in ("sentences not yet known", "known")}
        rows = [[name, int(each["payments"]), each["p50_ms"], each["p99_ms"]] for name, each in found.items()]
        print_table("One payment at a time, warm model", ["", "n", "p50, ms", "p99, ms"], rows)
        return found


def _test_window(workspace: Workspace) -> pa.Table:
    tables = [
        pq.read_table(file, filters=[("event_time", ">=", TEST.since)]) for file in workspace.tables.files("evidence")
    ]
    return pa.concat_tables(tables)


def _each(work: Callable[[Any], object], batches: list[Any]) -> None:
    for batch in batches:
        work(batch)


def _torch_product(queries: np.ndarray, references: np.ndarray) -> None:
    a, b = torch.from_numpy(queries), torch.from_numpy(references)
    for start in range(0, len(a), BLOCK_ROWS):
        a[start : start + BLOCK_ROWS] @ b.T


def _numpy_product(queries: np.ndarray, references: np.ndarray) -> None:
    for start in range(0, len(queries), BLOCK_ROWS):
        queries[start : start + BLOCK_ROWS] @ references.T


def _show_published(laps: dict[str, Laps], rows: int, frauds: int, queries: float) -> dict[str, Any]:
    ours, theirs = laps["counterfoil detect"], laps["published way"]
    speeds = rows / ours.wall, published.CHUNK / theirs.wall
    ratio = speeds[0] / speeds[1]
    table = [
        ["counterfoil detect", rows, ours.wall, ours.cpu, speeds[0]],
        ["published way", published.CHUNK, theirs.wall, theirs.cpu, speeds[1]],
        [f"ratio (at least {LEAST_FASTER:g}): {verdict(ratio >= LEAST_FASTER)}", "", "", "", ratio],
    ]
    title = f"Detect against the published way over {frauds} known frauds (best of {len(ours.laps)})"
    print_table(title, ["", "rows", "wall, s", "CPU, s", "rows/s"], table)
    print(f"\nof the published way's time, {published.CHUNK:,} full-scan queries are about {queries:.2f} s")
    return {"ratio": ratio, "least": LEAST_FASTER, "queries_s": queries, **{n: f.as_dict() for n, f in laps.items()}}


def _show_stages(laps: dict[str, Laps], rows: int) -> dict[str, Any]:
    table = [[name, each.wall, each.cpu, rows / each.wall] for name, each in laps.items()]
    print_table(f"Stages of detect, {rows:,} payments", ["", "wall, s", "CPU, s", "rows/s"], table)
    return {name: each.as_dict() for name, each in laps.items()}


def _show_product(laps: dict[str, Laps], queries: tuple[int, ...], kept: tuple[int, ...]) -> dict[str, Any]:
    ours = laps["compare"]
    fastest = min(laps["torch product"].wall, laps["numpy product"].wall)
    ratio = ours.wall / fastest
    table = [[name, each.wall, each.cpu, ours.wall / each.wall] for name, each in laps.items()]
    met = verdict(ratio <= MOST_OF_PRODUCT)
    table.append([f"compare over the faster product (at most {MOST_OF_PRODUCT:g}): {met}", "", "", ratio])
    sizes = f"{queries[0]:,} x {kept[0]:,} x {kept[1]} in blocks of {BLOCK_ROWS:,}"
    print_table(f"Compare against a bare product, {sizes}", ["", "wall, s", "CPU, s", "compare / it"], table)
    return {"ratio": ratio, "most": MOST_OF_PRODUCT, **{name: each.as_dict() for name, each in laps.items()}}


if __name__ == "__main__":
    main()
