"""What an execution brings into the lake, and what others have brought since its steps read the lake."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa

from counterfoil.domain.periods import LABEL_DELAY_DAYS
from counterfoil.domain.tables import SOURCE_IP_DAY_TABLE, SOURCE_IP_TABLE, TRANSACTIONS
from counterfoil.ports.lake import TableStore, Version
from counterfoil.processing.collector import AS_OF
from counterfoil.processing.job import Job, log
from counterfoil.steps.intake.curate import curate
from counterfoil.steps.lake.publish import Published, published_run, stage_payments
from counterfoil.steps.lake.staged_payments import COLLECTED_TABLES, StagedPayments

CURATED = (SOURCE_IP_TABLE, SOURCE_IP_DAY_TABLE)


@dataclass(frozen=True)
class Brought:
    """The collected runs, staged, and whether the curated ones may be published as they are (`fresh`)."""

    job: Job
    payments: dict[str, StagedPayments]
    curated_as_of: dict[str, Any]
    fresh: bool

    @classmethod
    def of(cls, job: Job) -> "Brought":
        """Stage what was collected, without the payments that others have by now. Raises UsageError, ChangedError."""
        lake = job.workspace.tables
        runs = list(dict.fromkeys(run for table in COLLECTED_TABLES for run in job.tables.carried_runs(table)))
        seen = _read(job, "summary").get(TRANSACTIONS, {})
        payments = {
            run: stage_payments(lake, run, {table: job.inputs / table / run for table in COLLECTED_TABLES}, seen, runs)
            for run in runs
        }
        as_of = _read(job, SOURCE_IP_TABLE)
        return cls(job, payments, as_of, fresh=_others(lake, runs) == _only_others(as_of.get(TRANSACTIONS, {}), runs))

    def runs(self, table: str) -> list[str]:
        """The runs of a table that are published as they were brought."""
        if table in COLLECTED_TABLES:
            # From S3 a run without files comes as no folder; its other tables have a run of that name.
            return [run for run in self.payments if table == COLLECTED_TABLES[0] or self._came(table, run)]
        return self.job.tables.carried_runs(table) if self.fresh or table not in CURATED else []

    def lost_ids(self) -> pa.Array:
        """The ids of the payments that were lost to others."""
        lost = [payments.lost["transaction_id"] for payments in self.payments.values()]
        return pa.chunked_array([chunk for ids in lost for chunk in ids.chunks], pa.string()).combine_chunks()

    def curate_again(self) -> list[Published]:
        """Make the tables of source IPs again if others have published payments that curate did not see."""
        lake, own = self.job.workspace.tables, list(self.payments)
        if not self.job.tables.carried_runs(SOURCE_IP_TABLE):
            return []
        if self.fresh and _others(lake, own) == _only_others(self.curated_as_of.get(TRANSACTIONS, {}), own):
            return []
        log().info("others have published payments meanwhile: source IPs are curated again")
        there = set(lake.runs(TRANSACTIONS))
        summary = curate(
            lake,
            touched=[path for run in own if run in there for path in lake.files(TRANSACTIONS, run)],
            also=self.job.tables.carried_runs(SOURCE_IP_DAY_TABLE),
            networks=self.job.workspace.networks,
            label_delay=timedelta(days=self.curated_as_of.get("label_delay_days", LABEL_DELAY_DAYS)),
        )
        runs = [(SOURCE_IP_TABLE, run) for run in lake.runs(SOURCE_IP_TABLE)]
        runs += [(SOURCE_IP_DAY_TABLE, month) for month in summary.months]
        return [published_run(lake, table, run) for table, run in runs]

    def _came(self, table: str, run: str) -> bool:
        return run in self.job.tables.carried_runs(table)


def _read(job: Job, channel: str) -> dict[str, Any]:
    """What a step has read of the lake; nothing if it is of an older version, or not a part of the pipeline."""
    path = job.inputs / channel / AS_OF
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _others(lake: TableStore, own: list[str]) -> Version:
    return _only_others(lake.version(TRANSACTIONS), own)


def _only_others(version: Version, own: list[str]) -> Version:
    return {run: folder for run, folder in version.items() if run not in own}
