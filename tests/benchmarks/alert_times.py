"""A budget of alerts that is kept, beside a fixed threshold, on the scores of `counterfoil backtest --scores`.

    python tests/benchmarks/alert_times.py out/transactions_2019.parquet transactions_2019.csv.gz \
        -m amazon-fraud-detector-transactions --per-day 5 10 20

The fixed threshold is the one that would have given the budget on the average of the first month; both are then
counted on the days after it.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.intake.cleaning import clean
from counterfoil.domain.policy.alert_times import alert_times

CHOSEN_ON = np.timedelta64(30, "D")


@dataclass(frozen=True)
class Scored:
    """Scored payments: all arrays are (rows,)."""

    ids: list[str]
    at: np.ndarray
    signal: np.ndarray
    label: np.ndarray
    amount: np.ndarray


def read(scores: Path, payments: Path, mapping_name: str) -> Scored:
    """Scores beside the labels and amounts of their payments."""
    mapping = load_mapping(mapping_name)
    parts = []
    for batch in InputFiles().batches(payments, mapping):
        cleaned = clean(
            batch.table, mapping, key=b"only for this benchmark", source=batch.source, first_line=0, content_hash=""
        )
        parts.append(cleaned.transactions.select(["transaction_id", "label", "amount"]))
    found = pq.read_table(scores, columns=["transaction_id", "event_time", "anomaly_signal"])
    whole = found.join(pa.concat_tables(parts), "transaction_id").sort_by(
        [("event_time", "ascending"), ("transaction_id", "ascending")]
    )
    return Scored(
        whole["transaction_id"].to_pylist(),
        whole["event_time"].to_numpy().astype("datetime64[us]"),
        whole["anomaly_signal"].to_numpy(),
        whole["label"].to_numpy(zero_copy_only=False).astype(np.float64),
        whole["amount"].cast(pa.float64()).to_numpy(zero_copy_only=False),
    )


def compare(rows: Scored, per_day: int) -> None:
    """Print both ways of alerting for one budget."""
    begin = rows.at.min().astype("datetime64[D]")
    chosen_on = rows.at < begin + CHOSEN_ON
    affordable = int(per_day * (CHOSEN_ON / np.timedelta64(1, "D")))
    threshold = np.sort(rows.signal[chosen_on])[::-1][affordable]
    after = ~chosen_on
    sent_at = alert_times(rows.at, rows.signal, rows.ids, per_day)
    print_row(f"{per_day} a day, kept", rows, ~np.isnat(sent_at) & after, per_day, sent_at)
    print_row(f"above {threshold:.4f}", rows, (rows.signal > threshold) & after, per_day, rows.at)


def print_row(name: str, rows: Scored, alerted: np.ndarray, per_day: int, sent_at: np.ndarray) -> None:
    """One line: alerts, days over the budget, frauds and money caught for each alert."""
    counts = np.unique(sent_at[alerted].astype("datetime64[D]"), return_counts=True)[1]
    caught = alerted & (rows.label == 1)
    alerts = max(int(alerted.sum()), 1)
    money = float(np.nansum(rows.amount[caught]))
    print(
        f"{name:>20} {int(alerted.sum()):>8,} {int((counts > per_day).sum()):>6} {int(counts.max(initial=0)):>6} "
        f"{int(caught.sum()):>8,} {caught.sum() / alerts:>8.3f} {money / alerts:>10.2f}"
    )


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path)
    parser.add_argument("payments", type=Path)
    parser.add_argument("--mapping", "-m", required=True)
    parser.add_argument("--per-day", type=int, nargs="+", default=[5, 10, 20])
    chosen = parser.parse_args()
    rows = read(chosen.scores, chosen.payments, chosen.mapping)
    days = np.unique(rows.at.astype("datetime64[D]")).size
    print(f"{len(rows.ids):,} payments of {days} days, {int((rows.label == 1).sum()):,} frauds")
    print(f"{'':>20} {'alerts':>8} {'over':>6} {'most':>6} {'frauds':>8} {'a alert':>8} {'money':>10}")
    for per_day in chosen.per_day:
        compare(rows, per_day)


if __name__ == "__main__":
    main()
