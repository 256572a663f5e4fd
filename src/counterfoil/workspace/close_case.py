"""The command cases close: the outcome is a word on each payment that the service scored, and acts as such."""

from contextlib import suppress

from counterfoil.domain.policy.desk_words import Outcome
from counterfoil.domain.policy.verdicts import Verdict
from counterfoil.errors import ChangedError, NotFoundError, StoreUnavailableError
from counterfoil.steps.scoring.cases import Closed, close_case, through_feedback
from counterfoil.steps.scoring.feedback import give_feedback
from counterfoil.workspace.wiring import Workspace


def close_with_feedback(place: Workspace, case_id: str, outcome: Outcome, operator: str, reason: str) -> Closed:
    """Close a case as the service does; raises what `close_case` does.

    A word that cannot act now, since no release is in use or a store is gone, is kept: it acts when the service
    settles feedback.
    """

    def say(transaction_id: str, verdict: Verdict, at_once: bool) -> None:
        give_feedback(place.decisions, place.scores, place.profiles, transaction_id, verdict, operator, reason)
        if at_once:
            with suppress(ChangedError, NotFoundError, StoreUnavailableError):
                place.confirmations.apply(transaction_id)

    return close_case(
        place.cases, place.tables, case_id, outcome, operator, reason, through_feedback(place.scores, say)
    )
