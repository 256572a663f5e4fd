"""The Handbook's window features: the fold against pandas on each customer and terminal, and against SQL windows.

Ours reads collected transactions and writes the evidence table; the peer starts from a frame in memory and
writes nothing. By default the peer does a random quarter of the customers and of the terminals, and its time
is taken four times; --full lets it do them all. The SQL is that of the build at 860ca29, in a process of its own.
"""

import argparse
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import handbook_windows as handbook
import numpy as np
import pandas as pd
from earlier_build import COMMIT, build_evidence, checked_out
from measuring_data import HANDBOOK, data_file
from report import arguments, print_machine, print_table, verdict, write_json
from timing import Lap, Laps, alternate

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.features.spec import DAY, Aggregate, Entity, FeatureSpec
from counterfoil.steps.features import build_features
from counterfoil.steps.intake.collect import collect
from counterfoil.workspace.wiring import Workspace, open_workspace

LEAST = 40.0
"""Times as fast as the peer."""
MAPPING = "fraud-detection-handbook"
SPECS = tuple(
    FeatureSpec(entity, aggregate, days * DAY)
    for entity, aggregate in (
        (Entity.ACCOUNT, Aggregate.COUNT),
        (Entity.ACCOUNT, Aggregate.AMOUNT_MEAN),
        (Entity.MERCHANT, Aggregate.DELAYED_COUNT),
        (Entity.MERCHANT, Aggregate.FRAUD_RATE),
    )
    for days in handbook.WINDOWS
)
PAIRS = {
    "CUSTOMER_ID_NB_TX": "account_count",
    "CUSTOMER_ID_AVG_AMOUNT": "account_amount_mean",
    "TERMINAL_ID_NB_TX": "merchant_delayed_count",
    "TERMINAL_ID_RISK": "merchant_fraud_rate",
}
"""The Handbook's names of the features, and ours."""


def main() -> None:
    """Run both in turns, hold their results against each other, and print the table."""
    options = _options()
    path = data_file(HANDBOOK)
    print_machine("start")
    share = 1.0 if options.full else 0.25
    peer = Peer(pd.read_parquet(path), share)
    with tempfile.TemporaryDirectory(prefix="cff-", dir="/tmp") as name, checked_out() as earlier:
        workspace = _collected(Path(name), path)
        lake = workspace.settings.workspace / "lake"
        specs = [(spec.entity, spec.aggregate, spec.hours) for spec in SPECS]
        sql = min((build_evidence(earlier, lake, MAPPING, specs) for _ in range(options.repeat)), key=_wall)
        laps = alternate(
            {
                "counterfoil features": lambda: _build(workspace),
                "Handbook, customers": peer.customers,
                "Handbook, terminals": peer.terminals,
            },
            options.repeat,
        )
        agreement = _agreement(workspace, peer)
    ours = laps["counterfoil features"]
    theirs = peer.whole(laps)
    _show(laps, theirs, ours, agreement, share)
    ratio = f"{sql['wall_s'] / ours.wall:.3g} times ours"
    print(f"\n{COMMIT}'s SQL: {sql['wall_s']:.3g} s, CPU {sql['cpu_s']:.3g} s: {ratio}")
    print_machine("\nend")
    figures = {name: found.as_dict() for name, found in laps.items()}
    figures["ratio"] = {"wall": theirs.wall / ours.wall, "cpu": theirs.cpu / ours.cpu}
    write_json(
        options.json,
        {"benchmark": "features", "sql": sql, "least": LEAST, "sampled": share, "agreement": agreement, **figures},
    )


def _wall(lap: Any) -> float:
    return float(lap["wall_s"])


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=2, help="repetitions of each way")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--sample", action="store_true", help="a quarter of customers and terminals (default)")
    size.add_argument("--full", action="store_true", help="all customers and terminals: takes minutes")
    return parser.parse_args()


class Peer:
    """The Handbook's way on a random share of the customers, and of the terminals."""

    def __init__(self, payments: pd.DataFrame, share: float) -> None:
        columns = ["TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD"]
        payments = payments[columns]
        self._rows = len(payments)
        self._of_customers = _some(payments, "CUSTOMER_ID", share)
        self._of_terminals = _some(payments, "TERMINAL_ID", share)
        self.results: dict[str, pd.DataFrame] = {}

    def customers(self) -> None:
        self.results["CUSTOMER"] = handbook.customer_features(self._of_customers)

    def terminals(self) -> None:
        self.results["TERMINAL"] = handbook.terminal_features(self._of_terminals)

    def whole(self, laps: dict[str, Laps]) -> Laps:
        """The best of both parts together, each scaled up by the share of rows that it did."""
        customers = laps["Handbook, customers"].scaled(self._rows / len(self._of_customers))
        terminals = laps["Handbook, terminals"].scaled(self._rows / len(self._of_terminals))
        return _sum(customers, terminals)


def _some(payments: pd.DataFrame, column: str, share: float) -> pd.DataFrame:
    ids = payments[column].unique()
    chosen = np.random.default_rng(0).choice(ids, round(len(ids) * share), replace=False)
    return payments[payments[column].isin(chosen)]


def _sum(one: Laps, other: Laps) -> Laps:
    pairs = zip(one.laps, other.laps, strict=True)
    return Laps(tuple(Lap(a.wall + b.wall, a.cpu + b.cpu, max(a.load, b.load)) for a, b in pairs))


def _collected(folder: Path, path: Path) -> Workspace:
    workspace = open_workspace(folder / "w")
    collect(
        [path],
        load_mapping(MAPPING),
        key=workspace.pseudonym_key,
        reader=workspace.reader,
        tables=workspace.tables,
        ledger=MemoryLedger(),
    )
    return workspace


def _build(workspace: Workspace) -> None:
    delay = timedelta(days=handbook.DELAY_DAYS)
    build_features(workspace.tables, load_mapping(MAPPING), label_delay=delay, specs=SPECS)


def _agreement(workspace: Workspace, peer: Peer) -> dict[str, float]:
    """Share of the peer's cells that ours equal, by feature."""
    [evidence] = workspace.tables.files("evidence")
    names = ", ".join(spec.name for spec in SPECS)
    with duckdb.connect() as database:
        ours = database.execute(
            f"SELECT CAST(transaction_id AS BIGINT) AS id, {names} FROM read_parquet('{evidence}')"
        ).df()
    ours = ours.set_index("id")
    found = {}
    for theirs, name in PAIRS.items():
        result = peer.results[theirs.partition("_")[0]]
        for days in handbook.WINDOWS:
            expected = result[f"{theirs}_{days}DAY_WINDOW"].to_numpy(np.float64)
            mine = ours.loc[result["TRANSACTION_ID"], f"{name}_{days}d"].fillna(0).to_numpy(np.float64)
            found[f"{name}_{days}d"] = float(np.isclose(mine, expected, rtol=1e-6, atol=1e-6).mean())
    return found


def _show(laps: dict[str, Laps], theirs: Laps, ours: Laps, agreement: dict[str, float], share: float) -> None:
    sampled = "all customers and terminals" if share == 1 else f"{share:.0%} of customers and of terminals"
    table = [[name, each.wall, each.cpu] for name, each in laps.items()]
    table.append(["Handbook, all payments" + (" (scaled up)" if share < 1 else ""), theirs.wall, theirs.cpu])
    met = verdict(theirs.wall / ours.wall >= LEAST)
    table.append([f"ratio (at least {LEAST:g}): {met}", theirs.wall / ours.wall, theirs.cpu / ours.cpu])
    title = f"The Handbook's windows, 1,466,282 payments; peer on {sampled} (best of {len(ours.laps)})"
    print_table(title, ["", "wall, s", "CPU, s"], table)
    worst = min(agreement, key=lambda name: agreement[name])
    print(f"\nequal cells: {agreement[worst]:.4%} or more (least in {worst})")


if __name__ == "__main__":
    main()
