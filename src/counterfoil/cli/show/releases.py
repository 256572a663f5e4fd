"""Releases on the terminal: the list, one release, two of them compared, a replayed score."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Column, Table

from counterfoil.cli.show.terminal import out
from counterfoil.steps.releases.releases import GATE_TAG, is_retired

if TYPE_CHECKING:
    from counterfoil.domain.release.diff import Difference
    from counterfoil.domain.release.fit import Fit
    from counterfoil.domain.release.release import Release
    from counterfoil.ports.releases import LoggedDecision, RegisteredRelease
    from counterfoil.steps.releases.releases import Change
    from counterfoil.steps.scoring.replay_score import Replay


def show_releases(releases: Sequence["RegisteredRelease"]) -> None:
    """One line a release, newest first."""
    if not releases:
        out.print("no release yet: run 'counterfoil train' or the training pipeline")
        return
    names = ("no.", "release", "state", "mapping", "gate", "average precision")
    table = Table(*(Column(name, no_wrap=name in names[:3]) for name in names))
    for release in releases:
        state = "retired" if is_retired(release) else ", ".join(release.aliases)
        mapping, gate = release.tags.get("mapping", ""), release.tags.get(GATE_TAG, "")
        table.add_row(str(release.version), release.release_id, state, mapping, gate, precision(release.metrics))
    out.print(table)


def precision(metrics: Mapping[str, float]) -> str:
    """The average precision with its interval, where the release was evaluated; else that of its training."""
    if "average_precision" in metrics:
        return _measured(metrics, "average_precision")
    validated = metrics.get("validation_average_precision")
    return "" if validated is None else f"{validated:.3f} in training"


def show_release(registered: "RegisteredRelease", release: "Release", decisions: Sequence["LoggedDecision"]) -> None:
    """All that is known of a release: what it is, what it learned from, how good it was, what was decided."""
    table = Table(show_header=False)
    for name, value in {**_standing(registered), **_content(release), **_figures(registered)}.items():
        if value:
            table.add_row(name, escape(value))
    out.print(table)
    show_decisions(decisions)


def _standing(registered: "RegisteredRelease") -> dict[str, str]:
    tags = {name: value for name, value in registered.tags.items() if name not in (GATE_TAG, "retired", "mapping")}
    return {
        "release": f"{registered.release_id}, no. {registered.version}",
        "state": "retired" if is_retired(registered) else ", ".join(registered.aliases),
        "gate": registered.tags.get(GATE_TAG, "no verdict"),
        "tags": ", ".join(f"{name} {value}" for name, value in sorted(tags.items())),
    }


def _content(release: "Release") -> dict[str, str]:
    schema, thresholds, lineage = release.encoder.schema, release.thresholds, release.lineage
    good = release.reference_rows - release.reference_frauds
    return {
        "mapping": f"{release.mapping} (sha256 {lineage.mapping_sha256[:12]})",
        "trained on": f"{release.training_rows:,} payments, {release.training_frauds:,} frauds "
        f"(sha256 {lineage.evidence_sha256[:12]})",
        "payments": f"from {release.trained_from or 'the first'} to {release.trained_until or 'the last'}",
        "labels": f"known until {release.labels_known_until or lineage.last_label_known_at or 'the end'}, "
        f"delay {release.label_delay_days:g} days",
        "numbers": ", ".join(schema.numeric),
        "categories": ", ".join(schema.categorical),
        "texts": ", ".join(schema.textual),
        "text model": f"{release.text_model} (sha256 {release.text_weights_hash[:12]})"
        if release.text_weights_hash
        else "",
        "vector": f"{release.encoder.dimensions} dimensions, {release.encoder.mixture.evidence:.0%} plain evidence",
        "neighbours": f"{release.neighbours} on each side",
        "references": f"{release.reference_frauds:,} frauds, {good:,} good "
        f"(checksum {release.reference_checksum[:12]})",
        "signal": release.calibration.kind.value,
        "thresholds": f"review {_signal(thresholds.review)}, block {_signal(thresholds.block)}",
        "left out": ", ".join(release.left_out),
        "notes": "; ".join(release.notes),
    }


def _signal(threshold: float | None) -> str:
    return "never" if threshold is None else f"from {threshold:.4f}"


def _figures(registered: "RegisteredRelease") -> dict[str, str]:
    metrics = registered.metrics
    bounds = {f"{name}_{end}" for name in metrics for end in ("low", "high")}
    shown = [name for name in sorted(metrics) if name not in bounds and not name.startswith("threshold_")]
    return {"metrics": "\n".join(f"{name} {_measured(metrics, name)}" for name in shown)}


def _measured(metrics: Mapping[str, float], name: str) -> str:
    """A figure with its interval, if it has one."""
    value, low, high = (metrics.get(f"{name}{end}") for end in ("", "_low", "_high"))
    shown = f"{value:,.0f}" if name in ("rows", "frauds") else f"{value:.3f}"
    return shown if low is None or high is None else f"{shown} ({low:.3f} to {high:.3f})"


def show_decisions(decisions: Sequence["LoggedDecision"]) -> None:
    """Entries of the decision log."""
    if not decisions:
        return
    table = Table("no.", "when (UTC)", "what", "by", "why", title="decisions", title_justify="left")
    for entry in decisions:
        when = "" if entry.at is None else f"{entry.at:%Y-%m-%d %H:%M}"
        what = " ".join([entry.kind, *(str(value) for value in [entry.details.get("alias")] if value)])
        table.add_row(str(entry.sequence), when, what, escape(entry.actor), escape(entry.reason))
    out.print(table)


def show_fit(fit: "Fit", mapping: str) -> None:
    """What the payments of a mapping lack for a release."""
    if fit.missing:
        out.print(f"[red]cannot score {escape(mapping)}[/], its evidence lacks: {', '.join(fit.missing)}")
    else:
        out.print(f"[green]can score {escape(mapping)}[/]: all {fit.used} columns of evidence are there")
    if fit.empty:
        out.print(
            f"[yellow]{len(fit.empty)} of {fit.used} have no value[/], as {escape(mapping)} names no column for them, "
            f"and count as the training mean: {', '.join(fit.empty)}"
        )


def show_differences(differences: Sequence["Difference"], a: str, b: str) -> None:
    """Two releases, field by field."""
    if not differences:
        out.print(f"{a} and {b} are the same release" if a == b else f"{a} and {b} do not differ")
        return
    table = Table(*(Column(name, overflow="fold") for name in ("field", a, b)))
    for difference in differences:
        table.add_row(difference.field, escape(difference.a), escape(difference.b))
    out.print(table)


def show_change(change: "Change", what: str) -> None:
    """What a command changed, and where the log says so."""
    before = f" (before: {change.previous})" if change.previous else ""
    if change.entry is None:
        out.print(f"{change.release_id} {what} already: nothing was changed", soft_wrap=True)
    else:
        out.print(f"{change.release_id} {what}{before}; decision {change.entry.sequence}", soft_wrap=True)


def show_replay(replay: "Replay") -> None:
    """A stored score beside the replayed one."""
    out.print(f"{replay.transaction_id} in run {replay.run}", soft_wrap=True)
    table = Table("", "stored", "replayed")
    for name in ("anomaly_signal", "signal_kind", "novelty", "fraud_similarity", "good_similarity"):
        table.add_row(name, *(_number(score[name]) for score in (replay.stored, replay.replayed)))
    for label, side in ((1, "precedents, fraud"), (0, "precedents, good")):
        cited = [
            "\n".join(
                f"{precedent['similarity']:.6f} {precedent['reference_id']}"
                for precedent in score["precedents"]
                if precedent["label"] == label
            )
            for score in (replay.stored, replay.replayed)
        ]
        table.add_row(side, *map(escape, cited))
    out.print(table)
    verdict = "[green]reproduced[/]" if replay.ok else "[red]not reproduced[/]"
    out.print(
        f"{verdict} with release {replay.stored['release_id']}: numbers differ by {replay.difference:.1e} at most, "
        f"precedents are {replay.precedents.value}",
        soft_wrap=True,
    )


def _number(value: object) -> str:
    return f"{value:.9f}" if isinstance(value, float) else str(value)
