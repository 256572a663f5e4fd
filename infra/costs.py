"""What a month of prod would cost: an estimate, worked out from sizes that the stacks declare and prices given here.

`python -m infra.costs` prints the table of infra/README.md. The prices are list prices in USD as we remember them
for us-east-1 in 2026; nobody was asked. Change them to those of your region and agreement.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.environments import PROD, ZONES

HOURS = 730
DAYS = 30.4
RATES = (1, 100, 1_000)
"""Payments a second, day and night."""
ENDPOINTS = 8


@dataclass(frozen=True)
class Prices:
    """USD for an hour, a GB, a million calls or a month, as the name says."""

    nat_hour: float = 0.045
    nat_gb: float = 0.045
    endpoint_hour: float = 0.01
    database_hour: float = 0.478
    database_gb_month: float = 0.23
    vcpu_hour: float = 0.04048
    memory_gb_hour: float = 0.004445
    api_million: float = 1.0
    stream_hour: float = 0.04
    write_million: float = 0.625
    read_million: float = 0.125
    log_gb: float = 0.50
    cpu_job_hour: float = 0.23
    gpu_job_hour: float = 1.127
    s3_gb_month: float = 0.023
    canary_run: float = 0.0012
    secret_month: float = 0.40


@dataclass(frozen=True)
class Assumptions:
    """What one payment asks for. The rates are those of pipelines/README.md and the service's target, not of AWS."""

    scores_per_vcpu: float = 125
    """A second: the service's target of 250 on two cores, at full load."""
    load: float = 0.55
    writes: int = 6
    """Three entities, each an item and its entry in the index."""
    reads: int = 6
    log_kb: float = 0.7
    nat_kb: float = 0.5
    stored_kb: float = 0.5
    detect_rows_per_second: float = 6_300
    job_start_hours: float = 0.5
    """Six steps of five minutes until they compute, a night."""
    cpu_steps: int = 3
    """Collect, curate and features, each assumed to take as long as detect."""


def lines(rate: float, prices: Prices | None = None, per: Assumptions | None = None) -> Mapping[str, float]:
    """USD a month by what is paid for, at so many payments a second."""
    price, one = prices or Prices(), per or Assumptions()
    payments = rate * 3600 * 24 * DAYS
    millions = payments / 1e6
    gigabytes = payments / 1e6  # of one KB a payment
    tasks = max(PROD.tasks_least, math.ceil(rate / (one.scores_per_vcpu * PROD.task_cpu / 1024 * one.load))) + 1
    task_hour = PROD.task_cpu / 1024 * price.vcpu_hour + PROD.task_memory_mb / 1024 * price.memory_gb_hour
    detect_hours = payments / one.detect_rows_per_second / 3600
    return {
        "NAT gateways": ZONES * HOURS * price.nat_hour + gigabytes * one.nat_kb * price.nat_gb,
        "private endpoints": ENDPOINTS * ZONES * HOURS * price.endpoint_hour,
        "RDS, two zones": HOURS * price.database_hour + PROD.database_storage_gb * price.database_gb_month,
        f"ECS tasks ({tasks} with the watch)": tasks * HOURS * task_hour,
        "API Gateway": millions * price.api_million,
        "DynamoDB": millions * (one.writes * price.write_million + one.reads * price.read_million),
        "Kinesis (empty)": HOURS * price.stream_hour,
        "logs": gigabytes * one.log_kb * price.log_gb,
        "SageMaker, a night's detection": DAYS * one.job_start_hours * price.cpu_job_hour
        + detect_hours * (price.gpu_job_hour + one.cpu_steps * price.cpu_job_hour),
        "S3, a month's growth": gigabytes * one.stored_kb * price.s3_gb_month,
        "canary, secrets, key": HOURS * 12 * price.canary_run + 4 * price.secret_month + 1,
    }


def table() -> str:
    """The table of infra/README.md."""
    columns = [lines(rate) for rate in RATES]
    head = f"| USD a month | {' | '.join(f'{rate:,}/s' for rate in RATES)} |\n|---|{'---|' * len(RATES)}\n"
    rows = [
        _row(name.partition(" (")[0], [list(column.values())[at] for column in columns])
        for at, name in enumerate(columns[0])
    ]
    total = _row("in all", [sum(column.values()) for column in columns])
    tasks = ", ".join(name.split("(")[1].split()[0] for column in columns for name in column if name.startswith("ECS"))
    return f"{head}{''.join(rows)}{total}\nTasks: {tasks}, of which one watches the stream.\n"


def _row(name: str, figures: Sequence[float]) -> str:
    return f"| {name} | {' | '.join(f'{figure:,.0f}' for figure in figures)} |\n"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(table())  # noqa: T201
