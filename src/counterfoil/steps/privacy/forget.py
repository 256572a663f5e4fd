"""Forget an account: out of the tables, the references and the releases, proved by a search, never to come back.

First is written down what the account is known by and where it is (table `forgotten`): from then on its rows are
not collected, and whoever runs this again after a kill knows what was found before. The transactions go last, since
the rest is found by them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from counterfoil.domain.privacy.forgetting import Marks, Trace, without
from counterfoil.domain.tables import TABLES, TRANSACTIONS
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.lake import FileLedger, TableStore
from counterfoil.ports.releases import DecisionLog, LoggedDecision, ReferenceStore
from counterfoil.progress import Progress
from counterfoil.steps.lake.forgotten import Traces, keep_traces, read_traces
from counterfoil.steps.lake.rewriting import below_run, keep, rewrite
from counterfoil.steps.privacy.forget_releases import ReleaseStores, replace_releases
from counterfoil.steps.privacy.forget_service import (
    ServiceStores,
    find_in_service,
    left_in_service,
    remove_from_service,
)
from counterfoil.steps.privacy.tracing import (
    find_traces,
    mentions_in,
    mentions_in_references,
    own_source_ips,
    tables_to_search,
)
from counterfoil.steps.releases.releases import CI, require_person

FORGET = "forget"

_FIRST = tuple(
    table.name
    for table in TABLES
    if "source_ip_id" in table.schema.names and "transaction_id" not in table.schema.names
)
"""Tables that name source IPs only: whose they are is told by the transactions."""


@dataclass(frozen=True)
class Forgotten:
    """The report. Scores are (run, transaction id); `rows` were the account's, by table; `references`, by release.

    `payee_rows` and `payee_references` are others' and named the account, as the one that is paid or in somebody's
    words on a case: they stay, without that name. `releases` gives the successor of each retired release, or None.
    `searched` are the tables and releases that were searched in the end, with how often each still names the account.
    """

    account: str
    payments: int
    rows: Mapping[str, int]
    references: Mapping[str, int]
    payee_rows: Mapping[str, int]
    payee_references: Mapping[str, int]
    releases: Mapping[str, str | None]
    own_scores: tuple[tuple[str, str], ...]
    touched_scores: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]
    searched: Mapping[str, int]

    @property
    def absent(self) -> bool:
        """Whether the last search found nothing."""
        return not any(self.searched.values())

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data for JSON."""
        return {**asdict(self), "absent": self.absent}


@dataclass(frozen=True)
class Removal:
    """The report, where it was written to, and files outside the lake that still name the account.

    `namesakes` are payments to a merchant of that very name, who is somebody else.
    """

    report: Forgotten
    written_to: str
    copies: tuple[str, ...]
    namesakes: int = 0


def forget(
    tables: TableStore,
    releases: ReleaseStores,
    ledger: FileLedger,
    account: str,
    operator: str,
    reason: str,
    *,
    service: ServiceStores | None = None,
    progress: Progress = Progress(),
) -> Forgotten:
    """Forget the account of a pseudonym, in the stores of the service too. Killed at any moment and called again it
    ends the same.

    Raises NotFoundError if there is nothing of the account and it was not forgotten before, UsageError without
    reason or a named operator.
    """
    require_person(operator, reason, "to forget an account")
    if operator == CI:
        raise UsageError(f"{CI} cannot forget an account, since a champion may change: name who decides it")
    progress.begin("looking for the account")
    traces = find_traces(tables, releases.references, ledger, account, read_traces(tables, account))
    if service is not None:
        traces = traces.joined(find_in_service(service, account, traces.names(Trace.PAYMENT)))
    if not traces.found:
        raise NotFoundError(
            f"there is nothing of the account with the pseudonym {account}: give its id as it stands in the files "
            "(with --bank, once for each column before the number, if its mapping makes accounts of several columns), "
            "or with --pseudonym what stands in the column account_id"
        )
    keep_traces(tables, traces)
    marks = Marks(account, traces.names(Trace.PAYMENT), own_source_ips(tables, account))
    progress.begin("making releases without its references")
    kinds = (Trace.REFERENCE, Trace.PAYEE_REFERENCES)
    retired = sorted({release for kind in kinds for release, _ in traces.of(kind)})
    successors = replace_releases(releases, retired, marks, operator, reason)
    for table in _in_order(tables):
        progress.begin(f"table {table}")
        _remove(tables, table, marks)
        tables.tidy(table)  # an earlier try may have been killed before the files that it replaced were gone
    searched: dict[str, int] = {}
    if service is not None:
        progress.begin("the service's tables")
        remove_from_service(service, account, marks.payments)
        searched = left_in_service(service, account, marks.payments)
    progress.begin("searching")
    report = _report(traces, successors, searched | _search(tables, releases.references, marks))
    if report.absent:
        _record(releases.log, report, operator, reason)
    return report


def _in_order(tables: TableStore) -> list[str]:
    there = tables_to_search(tables)
    between = [table for table in there if table not in (*_FIRST, TRANSACTIONS)]
    return [table for table in (*_FIRST, *between, TRANSACTIONS) if table in there]


def _remove(tables: TableStore, table: str, marks: Marks) -> None:
    """Replace each run that names the account by one that does not."""
    for run in tables.runs(table):
        files = tables.files(table, run)
        named = {path for path in files if mentions_in([path], marks)}
        if not named:
            continue
        staged = tables.stage(table, run)
        for path in files:
            if path in named:
                rewrite(path, staged / below_run(path), partial(without, marks=marks))
            else:
                keep(path, staged / below_run(path))
        tables.publish(table, run)


def _search(tables: TableStore, references: ReferenceStore, marks: Marks) -> dict[str, int]:
    """How often each table, and the references of each release, name the account."""
    found = {f"table {table}": mentions_in(tables.files(table), marks) for table in tables_to_search(tables)}
    named = mentions_in_references(references, marks)
    return found | {f"references of {release}": named.get(release, 0) for release in references.releases()}


def _report(traces: Traces, successors: Mapping[str, str | None], searched: Mapping[str, int]) -> Forgotten:
    by_release = [release for release, _ in traces.of(Trace.REFERENCE)]
    return Forgotten(
        account=traces.account,
        payments=len(traces.names(Trace.PAYMENT)),
        rows=_counts(traces, Trace.ROWS),
        payee_rows=_counts(traces, Trace.PAYEE_ROWS),
        payee_references=_counts(traces, Trace.PAYEE_REFERENCES),
        references={release: by_release.count(release) for release in sorted(set(by_release))},
        releases=successors,
        own_scores=tuple(traces.of(Trace.OWN_SCORE)),
        touched_scores=tuple(traces.of(Trace.TOUCHED_SCORE)),
        sources=tuple(place for place, _ in traces.of(Trace.SOURCE)),
        searched=searched,
    )


def _counts(traces: Traces, kind: Trace) -> dict[str, int]:
    return {place: int(count) for place, count in traces.of(kind)}


def _record(log: DecisionLog, report: Forgotten, operator: str, reason: str) -> None:
    """Write into the decision log what was done, unless it says so already."""
    counts = {"own_scores": len(report.own_scores), "touched_scores": len(report.touched_scores)}
    left_out = ("account", "searched", *counts)
    shown = {name: value for name, value in report.as_dict().items() if name not in left_out}
    details = json.loads(json.dumps({**shown, **counts}))  # as the log gives it back
    if not any(told.details == details for told in log.entries(FORGET, report.account)):
        log.append(LoggedDecision(FORGET, report.account, operator, reason, details))
