"""Build the evidence of a lake once, with whichever build PYTHONPATH names: prints JSON as its last line."""

import json
import resource
import sys
import time
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def main(lake: str, mapping: str, specs: str) -> None:
    """`specs` is JSON: a list of (entity, aggregate, hours), or null for the default ones."""
    from counterfoil.domain.features.spec import DEFAULT_SPECS, Aggregate, Entity, FeatureSpec
    from counterfoil.steps.features import build_features

    tables, load_mapping = _stores()
    given = json.loads(specs)
    chosen = DEFAULT_SPECS if given is None else tuple(FeatureSpec(Entity(e), Aggregate(a), h) for e, a, h in given)
    wall, cpu = time.perf_counter(), time.process_time()
    rows = build_features(tables(Path(lake)), load_mapping(mapping), label_delay=timedelta(days=7), specs=chosen)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"rows": rows, "wall_s": wall, "cpu_s": cpu, "peak_bytes": peak}))


def _stores() -> tuple[Any, Any]:
    """The folder of tables and the mappings, where this build or the earlier one has them."""
    adapters = "counterfoil.adapters"
    earlier = find_spec(f"{adapters}.folder") is None
    mappings = import_module(f"{adapters}.{'' if earlier else 'files.'}mapping_files")
    tables = import_module(f"{adapters}.{'table_folder' if earlier else 'folder.tables'}")
    return tables.FolderTables, mappings.load_mapping


if __name__ == "__main__":
    main(*sys.argv[1:])
