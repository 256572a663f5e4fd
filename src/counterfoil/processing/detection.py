"""The steps that lead from collected payments to published scores."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.periods import LABEL_DELAY_DAYS, Period
from counterfoil.domain.tables import EVIDENCE, PUBLISHED_TABLES, SCORE_TABLE, SCORED, TRANSACTIONS
from counterfoil.errors import UsageError
from counterfoil.ports.lake import LedgerEntry, SourceFile
from counterfoil.processing.collector import COLLECTED
from counterfoil.processing.job import Job, log
from counterfoil.processing.options import NO_DAY, DelayDays, Mapping, Since, Until, period
from counterfoil.steps.insights.report import summarise
from counterfoil.steps.lake.publish import Published, complete_files, publish_table

ROWS_PER_FILE = 131_072
"""Evidence is cut into files of about this many payments: what detection deals out to its instances."""


LINEAGE = "_lineage.json"
"""In the channel `evidence`: what it was built from; it goes with the release that is trained on it."""


def features(
    mapping: Mapping,
    scope: Annotated[str, typer.Option(help="'new' (payments that were just collected) or 'all'")] = "all",
    since: Since = NO_DAY,
    until: Until = NO_DAY,
    label_delay_days: DelayDays = LABEL_DELAY_DAYS,
) -> None:
    """Build evidence of the new payments, or of all payments of a period."""
    from counterfoil.steps.features import build_features

    if scope not in ("new", "all"):
        raise UsageError(f"--scope {scope!r}: 'new' or 'all' is expected")
    job = Job.here()
    tables, span = job.tables, period(since, until)
    new = tables.carried_runs(TRANSACTIONS)
    only_new = scope == "new" and span == Period()
    files = [path for run in new for path in tables.files(TRANSACTIONS, run)]
    rows = build_features(
        tables,
        load_mapping(mapping),
        label_delay=timedelta(days=label_delay_days),
        period=span,
        run=evidence_run(new, since, until) if only_new else evidence_run([], since, until),
        only=files if only_new else None,
        rows_per_file=ROWS_PER_FILE,
    )
    log().info("evidence built", rows=rows, scope="new" if only_new else f"{since} to {until}")
    job.write_json("summary", "summary.json", {"rows": rows})
    # Each run of transactions is named after its file's mapping, content (SHA-256) and place.
    lineage = {"since": since, "until": until, "transactions": sorted(tables.runs(TRANSACTIONS))}
    job.write_json(EVIDENCE, LINEAGE, lineage)
    job.finish("features")


def evidence_run(new: list[str], since: str, until: str) -> str:
    """The name of a run of evidence: by the files that are new, or by its period. The scores' run has it too."""
    if new:
        return f"new-{hashlib.sha256(' '.join(sorted(new)).encode()).hexdigest()[:16]}"
    return f"{since.replace('-', '') or 'begin'}-{until.replace('-', '') or 'end'}"


def detect(release: Annotated[str, typer.Option(help="A release's id or alias")] = "champion") -> None:
    """Score this instance's share of the evidence."""
    from counterfoil.steps.releases.releases import resolve
    from counterfoil.steps.scoring import score

    job = Job.here()
    tables, place = job.tables, job.workspace
    release_id = resolve(place.registry, release)
    scored = 0
    runs = tables.carried_runs(EVIDENCE)
    if runs:
        run = score.detect(
            tables,
            place.detector(release_id),
            compute=place.compute,
            run=f"{release_id}-{runs[0]}",
            part=f"part-{job.shard():05d}",
        )
        scored = _rows(tables.files(SCORE_TABLE, run))
    log().info("payments scored", rows=scored, release=release_id, shard=job.shard())
    job.write_json("summary", f"shard-{job.shard():05d}.json", {"rows": scored, "release": release_id})
    job.finish("detect")


def publish() -> None:
    """Make what the execution wrote visible in the lake, then mark the collected files as done."""
    job = Job.here()
    source, lake = job.tables, job.workspace.tables
    published: list[Published] = []
    for table in PUBLISHED_TABLES:
        for run in source.carried_runs(table):
            if table in SCORED and not _rows(source.files(table, run)):
                continue  # nothing was new
            published.append(publish_table(lake, table, run, job.input(table) / run))
            log().info("published", table=table, run=run, rows=published[-1].rows)
    # Not a part of published.json: done again it is another number, and what follows from the runs is the same.
    log().info("files completed", files=complete_files(job.workspace.ledger, _collected(job)))
    job.write_json(
        "published",
        "published.json",
        {
            "runs": [{"table": p.table, "run": p.run, "rows": p.rows, "files": p.files} for p in published],
            "rows": {table: sum(p.rows for p in published if p.table == table) for table in PUBLISHED_TABLES},
        },
    )
    job.finish("publish")


def report(release: Annotated[str, typer.Option(help="A release's id or alias")] = "champion") -> None:
    """Sum up the scores of this execution."""
    from counterfoil.steps.releases.registration import load_release
    from counterfoil.steps.releases.releases import resolve

    job = Job.here()
    loaded = load_release(job.workspace.registry, resolve(job.workspace.registry, release))
    runs = job.tables.carried_runs(SCORE_TABLE)
    files = [path for run in runs for path in job.tables.files(SCORE_TABLE, run)]
    summary = summarise(files, loaded.release_id, loaded.thresholds)
    log().info("scores summed up", rows=summary["payments"], alerts=summary["alerts"])
    job.write_json("report", "summary.json", {"runs": runs, **summary})
    job.finish("report")


def _rows(files: list[Path]) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(path).num_rows for path in files)


def _collected(job: Job) -> list[LedgerEntry]:
    """The files that `collect` read in this execution; none where the pipeline collects nothing."""
    if not (job.inputs / "summary" / COLLECTED).is_file():
        return []
    entries = job.read_json("summary", COLLECTED)
    return [LedgerEntry(**{**entry, "file": SourceFile(**entry["file"])}) for entry in entries]
