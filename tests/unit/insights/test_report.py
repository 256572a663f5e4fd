"""The report on a lake without a registered release, and on lakes that lack much: it says so and never crashes."""

import csv
import io
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from report_of import ASKED, report_of

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.cli.show.answers import as_csv
from counterfoil.domain.evaluation.drift import ColumnProfile, stability_index
from counterfoil.domain.evaluation.key_figures import ACCOUNT_SUMS, key_figures
from counterfoil.insights.queries import QueryParameters, ask, query
from counterfoil.insights.report.health import BY_WEEK
from counterfoil.insights.report.kept import KeptScores

Lake = Callable[..., FolderTables]
HOSTILE = "<script>alert(1)</script>"


def _figures(frame: pd.DataFrame, root: Path, make_lake: Lake, **changes: tuple[str, ...]) -> str:
    make_lake(root / "lake", frame, **changes)
    return report_of(root)


@pytest.mark.slow
def test_names_are_escaped_and_nothing_is_fetched(make_lake: Lake, payments: pd.DataFrame, tmp_path: Path) -> None:
    hostile = payments.assign(merchant_id=payments["merchant_id"].where(payments.index % 2 == 0, HOSTILE))
    page = _figures(hostile, tmp_path, make_lake)
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "src=" not in page
    assert not [word for word in page.split('href="')[1:] if not word.startswith(("#", "data:"))]
    assert len(page.encode()) < 1_500_000
    assert "Nothing was scored" not in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda frame: frame.assign(label=np.nan), "No payment of the period has a label that is known"),
        (lambda frame: frame.assign(merchant_id="the only one"), "the only one"),
        (lambda frame: frame.assign(amount=np.nan), "Key figures"),
        (lambda frame: frame.assign(account_id="a"), "too few for intervals"),
        (lambda frame: frame.assign(category=[f"kind {n % 1000}" for n in range(len(frame))]), "kind 1"),
        (lambda frame: frame.assign(category=None, source_ip_id=None, device_id=None), "Key figures"),
    ],
    ids=["no labels", "one merchant", "no amounts", "one account", "a thousand categories", "columns of nulls"],
)
def test_what_is_missing_is_said(
    make_lake: Lake, payments: pd.DataFrame, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], told: str
) -> None:
    page = _figures(change(payments.tail(1500)), tmp_path, make_lake)
    assert told in page
    assert len(page.encode()) < 1_500_000
    assert page.count("<td") < 6_000, "tables must show the first rows only"


@pytest.mark.slow
def test_missing_tables_are_named_with_what_makes_them(make_lake: Lake, payments: pd.DataFrame, tmp_path: Path) -> None:
    page = _figures(payments.tail(1500), tmp_path, make_lake, without=("scores", "source_ips", "rejected"))
    for told in ("Nothing was scored yet", "no table &#39;source_ips&#39;: run &#39;counterfoil curate&#39; first"):
        assert told in page


@pytest.mark.slow
def test_a_lake_without_payments_is_a_report_that_says_so(
    make_lake: Lake, payments: pd.DataFrame, tmp_path: Path
) -> None:
    page = _figures(payments.tail(10), tmp_path, make_lake, without=("transactions", "scores", "source_ips"))
    assert "no table &#39;transactions&#39;: run &#39;counterfoil collect&#39; first" in page


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's clock shows Central European time."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.slow
@pytest.mark.usefixtures("in_berlin")
def test_a_change_to_summer_time_moves_no_payment_to_another_day(
    make_lake: Lake, payments: pd.DataFrame, tmp_path: Path
) -> None:
    """On 29 March 2026 the clocks of Europe go from 2 to 3 o'clock; a day of the report is one of UTC, of 24 hours."""
    quarters = pd.Series(pd.date_range("2026-03-28", periods=3 * 96, freq="15min", tz="UTC")).astype(
        "datetime64[us, UTC]"
    )
    frame = payments.tail(len(quarters)).reset_index(drop=True).assign(event_time=quarters, label_time=quarters)
    tables = make_lake(tmp_path / "lake", frame)
    asked = QueryParameters(date(2026, 3, 28), date(2026, 3, 31), review=0.3)
    by_day = ask(tables, "fraud_by_day", asked).to_pandas().groupby("event_date")["payments"].sum()
    assert by_day.to_dict() == {date(2026, 3, day): 96 for day in (28, 29, 30)}
    page = report_of(tmp_path, asked)
    assert "2026-03-28 to 2026-03-30 (UTC)" in page
    end = frame.dropna(subset="account_id")["event_time"].max().tz_localize(None).to_pydatetime()
    accounts = ask(tables, "riskiest_accounts", replace(asked, release="r1", top=1000))
    assert max(accounts.column("last_payment").to_pylist()) == end


@pytest.mark.slow
def test_an_empty_period_is_said(make_lake: Lake, payments: pd.DataFrame, tmp_path: Path) -> None:
    make_lake(tmp_path / "lake", payments.tail(1500))
    page = report_of(tmp_path, QueryParameters(date(1999, 1, 1), date(1999, 2, 1), review=0.3))
    assert "No payment was made in this period." in page


@pytest.mark.slow
def test_days_whose_labels_are_not_ripe_are_told_beside_every_rate(
    make_lake: Lake, payments: pd.DataFrame, tmp_path: Path
) -> None:
    make_lake(tmp_path / "lake", payments.tail(1500))
    told = "Payments from 2026-02-11 06:00 UTC on are younger than the label delay of 7 days"
    young = report_of(tmp_path, replace(ASKED, known_until=datetime(2026, 2, 18, 6, tzinfo=UTC)))
    sections = {part.partition('"')[0]: part for part in young.split('<section id="')[1:]}
    assert {name for name, part in sections.items() if told in part} == {
        "key", "trends", "alerts", "signals", "rankings", "quality",
    }  # fmt: skip
    assert "are younger than the label delay" not in report_of(tmp_path)


@pytest.mark.slow
@pytest.mark.slow
def test_scores_are_compared_with_those_of_a_period_that_was_scored_too(
    make_lake: Lake, payments: pd.DataFrame, tmp_path: Path
) -> None:
    make_lake(tmp_path / "lake", payments)  # scored from 25 January on
    told = "were scored: what rests on scores is not compared with it"
    half, whole = (
        report_of(tmp_path),
        report_of(tmp_path, replace(ASKED, since=date(2026, 2, 14), until=date(2026, 2, 20))),
    )
    assert re.search(rf"Of the [\d,]+ payments of the period before only [\d,]+ {told}", half)
    assert told not in whole


def test_weeks_of_calibration_come_to_the_bands_of_the_signal(tables: FolderTables) -> None:
    """The report's own question, of what it keeps, beside a named one that is asked anew."""
    asked = replace(ASKED, release="r1")
    with KeptScores(tables) as kept:
        weeks = kept.answer(BY_WEEK, asked).to_pandas()
        again = kept.answer(query("signal_distribution"), asked).to_pandas()
    bands = ask(tables, "signal_distribution", asked).to_pandas()
    pd.testing.assert_frame_equal(again, bands)
    assert len(weeks) > 2
    for name in ("labelled", "frauds", "expected"):
        assert weeks[name].sum() == pytest.approx(bands[name].sum())
    assert weeks["share_known"].tolist() == pytest.approx((weeks["frauds"] / weeks["labelled"]).tolist())


def test_formulas_are_harmless_in_csv() -> None:
    written = as_csv(pa.table({"name": ["=1+1", "@x", "shop", None], "change": [-1.5, 2.0, 3.0, 4.0]}))
    rows = list(csv.reader(io.StringIO(written)))
    assert rows == [["name", "change"], ["'=1+1", "-1.5"], ["'@x", "2.0"], ["shop", "3.0"], ["", "4.0"]]


class TestKeyFigures:
    def test_values_and_changes_are_those_of_the_sums(self) -> None:
        rng = np.random.default_rng(0)
        now, before = (rng.integers(1, 9, (50, len(ACCOUNT_SUMS))).astype(float) for _ in range(2))
        found = key_figures(now, before)
        column = {name: place for place, name in enumerate(ACCOUNT_SUMS)}
        volume, earlier = now[:, column["volume"]].sum(), before[:, column["volume"]].sum()
        assert found["volume"].value == volume
        assert found["volume"].change == pytest.approx(volume / earlier - 1)
        rate = now[:, column["frauds"]].sum() / now[:, column["labelled"]].sum()
        assert found["fraud_rate"].value == pytest.approx(rate)
        low, high = found["fraud_rate"].interval or (1, 0)
        assert low < rate < high

    def test_equal_accounts_leave_no_doubt(self) -> None:
        same = np.full((40, len(ACCOUNT_SUMS)), 3.0)
        assert key_figures(same, same)["volume"].interval == (120.0, 120.0)

    def test_few_accounts_have_no_interval_and_nothing_has_no_rate(self) -> None:
        few = key_figures(np.ones((3, len(ACCOUNT_SUMS))), np.zeros((3, len(ACCOUNT_SUMS))))
        assert few["volume"].interval is None
        assert few["volume"].change is None
        assert few["fraud_rate"].before is None


class TestDrift:
    PROFILE = ColumnProfile("x", np.array([-1.0]), np.array([1.0, 2.0]), np.array([0.25, 0.5, 0.15, 0.1]))

    def test_values_fall_into_their_bins_edges_outwards(self) -> None:
        values = np.array([-3, -1, -0.9, 0.9, 1, 1.9, 2, 9], dtype=np.float32)
        assert self.PROFILE.counts(values).tolist() == [2, 2, 2, 2]

    def test_the_index_is_zero_for_the_training_and_grows_with_the_move(self) -> None:
        expected = self.PROFILE.expected
        assert stability_index((expected * 1000).astype(np.int64), expected) == pytest.approx(0, abs=1e-12)
        assert stability_index(np.array([100, 500, 200, 200]), expected) == pytest.approx(
            -0.15 * np.log(0.4) + 0.05 * np.log(0.2 / 0.15) + 0.1 * np.log(2)
        )
