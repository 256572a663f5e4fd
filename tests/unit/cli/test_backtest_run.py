"""A backtest's tables go, but its release stays: it must not hold what was forgotten."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.cli import backtest_run as backtesting
from counterfoil.cli.backtest_run import BacktestRequest, run_backtest
from counterfoil.domain.periods import Period
from counterfoil.domain.privacy.pseudonyms import pseudonymise
from counterfoil.steps.lake.forgotten import Traces, keep_traces
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

UNTIL = datetime(2024, 1, 2, tzinfo=UTC)


class Stop(BaseException):
    """Raised where a backtest would begin to train."""


@pytest.mark.slow
def test_forgotten_accounts_are_not_collected_for_a_backtest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mapping, file = tmp_path / "shop.toml", tmp_path / "in.csv"
    mapping.write_text('[fields]\ntransaction_id = "id"\nevent_time = "t"\naccount = "who"\n')
    file.write_text("id,t,who\na,2024-01-01,ann\nb,2024-01-01,bob\n")
    for store in ("references", "registry", "embedder", "compute"):
        monkeypatch.setattr(Workspace, store, None)
    place = Workspace(Settings(workspace=tmp_path / "work"))
    [ann] = pseudonymise(pa.array(["ann"]), "account", place.pseudonym_key).to_pylist()
    keep_traces(place.tables, Traces(str(ann), frozenset()))

    def stop(stores: Any, *_: Any, **__: Any) -> None:
        (path,) = stores.tables.files("transactions")
        assert pq.ParquetFile(path).read()["transaction_id"].to_pylist() == ["b"]
        (path,) = stores.tables.files("rejected")
        assert pq.ParquetFile(path).read()["reason"].to_pylist() == ["account_forgotten"]
        raise Stop

    monkeypatch.setattr(backtesting, "backtest", stop)
    request = BacktestRequest(
        [file], str(mapping), timedelta(days=7), False, None, Period(until=UNTIL), Period(since=UNTIL), None, None
    )  # fmt: skip
    with pytest.raises(Stop):
        run_backtest(place, request)
