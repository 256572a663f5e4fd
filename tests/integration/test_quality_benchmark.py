"""The benchmark of quality: peers learn from the release's own rows and are judged on the backtest's."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score

from counterfoil.domain.periods import Period
from counterfoil.simulation import as_csv, simulate
from counterfoil.steps.backtest import Windows
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
OPTIONAL = ("pyod", "xgboost")
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOWS = Windows(Period(until=START + 28 * DAY), Period(START + 35 * DAY))


@pytest.fixture(scope="module")
def benchmark() -> Iterator[dict[str, ModuleType]]:
    """Return the benchmark's modules by name; packages that only it needs cannot be imported."""
    names = ("quality_cases", "quality_run", "quality_peers", "quality_mean_lead", "quality_compare", "quality_tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        for name in OPTIONAL:
            patch.setitem(sys.modules, name, None)
        yield {name.removeprefix("quality_"): importlib.import_module(name) for name in names}


@pytest.fixture(scope="module")
def workspace(postgres_server: str, tmp_path_factory: pytest.TempPathFactory, embedder: Any) -> Iterator[Workspace]:
    workspace = Workspace(Settings(workspace=tmp_path_factory.mktemp("quality"), database_url=postgres_server))
    workspace.embedder = embedder  # quicker than the real one
    yield workspace
    for release_id in workspace.references.releases():
        workspace.references.drop(release_id)
    workspace.references.close()


@pytest.fixture(scope="module")
def payments() -> pa.Table:
    """Return simulated payments of which every fifth came through one address, frauds among them."""
    table = simulate(accounts=30, merchants=40, days=46, start=date(2024, 1, 1), seed=8)
    addresses = [
        "198.18.0.1" if place % 5 == 0 else own for place, own in enumerate(table.column("ip_address").to_pylist())
    ]
    return table.set_column(table.column_names.index("ip_address"), "ip_address", pa.array(addresses))


@pytest.fixture(scope="module")
def run(benchmark: Any, workspace: Workspace, payments: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("raw") / "payments.csv"
    path.write_bytes(as_csv(payments))
    case = benchmark["cases"].Case("simulated", path.name, "counterfoil-simulated", WINDOWS, by_ip=True)
    return benchmark["run"].run_case(case, path, workspace)


def ids(rows: Any) -> list[str]:
    return rows.payments.column("transaction_id").to_pylist()


def test_peers_learn_from_what_was_known_when_the_test_began(run: Any, payments: pa.Table) -> None:
    begin = WINDOWS.test.since
    known = {
        row["payment_id"]
        for row in payments.to_pylist()
        if (paid := datetime.fromisoformat(row["paid_at"])) < WINDOWS.training.until
        and row["is_fraud"]
        and max(paid + 7 * DAY, datetime.fromisoformat(row["labelled_at"])) <= begin
    }
    assert set(ids(run.training)) == known
    assert len(known) > 1000
    assert run.training.labels.sum() == run.release.training_frauds > 10


def test_peers_score_the_labelled_payments_of_the_test_window(run: Any, payments: pa.Table) -> None:
    labels = {
        row["payment_id"]: int(row["is_fraud"])
        for row in payments.to_pylist()
        if datetime.fromisoformat(row["paid_at"]) >= WINDOWS.test.since and row["is_fraud"]
    }
    assert dict(zip(ids(run.test), run.test.labels.tolist(), strict=True)) == labels
    assert run.test.values.shape == (len(labels), run.training.values.shape[1])
    assert np.isfinite(run.test.values).all()


def test_the_tally_counts_frauds_at_the_address_that_were_known(run: Any, payments: pa.Table) -> None:
    rows = {row["payment_id"]: row for row in payments.to_pylist()}
    frauds = [row for row in rows.values() if row["is_fraud"] == "1"]
    trained = {rows[name]["ip_address"] for name in ids(run.training)}

    def known_at(row: dict[str, str]) -> datetime:
        return max(datetime.fromisoformat(row["paid_at"]) + 7 * DAY, datetime.fromisoformat(row["labelled_at"]))

    for place, name in enumerate(ids(run.test)):
        row, now = rows[name], datetime.fromisoformat(rows[name]["paid_at"])
        there = [fraud for fraud in frauds if fraud["ip_address"] == row["ip_address"]]
        assert run.ips.tally[place] == sum(known_at(fraud) <= now for fraud in there)
        assert run.ips.seen[place] == (row["ip_address"] in trained)
    assert 0 < run.ips.tally.max() < sum(fraud["ip_address"] == "198.18.0.1" for fraud in frauds)
    assert 0 < run.ips.seen.mean() < 1


def test_all_are_judged_on_the_same_payments_without_the_optional_packages(benchmark: Any, run: Any) -> None:
    peers = [benchmark["peers"].PEERS[name] for name in ("logistic-regression", "random-forest")]
    compared = benchmark["compare"].compare(run, peers, draws=20)
    found = compared.as_dict()
    assert list(found["peers"]) == ["logistic regression", "random forest", "frauds known at the IP"]
    assert {peer["test"]["rows"] for peer in found["peers"].values()} == {found["ours"]["test"]["rows"]}
    ours = found["ours"]["test"]["metrics"]["average_precision"]
    for name in ("logistic regression", "random forest"):
        theirs = found["peers"][name]
        precision = theirs["test"]["metrics"]["average_precision"]
        assert precision > 2 * run.test.labels.mean()  # a ranking by chance has once that
        assert theirs["ours_less_it"]["average_precision"]["value"] == pytest.approx(ours - precision)
        assert theirs["settings"]
    parts = [found["apart"][part]["Counterfoil"]["rows"] for part in ("seen", "unseen")]
    assert sum(parts) == found["ours"]["test"]["rows"]
    [table, apart] = benchmark["tables"].case_tables(compared)
    assert all(f"| {name} |" in table and f"| {name} |" in apart for name in ("Counterfoil", "random forest"))


def test_settings_are_chosen_by_later_blocks_of_the_training_window_alone(benchmark: Any, run: Any) -> None:
    """A peer with a good and a bad setting: the good one wins, and it never sees a later row while it is chosen."""
    latest = run.training.times.max()
    asked: list[int] = []

    def scores(settings: dict[str, int], values: Any, labels: Any, wanted: Any) -> Any:
        asked.append(len(values))
        from sklearn.linear_model import LogisticRegression

        return settings["sign"] * LogisticRegression(max_iter=5000).fit(values, labels).predict_proba(wanted)[:, 1]

    peer = benchmark["peers"].Peer("two ways", scores, ({"sign": -1}, {"sign": 1}))
    done = benchmark["peers"].run_peer(peer, run.training, run.test.values)
    assert done.settings == {"sign": 1}
    assert len(asked) == 5  # two settings on two blocks, and the fit on the whole window
    assert max(asked[:4]) < asked[4] == len(run.training.values)
    assert latest < np.datetime64(WINDOWS.training.until.replace(tzinfo=None))


def test_each_week_of_the_handbook_waits_a_week_for_its_labels(benchmark: Any) -> None:
    cases = benchmark["cases"].cases_named(["handbook-weeks"])
    assert len(cases) == 5
    for case in cases:
        training, test = case.split.training, case.split.test
        assert (test.since - training.since, test.since - training.until) == (14 * DAY, 7 * DAY)
        assert test.until - test.since == 7 * DAY
        assert case.name == f"handbook-{test.since.date()}"
        assert case.exclude_compromised
    assert [case.name for case in benchmark["cases"].cases_named([])] == [
        "transactions_2019", "handbook", "ulb", "registrations",
    ]  # fmt: skip


def test_a_mean_over_cases_is_given_for_one_group_only(benchmark: Any, run: Any) -> None:
    peers = [benchmark["peers"].PEERS["logistic-regression"]]
    compared = benchmark["compare"].compare(run, peers, draws=0)
    grouped = replace(compared, run=replace(run, case=replace(run.case, group="weeks")))
    overview = benchmark["tables"].overview
    assert "mean" not in overview([compared, compared], "auc")
    assert "mean" in overview([grouped, grouped], "auc")


def test_the_mean_lead_over_a_case_twice_is_its_own(benchmark: Any, run: Any) -> None:
    compared = benchmark["compare"].compare(run, [benchmark["peers"].PEERS["logistic-regression"]], draws=0)
    leads = benchmark["mean_lead"].mean_leads([compared.window, compared.window], draws=0)
    assert list(leads) == [peer.name for peer, _ in compared.peers]
    for peer, pair in compared.peers:
        assert leads[peer.name].value == pytest.approx(pair.differences["average_precision"].value)
    [told] = [row for row in benchmark["tables"].mean_lead_table(leads).splitlines() if "logistic regression" in row]
    assert benchmark["tables"].number(abs(leads["logistic regression"].value)) in told


def windows_of(benchmark: Any, accounts: list[np.ndarray]) -> list[Any]:
    """Windows whose frauds we rank first for some accounts, and one peer as we do while another ranks by chance."""
    rng, found = np.random.default_rng(7), []
    for account in accounts:
        labels = (rng.random(account.size) < 0.2).astype(np.int8)
        chance = rng.random(account.size)
        ours = np.where(np.char.startswith(account.astype(str), "easy"), labels + chance, chance)
        peers = {"chance": chance, "same": ours, "once" if found else "first alone": chance}
        found.append(benchmark["mean_lead"].Window(labels, account, ours, peers))
    return found


def test_the_mean_lead_is_that_of_the_windows_and_only_peers_of_all_windows_have_one(benchmark: Any) -> None:
    accounts = np.array([f"{kind}{place % 20}" for place in range(400) for kind in ("easy", "hard")], dtype=object)
    windows = windows_of(benchmark, [accounts, accounts[:300]])
    found = benchmark["mean_lead"].mean_leads(windows, draws=50)
    assert list(found) == ["chance", "same"]
    expected = np.mean(
        [
            average_precision_score(window.labels, window.ours)
            - average_precision_score(window.labels, window.peers["chance"])
            for window in windows
        ]
    )
    assert found["chance"].value == pytest.approx(expected)
    assert 0 < found["chance"].low < expected < found["chance"].high
    assert (found["same"].value, found["same"].low, found["same"].high) == (0, 0, 0)


def test_an_account_of_several_windows_is_drawn_for_all_of_them_at_once(benchmark: Any) -> None:
    """The same window twice is no more evidence than once; with accounts of its own it would be."""
    accounts = np.array([f"{kind}{place % 20}" for place in range(200) for kind in ("easy", "hard")], dtype=object)
    [window] = windows_of(benchmark, [accounts])
    stranger = replace(window, accounts=np.array([f"{name} elsewhere" for name in accounts], dtype=object))
    mean_leads = benchmark["mean_lead"].mean_leads
    once, twice, apart = (
        mean_leads(windows, draws=200)["chance"] for windows in ([window], [window, window], [window, stranger])
    )
    assert (twice.low, twice.high) == (pytest.approx(once.low), pytest.approx(once.high))
    assert apart.high - apart.low < 0.85 * (once.high - once.low)
