"""The most telling cases of a period, each beside its precedents."""

from dataclasses import replace

from counterfoil.adapters.report.page import CaseView, Line, Section
from counterfoil.errors import CounterfoilError
from counterfoil.insights.queries import Query
from counterfoil.insights.report.source import Source
from counterfoil.steps.insights.riskiest import Case, Payment, cases_of

EACH = 2
PRECEDENTS_A_SIDE = 3
REASONS = 4

_CHOSEN = {
    "caught": ("label = 1 AND anomaly_signal >= :review", "DESC"),
    "false alarm": ("label = 0 AND anomaly_signal >= :review", "DESC"),
    "missed": ("label = 1 AND anomaly_signal < :review", "ASC"),
    "not labelled yet": ("label IS NULL AND anomaly_signal >= :review", "DESC"),
}
"""By verdict: which payments, and which end of the signals says most."""
_SIDES = {1: "fraud", 0: "good", None: "unknown"}


def case_section(source: Source) -> Section:
    """Frauds that were caught and missed, false alarms, and alerts that nobody has looked at, two each."""
    verdicts: dict[str, str] = {}
    for verdict, (condition, order) in _CHOSEN.items():
        text = (
            f"SELECT transaction_id FROM scored_payments WHERE {condition} "
            f"ORDER BY anomaly_signal {order}, event_time, transaction_id LIMIT :top"
        )
        found = source.answer(Query("cases", "", text), replace(source.parameters, top=EACH))
        if found is not None:
            verdicts |= dict.fromkeys(found.column("transaction_id").to_pylist(), verdict)
    if not verdicts or source.asked.release is None:
        return Section("cases", "Cases", "No alert and no known fraud among the scored payments of this period.")
    try:
        place = source.place
        cases = cases_of(place.tables, place.references_for_scoring, source.asked.release, list(verdicts))
    except CounterfoilError as error:
        source.note(f"Cases are missing, as their precedents could not be read: {error}")
        return Section("cases", "Cases", "The precedents could not be read.")
    return Section("cases", "Cases", "The clearest of each kind, beside the kept payments they are most like.",
                   cases=[case_view(case, verdicts[case.payment.id]) for case in cases])  # fmt: skip


def case_view(case: Case, verdict: str) -> CaseView:
    """A case in words: the nearest precedents of both sides, the weightiest reasons."""
    nearest = [
        _line(precedent, f"known {_SIDES[precedent.label]}, similarity {precedent.similarity:.4f}")
        for label in (1, 0)
        for precedent in [p for p in case.precedents if p.label == label][:PRECEDENTS_A_SIDE]
    ]
    return CaseView(verdict, case.signal, _line(case.payment, case.payment.id), case.reasons[:REASONS], tuple(nearest))


def _line(payment: Payment, title: str) -> Line:
    amount = None if payment.amount is None else f"{payment.amount:,.2f} {payment.currency or ''}".strip()
    facts = (f"{payment.event_time:%Y-%m-%d %H:%M}", amount, payment.merchant, payment.category)
    return Line(_SIDES[payment.label], title, tuple(fact for fact in facts if fact))
