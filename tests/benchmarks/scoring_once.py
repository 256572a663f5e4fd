"""Score evidence in batches, and payments one by one, with whichever build PYTHONPATH names: JSON as its last line."""

import json
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BATCH = 16_384
WARM_UP = 50


def main(folder: str, payments: str) -> None:
    """`folder` has the files of a release, its references and the evidence; `payments` are scored one by one."""
    home = Path(folder)
    detector, evidence = _detector(home), pq.read_table(home / "evidence.parquet")
    batches = [evidence.slice(start, BATCH) for start in range(0, evidence.num_rows, BATCH)]
    for batch in batches:
        detector.compare(batch)  # all sentences are known, all loops compiled
    wall, cpu = time.perf_counter(), time.process_time()
    scores = [detector.score(batch) for batch in batches]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    pq.write_table(pa.concat_tables(scores), home / "scores.parquet")
    lap = {"rows": evidence.num_rows, "wall_s": wall, "cpu_s": cpu}
    print(json.dumps(lap | _one_by_one(detector, evidence, int(payments))))


def _one_by_one(detector: Any, evidence: pa.Table, payments: int) -> dict[str, list[float]]:
    """Milliseconds of each score, by the clock and of the thread's CPU."""
    places = np.linspace(0, evidence.num_rows - 1, payments + WARM_UP).astype(int)
    rows = [pa.Table.from_pylist(evidence.slice(place, 1).to_pylist(), schema=evidence.schema) for place in places]
    took = []
    for row in rows:
        wall, cpu = time.perf_counter(), time.thread_time()
        detector.score(row)
        took.append((1e3 * (time.perf_counter() - wall), 1e3 * (time.thread_time() - cpu)))
    clock, thread = zip(*took[WARM_UP:], strict=True)
    return {"alone_ms": list(clock), "alone_cpu_ms": list(thread)}


def _detector(home: Path) -> Any:
    """The release, ready to score, where this build or the earlier one has its parts."""
    earlier = find_spec("counterfoil.steps.detect") is not None
    releases = import_module(f"counterfoil.domain.release{'' if earlier else '.release'}")
    texts = import_module(f"counterfoil.adapters.{'embedder_sentence_transformers' if earlier else 'text.embedder'}")
    scorer = import_module(f"counterfoil.steps.{'detect' if earlier else 'scoring.scorer'}")
    release = releases.from_files({path.name: path.read_bytes() for path in (home / "release").iterdir()})
    embedder = texts.SentenceTransformerEmbedder(release.text_model)
    return scorer.Detector(release, pq.read_table(home / "references.parquet"), embedder)


if __name__ == "__main__":
    main(*sys.argv[1:])
