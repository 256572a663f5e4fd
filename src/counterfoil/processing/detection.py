"""The steps that lead from collected payments to published scores."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.options import text_of
from counterfoil.domain.tables import EVIDENCE, PUBLISHED_TABLES, SCORE_TABLE, SCORED, TRANSACTIONS
from counterfoil.errors import InputFileError
from counterfoil.ports.lake import LedgerEntry, SourceFile
from counterfoil.processing.brought import Brought
from counterfoil.processing.collector import COLLECTED
from counterfoil.processing.job import Job, log
from counterfoil.steps.insights.report import summarise
from counterfoil.steps.lake.publish import Published, complete_files, publish_staged, publish_table, without_lost
from counterfoil.steps.lake.staged_payments import COLLECTED_TABLES
from counterfoil.steps.options import DetectOptions, FeaturesOptions, PublishOptions, ReportOptions

ROWS_PER_FILE = 131_072
"""Evidence is cut into files of about this many payments: what detection deals out to its instances."""


LINEAGE = "_lineage.json"
"""In the channel `evidence`: what it was built from; it goes with the release that is trained on it."""


def features(options: FeaturesOptions) -> None:
    """Build evidence of the new payments, or of all payments of a period."""
    from counterfoil.steps.features import build_features

    job = Job.here()
    tables, only_new = job.tables, options.only_new
    new = tables.carried_runs(TRANSACTIONS)
    files = [path for run in new for path in tables.files(TRANSACTIONS, run)]
    rows = build_features(
        tables,
        load_mapping(options.mapping),
        label_delay=options.label_delay,
        period=options.period,
        run=evidence_run(new if only_new else [], options),
        only=files if only_new else None,
        rows_per_file=ROWS_PER_FILE,
    )
    since, until = text_of(options.since), text_of(options.until)
    log().info("evidence built", rows=rows, scope="new" if only_new else f"{since} to {until}")
    job.write_json("summary", "summary.json", {"rows": rows})
    # Each run of transactions is named after its file's mapping, content (SHA-256) and place.
    lineage = {"since": since, "until": until, "transactions": sorted(tables.runs(TRANSACTIONS))}
    job.write_json(EVIDENCE, LINEAGE, lineage)
    job.finish("features")


def evidence_run(new: list[str], options: FeaturesOptions) -> str:
    """The name of a run of evidence: by the files that are new, or by its period. The scores' run has it too."""
    if new:
        return f"new-{hashlib.sha256(' '.join(sorted(new)).encode()).hexdigest()[:16]}"
    since, until = ("" if day is None else f"{day:%Y%m%d}" for day in (options.since, options.until))
    return f"{since or 'begin'}-{until or 'end'}"


def detect(options: DetectOptions) -> None:
    """Score this instance's share of the evidence, and let the policy decide."""
    from counterfoil.steps.releases.releases import resolve
    from counterfoil.steps.scoring import score

    job = Job.here()
    tables, place = job.tables, job.workspace
    release_id = resolve(place.registry, options.release)
    scored = 0
    runs = tables.carried_runs(EVIDENCE)
    policy = None if options.policy is None else place.policies.named(options.policy)
    if runs:
        run = score.detect(
            tables,
            place.detector(release_id),
            compute=place.compute,
            run=score.run_name(release_id, runs[0], policy),
            part=f"part-{job.shard():05d}",
            policy=policy,
        )
        scored = _rows(tables.files(SCORE_TABLE, run))
    version = None if policy is None else policy.version
    log().info("payments scored", rows=scored, release=release_id, policy=version, shard=job.shard())
    summary = {"rows": scored, "release": release_id, "policy": version}
    job.write_json("summary", f"shard-{job.shard():05d}.json", summary)
    job.finish("detect")


def publish(options: PublishOptions = PublishOptions()) -> None:
    """Make what the execution wrote visible in the lake, then mark the collected files as done.

    Payments whose ids others published since they were collected are lost, with their scores; the tables of source IPs
    are made again if others have published payments since they were made. Files that failed fail the step in the end,
    unless they are allowed.
    """
    job = Job.here()
    source, lake = job.tables, job.workspace.tables
    brought = Brought.of(job)
    published: list[Published] = []
    for table in PUBLISHED_TABLES:
        for run in brought.runs(table):
            if table in SCORED and not _rows(source.files(table, run)):
                continue  # nothing was new
            if table in COLLECTED_TABLES:
                published.append(publish_staged(lake, table, run, brought.payments[run]))
            else:
                without = brought.lost_ids() if table in SCORED else None
                published.append(publish_table(lake, table, run, job.input(table) / run, without=without))
            log().info("published", table=table, run=run, rows=published[-1].rows)
    published += brought.curate_again()
    # Not a part of published.json: done again it is another number, and what follows from the runs is the same.
    lost = {run: payments.lost.num_rows for run, payments in brought.payments.items()}
    files = complete_files(job.workspace.ledger, [without_lost(entry, lost) for entry in _collected(job)])
    log().info("files completed", files=files, payments_lost=sum(lost.values()))
    job.write_json(
        "published",
        "published.json",
        {
            "runs": [{"table": p.table, "run": p.run, "rows": p.rows, "files": p.files} for p in published],
            "rows": {table: sum(p.rows for p in published if p.table == table) for table in PUBLISHED_TABLES},
            "failed_files": (failed := _failed_files(job)),
        },
    )
    require_no_failed_files(failed, allowed=options.allow_failed_files)
    job.finish("publish")


def report(options: ReportOptions) -> None:
    """Sum up the scores of this execution; then fail if files could not be collected, unless they are allowed."""
    from counterfoil.steps.releases.registration import load_release
    from counterfoil.steps.releases.releases import resolve

    job = Job.here()
    loaded = load_release(job.workspace.registry, resolve(job.workspace.registry, options.release))
    runs = job.tables.carried_runs(SCORE_TABLE)
    files = [path for run in runs for path in job.tables.files(SCORE_TABLE, run)]
    summary = summarise(files, loaded.release_id, loaded.thresholds)
    log().info("scores summed up", rows=summary["payments"], alerts=summary["alerts"])
    job.write_json("report", "summary.json", {"runs": runs, **summary})
    if (job.inputs / "published" / "published.json").is_file():
        failed = job.read_json("published", "published.json").get("failed_files", {})
        require_no_failed_files(failed, allowed=options.allow_failed_files)
    job.finish("report")


def _rows(files: list[Path]) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(path).num_rows for path in files)


def _failed_files(job: Job) -> dict[str, str]:
    """The files that `collect` could not read in this execution, with the reasons."""
    if not (job.inputs / "summary" / "summary.json").is_file():
        return {}
    failed: dict[str, str] = job.read_json("summary", "summary.json").get("files_failed", {})
    return failed


def require_no_failed_files(failed: Mapping[str, str], *, allowed: bool) -> None:
    """Raise InputFileError naming files that could not be collected, unless they are `allowed`."""
    if failed and not allowed:
        first, reason = next(iter(failed.items()))
        reason = reason.partition("\n")[0]
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise InputFileError(
            f"{len(failed)} of the files could not be collected: {first}: {reason}{more}. What the "
            "others hold is published; correct or remove these files and run this again, or give AllowFailedFiles=true"
        )


def _collected(job: Job) -> list[LedgerEntry]:
    """The files that `collect` read in this execution; none where the pipeline collects nothing."""
    if not (job.inputs / "summary" / COLLECTED).is_file():
        return []
    entries = job.read_json("summary", COLLECTED)
    return [LedgerEntry(**{**entry, "file": SourceFile(**entry["file"])}) for entry in entries]
