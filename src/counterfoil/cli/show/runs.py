"""What people see of a run: files, source IPs, a release, an evaluation, cases, a mapping's report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from counterfoil.cli.show.labels import show_appended
from counterfoil.cli.show.terminal import out
from counterfoil.domain.evaluation.metrics import METRICS
from counterfoil.domain.intake.raw import printable

if TYPE_CHECKING:
    from counterfoil.domain.evaluation.evaluation import Evaluation
    from counterfoil.domain.intake.mapping_check import MappingReport
    from counterfoil.domain.release.release import Release
    from counterfoil.steps.insights.riskiest import Case, Payment
    from counterfoil.steps.intake.collect import CollectedFile
    from counterfoil.steps.intake.curate import CurationSummary


def show_collected(files: Sequence["CollectedFile"], left_out: Sequence[tuple[Path, str]] = ()) -> None:
    """One line a file, with the reasons for rejected rows, and one for each file in an archive; then a summary."""
    table = Table("file", "rows in", "collected", "rejected", "reasons")
    for file in files:
        if file.failed:
            table.add_row(escape(file.source), "", "", "", f"[red]failed[/]: {escape(file.failed)}")
            continue
        if file.skipped:
            why = "another process is collecting it" if file.held else "collected before: nothing to do"
            table.add_row(escape(file.source), "", "", "", why)
            continue
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(file.rejected.items()))
        rejected = sum(file.rejected.values())
        table.add_row(escape(file.source), f"{file.rows_in:,}", f"{file.rows_out:,}", f"{rejected:,}", reasons)
        for member, rows_in in file.members.items():
            table.add_row(f"  {escape(member)}", f"{rows_in:,}", "", "", "")
    out.print(table)
    for file in files:
        if file.labels.new or file.labels.changed:
            said = f"{file.labels.new:,} new, {file.labels.changed:,} changed"
            out.print(f"{escape(file.source)}: labels of payments that were collected before: {said}")
        show_appended(file.labels)
        for warning in file.warnings:
            out.print(f"{escape(file.source)}: {escape(warning)}", soft_wrap=True)
    for path, reason in left_out:
        out.print(f"left out: {escape(printable(str(path)))} ({escape(reason)})", soft_wrap=True)
    if len(files) > 1:
        rows = sum(file.rows_out for file in files)
        failed, skipped = sum(bool(file.failed) for file in files), sum(file.skipped for file in files)
        counts = {"collected": len(files) - failed - skipped, "skipped": skipped, "failed": failed}
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        out.print(f"{len(files):,} files: {told}; {rows:,} rows")


def show_curated(summary: "CurationSummary") -> None:
    """What the source IPs are, and which months were rebuilt."""
    table = Table("source IPs", "kind")
    counted = {**summary.kinds, "unreadable": summary.unreadable, "address not kept": summary.without_address}
    for kind, count in counted.items():
        if count:
            table.add_row(f"{count:,}", kind.replace("_", " "))
    out.print(table)
    months = f"{summary.days:,} days of source IPs in {len(summary.months):,} months"
    out.print(f"{summary.source_ips:,} source IPs of {summary.payments:,} payments; {months}")
    if summary.blocklisted is not None:
        unread = summary.blocklist_lines_unreadable
        lines = f" ({unread:,} of its lines are unreadable)" if unread else ""
        out.print(f"{summary.blocklisted:,} on the blocklist{lines}")
    if summary.located is not None:
        out.print(f"{summary.located:,} with a country, {summary.announced:,} with a network")
    if summary.without_address:
        out.print("files that an older version collected kept no addresses: collect them into a new workspace")


def show_release(release: "Release") -> None:
    """What was trained, on what, and what was left out."""
    table = Table(show_header=False)
    good = release.reference_rows - release.reference_frauds
    rows = {
        "release": release.release_id,
        "trained on": f"{release.training_rows:,} payments, {release.training_frauds:,} frauds",
        "referenced": f"{release.reference_frauds:,} known frauds, {good:,} known good payments",
        "vector": f"{release.encoder.dimensions} dimensions, {release.encoder.mixture.evidence:.0%} plain evidence",
        "neighbours": f"{release.neighbours} on each side",
        "signal": release.calibration.kind.value,
        "validation": ", ".join(f"{name} {value:.4f}" for name, value in release.validation.items()),
        "without a block": ", ".join(f"{name} {value:.4f}" for name, value in release.ablation.items()),
        "left out": "; ".join(f"{reason}: {names}" for reason, names in _by_reason(release.left_out)),
        "notes": "; ".join(release.notes),
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, value)
    out.print(table)


def _by_reason(left_out: Mapping[str, str]) -> list[tuple[str, str]]:
    reasons: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        reasons.setdefault(reason, []).append(name)
    return [(reason, _some(names)) for reason, names in reasons.items()]


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def show_evaluation(evaluation: "Evaluation", title: str) -> None:
    """The metrics with their 95 % intervals."""
    table = Table("metric", "value", "95 % interval, by account", title=title, title_justify="left")
    for key, metric in METRICS.items():
        interval = evaluation.intervals.get(key)
        bounds = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
        words = metric.words(alerts=evaluation.alerts_per_day, cards=evaluation.top_k)
        table.add_row(words, metric.text(evaluation.metrics[key]), bounds)
    out.print(table)
    out.print(f"{evaluation.rows:,} payments, {evaluation.frauds:,} frauds, {evaluation.accounts:,} accounts")
    if not evaluation.rows:
        out.print("no scored payment has a known label yet: there is nothing to compare the scores with")


def show_unripe(payments: int, days: float) -> None:
    """How many payments were too young to count."""
    if payments:
        out.print(
            f"{payments:,} payments younger than {days:g} days are left out: their labels cannot be trusted yet "
            "(--label-delay-days 0 counts them)",
            soft_wrap=True,
        )


def show_cases(cases: Sequence["Case"], precedents_a_side: int = 3, reasons: int = 3) -> None:
    """Scored payments, each above its account, its weightiest reasons and its nearest precedents of both sides."""
    for case in cases:
        turned_out = {1: "turned out fraud", 0: "turned out good", None: "not labelled yet"}[case.payment.label]
        out.print(
            f"[bold]signal {case.signal:.4f}  {case.decision}  {_described(case.payment)}  ({turned_out})[/]",
            soft_wrap=True,
        )
        if case.account:
            more = f", {case.more_alerts:,} more alerts" if case.more_alerts else ""
            out.print(f"    account {case.account[:16]}{more}", soft_wrap=True)
        if case.reasons:
            out.print(f"    because of {escape('; '.join(case.reasons[:reasons]))}", soft_wrap=True)
        for label, name, style in ((1, "fraud", "red"), (0, "good", "green")):
            _show_side([p for p in case.precedents if p.label == label][:precedents_a_side], name, style)


def _show_side(side: Sequence["Payment"], name: str, style: str) -> None:
    """The precedents of one side; where the nearest points the other way (a cosine below 0), that none is alike."""
    for precedent in side:
        if precedent.similarity > 0:
            what = f"{f'known {name}':<11}  {precedent.similarity:.4f}"
            out.print(f"    [{style}]{what}[/]  {_described(precedent)}", soft_wrap=True)
    if side and side[0].similarity <= 0:
        what = f"no known {name} payment is like it" if name == "good" else "no known fraud is like it"
        out.print(f"    [{style}]{what}[/]: the nearest has {side[0].similarity:.4f}", soft_wrap=True)


def _described(payment: "Payment") -> str:
    amount = "" if payment.amount is None else f"{payment.amount:,.2f} {payment.currency or ''}".strip()
    shown = (f"{payment.event_time:%Y-%m-%d %H:%M}", amount, payment.merchant, payment.category, payment.id[:16])
    return "  ".join(escape(part) for part in shown if part)


def show_mapping_report(report: "MappingReport", lines: int) -> None:
    """What a mapping makes of a file: first rows, coverage, problems, suggestions."""
    out.print(f"mapping [bold]{report.mapping}[/]: {report.accepted:,} of the first {report.rows:,} rows accepted")
    if report.sample:
        first = Table("field", *(f"row {number}" for number in range(1, len(report.sample[:lines]) + 1)), "coverage")
        for name, share in report.coverage.items():
            first.add_row(name, *(row.get(name, "") for row in report.sample[:lines]), f"{share:.0%}")
        out.print(first)
    for fact in report.facts:
        out.print(escape(fact))
    for problem in report.problems:
        out.print(f"[red]problem[/]: {escape(problem)}")
    for suggestion in report.suggestions:
        out.print(f"[yellow]look at[/]: {escape(suggestion)}")
