"""Evidently's HTML report of data drift between the two halves of a Parquet file's rows; run with its own Python.

Evidently is pinned in an environment of its own (`pip install evidently==0.7.21`): it needs an older pandas than ours.
"""

import sys
from pathlib import Path

import pandas as pd
from evidently import Report  # type: ignore[import-not-found,unused-ignore]
from evidently.presets import DataDriftPreset  # type: ignore[import-not-found,unused-ignore]


def main(source: Path, target: Path) -> None:
    """Compare the second half of the rows with the first, which comes before it in time."""
    rows = pd.read_parquet(source)
    half = len(rows) // 2
    found = Report([DataDriftPreset()]).run(rows.iloc[half:], rows.iloc[:half])
    found.save_html(str(target))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
