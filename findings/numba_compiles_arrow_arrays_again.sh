#!/usr/bin/env bash
# numba 0.68.1 with pyarrow 25.0.1: a function that was warmed up with NumPy's own arrays is compiled once more for Arrow's.
# Seen: the arrays that pyarrow's to_numpy() gives without a copy are read-only, which is another type to numba. So the first
# call with one compiles the whole function again, and with several arguments each mix of read-only and writable is a version.
# Expected: a warm-up with arrays of the same dtype and shape is enough, and the first real call is as quick as the second.
# What we do: the loops are compiled ahead for the arrays that Arrow gives (processing/warm_up.py calls the real path).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numba==0.68.1 pyarrow==25.0.1 numpy==2.4.6
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import time

import numba
import numpy as np
import pyarrow as pa


@numba.njit
def running(amounts, groups):
    total = np.zeros(groups.max() + 1)
    out = np.empty(len(amounts))
    for row in range(len(amounts)):
        total[groups[row]] += amounts[row]
        out[row] = total[groups[row]]
    return out


def seconds(*arrays):
    started = time.perf_counter()
    running(*arrays)
    return time.perf_counter() - started


amounts, groups = np.array([1.0, 2.0, 3.0]), np.array([0, 1, 0])
arrow = [pa.array(values).to_numpy() for values in (amounts, groups)]
assert all(not values.flags.writeable for values in arrow)
warm = seconds(amounts, groups), seconds(amounts, groups)
after = seconds(*arrow), seconds(*arrow)
mixed = seconds(arrow[0], groups), seconds(amounts, arrow[1])
print(f"numba {numba.__version__}, pyarrow {pa.__version__}: seconds of the first and the second call")
print(f"with NumPy's arrays:            {warm[0]:.4f} {warm[1]:.6f}")
print(f"then with Arrow's of that type: {after[0]:.4f} {after[1]:.6f}")
print(f"then with one of each:          {mixed[0]:.4f} {mixed[1]:.4f}")
print(f"compiled versions: {len(running.signatures)}; expected: 1")
assert len(running.signatures) == 4, "the behaviour changed"
assert after[0] > 50 * after[1], "the behaviour changed"
PYTHON
