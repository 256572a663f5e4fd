"""The tables of `quality.py` in Markdown."""

from collections.abc import Mapping, Sequence

import numpy as np
from quality_compare import OURS, Compared
from quality_peers import PeerRun
from report import markdown_table

from counterfoil.domain.evaluation.evaluation import Evaluation
from counterfoil.domain.evaluation.paired import Difference

METRICS = {
    "average_precision": "average precision",
    "auc": "AUC",
    "card_precision": "card precision@100",
    "recall_at_1pct_fpr": "recall at 1 % FPR",
}


def case_tables(compared: Compared) -> list[str]:
    """The table of one case; where IPs are looked at, one of seen and unseen ones, too."""
    run, ours = compared.run, compared.ours
    title = (
        f"{run.case.name}: {ours.rows:,} test payments ({ours.frauds:,} frauds) of {ours.accounts:,} accounts, "
        f"{run.training.payments.num_rows:,} ({int(run.training.labels.sum()):,}) in training, "
        f"{run.training.values.shape[1]} columns"
    )
    header = ["", *METRICS.values(), "ours less it, average precision", "chosen", "CPU, s"]
    rows = [[OURS, *_metrics(ours), "", "", run.cpu_s]]
    for peer, pair in compared.peers:
        lead = _difference(pair.differences["average_precision"])
        rows.append([peer.name, *_metrics(pair.second), lead, _chosen(peer), peer.cpu_s])
    return [markdown_table(title, header, rows), *_apart(compared)]


def _apart(compared: Compared) -> list[str]:
    if not compared.apart:
        return []
    parts = compared.apart.values()
    sizes = [next(iter(part.values())) for part in parts]
    header = ["", *(f"{n} IPs: {e.rows:,} ({e.frauds:,})" for n, e in zip(compared.apart, sizes, strict=True))]
    rows = [[name, *(_metric(part[name], "average_precision") for part in parts)] for name in next(iter(parts))]
    title = f"{compared.run.case.name}: average precision by whether the IP was trained on"
    return [markdown_table(title, header, rows)]


def overview(found: Sequence[Compared], metric: str) -> str:
    """One figure of all systems in all cases; with its mean where all cases are of one group."""
    one_group = of_one_group(found)
    by_name = [{OURS: c.ours, **{peer.name: pair.second for peer, pair in c.peers}} for c in found]
    names = dict.fromkeys(name for case in by_name for name in case)
    header, rows = ["", *(compared.run.case.name for compared in found)], []
    for name in names:
        values = [case[name].metrics[metric] if name in case else None for case in by_name]
        rows.append([name, *map(number, values), *(_mean(values) if one_group else [])])
    return markdown_table(f"All cases: {METRICS[metric]}", [*header, *(["mean"] if one_group else [])], rows)


def mean_lead_table(leads: Mapping[str, Difference]) -> str:
    """What `mean_leads` found for each peer."""
    rows = [[name, _difference(lead)] for name, lead in leads.items()]
    return markdown_table("Mean of all windows", ["", "ours less it, average precision"], rows)


def _mean(values: Sequence[float | None]) -> list[str]:
    defined = [value for value in values if value is not None]
    return [number(float(np.mean(defined)) if len(defined) == len(values) else None)]


def of_one_group(found: Sequence[Compared]) -> bool:
    """Whether all cases are of the same group, so that their mean has a meaning."""
    groups = {compared.run.case.group for compared in found}
    return len(groups) == 1 and None not in groups


def _metrics(evaluation: Evaluation) -> list[str]:
    return [_metric(evaluation, name) for name in METRICS]


def _metric(evaluation: Evaluation, name: str) -> str:
    bounds = evaluation.intervals.get(name)
    interval = f" ({number(bounds[0])} to {number(bounds[1])})" if bounds else ""
    return number(evaluation.metrics[name]) + interval


def _difference(found: Difference) -> str:
    interval = "" if found.low is None else f" ({_signed(found.low)} to {_signed(found.high)})"
    return _signed(found.value) + interval


def _signed(value: float | None) -> str:
    return number(value) if value is None or value < 0 else f"+{number(value)}"


def number(value: float | None) -> str:
    """Three places after the point and no zero before it, as in the README."""
    if value is None:
        return "-"
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text


def _chosen(peer: PeerRun) -> str:
    return ", ".join(f"{name} {value}" for name, value in peer.settings.items())
