"""What the endpoints share: the workspace's stores, the scorer, and the thread that keeps both up to date."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from pydantic_core import from_json, to_json

from counterfoil.errors import ChangedError, CounterfoilError, ReleaseMismatchError, StoreUnavailableError
from counterfoil.ports.json_object import JsonObject
from counterfoil.ports.service import KeptScore, Ready
from counterfoil.service.emf import EmbeddedMetrics
from counterfoil.service.metrics import Metrics
from counterfoil.service.problems import ProblemError
from counterfoil.service.score_sets import Asked, score_together
from counterfoil.steps.privacy.forget_service import remove_from_service
from counterfoil.steps.privacy.score_names import renaming
from counterfoil.steps.scoring.alerts import BACK, LATE
from counterfoil.steps.scoring.cases import alerts_of_service, take_cases
from counterfoil.steps.scoring.champion import InUse
from counterfoil.steps.scoring.confirm import Effect, State
from counterfoil.steps.scoring.drift_now import drift_now
from counterfoil.steps.scoring.feedback import Said, Verdict, give_feedback
from counterfoil.steps.scoring.parity_now import ParityNow
from counterfoil.workspace.shadow import open_shadow
from counterfoil.workspace.wiring import Workspace

READY_SECONDS = 2.0
READY_THREADS = 5
"""One a store: one that hangs keeps none of the others from being asked."""
ALERT_SECONDS = 0.5
"""How often alerts are looked for: they are sent within a second of the decision."""
FOLLOW_SECONDS = 0.25
"""How often a process looks for what feedback changed in others: within a second all of them score alike."""
MINUTE = 60.0
"""How often it is looked whether payments drift and score as in the batch, and metrics are told in the log."""
FAILED_SECONDS = 1.0
"""Work that failed is not tried again sooner."""
log = structlog.get_logger()


class Serving:
    """Scores requests and looks after the stores. Opened once a process."""

    def __init__(self, place: Workspace) -> None:
        self.place = place
        self.settings = place.settings
        self.scorer = place.online_scorer
        self.confirmations = place.confirmations
        self.metrics = Metrics(self.scorer.counts)
        namespace = self.settings.metrics_namespace
        self.embedded = (
            None if namespace is None else EmbeddedMetrics(namespace, lambda told: log.info("metrics", **told))
        )
        self._key = place.pseudonym_key
        self._ahead = timedelta(hours=self.settings.service_clock_ahead_hours)
        self._ended = threading.Event()
        self._in_cases_until = datetime.now(UTC) - BACK
        self._just_forgotten: frozenset[str] = frozenset()
        self._askers = ThreadPoolExecutor(READY_THREADS, thread_name_prefix="ready")
        self._asked: dict[str, Future[object]] = {}
        self._desk = place.alert_desk(lambda alert: log.warning("alert", **alert.content))
        self._shadow = open_shadow(place)
        self._parity = ParityNow(place.scores, place.profiles, self.settings.service_parity_a_minute)
        refresh = self.settings.service_refresh_seconds
        self._threads = [
            threading.Thread(target=self._keep_on, args=(work, seconds), name=work.__name__, daemon=True)
            for work, seconds in (
                (self.refresh, refresh), (self.scorer.catch_up, refresh), (self._desk.work, ALERT_SECONDS),
                (place.champion.follow, FOLLOW_SECONDS), (place.settling.settle, refresh),
                (self.look_at_recent, refresh), (self.take_cases, refresh),
                (self.score_in_shadow, refresh), (self.look_for_drift, MINUTE), (self.look_for_parity, MINUTE),
            )
        ]  # fmt: skip

    def open(self) -> None:
        """Load the release in use; from now on look for a new one. Raises NotFoundError without a release."""
        in_use = self.place.champion.current()
        log.info("serving", release_id=in_use.release_id, mapping=in_use.mapping.name)
        for thread in self._threads:
            thread.start()

    def refresh(self) -> None:
        """Take up a new champion, and drop accounts that were forgotten.

        A round later, what requests that were under way may have written of them since is removed once more.
        """
        champion = self.place.champion
        before = champion.current().forgotten
        new = champion.refresh().forgotten - before
        late, self._just_forgotten = self._just_forgotten, self._just_forgotten | new
        for account in late:
            stores = self.place.service_stores
            remove_from_service(stores, account, stores.rows.payments(account))
        self._just_forgotten -= late
        if new or late:
            self.scorer.drop_histories()
            self._parity.drop()
            self.confirmations.recent.drop()

    def take_cases(self) -> None:
        """Put what was not allowed since the last time into cases."""
        begun, key = datetime.now(UTC), self.place.pseudonym_key
        self.place.cases.rekey(key)
        renamed = renaming(self.place.decisions, key)
        take_cases(self.place.cases, alerts_of_service(self.place.scores, self._in_cases_until, renamed), key.key_id)
        self._in_cases_until = begun - LATE  # what transactions under way keep is read the next time

    def look_at_recent(self) -> None:
        """Keep what feedback is tried on up to date, so that it acts at once."""
        self.confirmations.recent.update(self.place.champion.current().detector)

    def score_in_shadow(self) -> None:
        """Let the challenger score what is new; nothing acts on what it says."""
        for score in self._shadow.work():
            self.metrics.shadow_scores.labels(score.decision).inc()

    def look_for_drift(self) -> None:
        """Keep how far the last payments are from those of the training, and tell the metrics of the last minute."""
        found = drift_now(self.place.scores, self.place.champion.current().detector)
        self.metrics.drifted(found)
        if self.embedded is not None:
            self.embedded.flush(found)

    def look_for_parity(self) -> None:
        """Fold some of the payments of the last minute again, as the batch does, and count what differs."""
        found = self._parity.look(self.place.champion.current())
        self.metrics.compared(found)
        if found.apart:
            log.warning("parity", payments=found.payments, columns=sorted(set(found.apart)))

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count a request and its time."""
        self.metrics.observe(route, status, seconds)
        if self.embedded is not None:
            self.embedded.request(status, seconds)

    def say(
        self, transaction_id: str, verdict: Verdict, by: str, reason: str, *, token: str | None, principal: str,
        at_once: bool = True,
    ) -> tuple[Said, Effect]:  # fmt: skip
        """Keep what somebody says of a payment and let it act. Raises what `give_feedback` does.

        What is kept and does not act yet, since a store is gone or it need not be `at_once`, acts when feedback is
        settled.
        """
        place = self.place
        said = give_feedback(
            place.decisions, place.scores, place.profiles, transaction_id, verdict, by, reason, token=token,
            principal=principal,
        )  # fmt: skip
        self.metrics.feedback.labels(said.verdict).inc()
        if not at_once:
            return said, Effect(State.NONE, "it is kept, and acts within seconds", 0)
        try:
            return said, self.confirmations.apply(transaction_id)
        except (StoreUnavailableError, ChangedError):
            return said, Effect(State.NONE, "it is kept, and acts within seconds", 0)

    def finish_alerts(self) -> None:
        """Send what is due now; what cannot be sent is sent by the next process."""
        with suppress(CounterfoilError):
            self._desk.work()

    def close(self) -> None:
        """Stop looking after the stores."""
        self._ended.set()
        self.scorer.close()
        self._askers.shutdown(wait=False, cancel_futures=True)

    def score(self, payments: Sequence[Mapping[str, Any]], *, source_layout: bool) -> dict[str, Any]:
        """Score payments as the request has them; returns `models.ScoreAnswer`. Raises ProblemError."""
        [found] = self._score([Asked(payments, source_layout)])
        if isinstance(found, ProblemError):
            raise found
        answer: dict[str, Any] = from_json(found)
        return answer

    def score_all(self, asked: Sequence[Asked]) -> list[bytes | Exception]:
        """Score requests, together if that can be: the answer of each as JSON, or its error."""
        if len(asked) > 1:
            try:
                return [*self._score(asked)]
            except StoreUnavailableError as error:
                return [error for _ in asked]
            except Exception as error:  # noqa: BLE001 which of them has it shows when each is scored by itself
                log.info("scored one by one", reason=type(error).__name__)
        return [self._score_alone(one) for one in asked]

    def _score_alone(self, asked: Asked) -> bytes | Exception:
        try:
            return self._score([asked])[0]
        except Exception as error:  # noqa: BLE001 it is raised where it was asked
            return error

    def _score(self, asked: Sequence[Asked]) -> list[bytes | ProblemError]:
        in_use = self.place.champion.current()
        found = score_together(asked, self.scorer, in_use, self._key, datetime.now(UTC) + self._ahead)
        return [
            one if isinstance(one, ProblemError) else self._answer(one, request, in_use)
            for request, one in zip(asked, found, strict=True)
        ]

    def _answer(self, scores: Sequence[KeptScore], asked: Asked, in_use: InUse) -> bytes:
        for score in scores:
            self.metrics.scores.labels(score.decision).inc()
            if self.embedded is not None:
                self.embedded.scored(score.decision)
        told = JsonObject(to_json({"release_id": in_use.release_id, "ignored_fields": asked.ignored(in_use)}))
        return told.with_text("scores", b"[%s]" % b",".join(map(_answer_text, scores)))

    def ready(self) -> Ready:
        """Ask every store, each for two seconds at most."""
        asked = {name: self._asking(name, ask) for name, ask in self._questions().items()}
        wait(asked.values(), READY_SECONDS)
        return Ready({name: _problem(future) for name, future in asked.items()})

    def _asking(self, name: str, ask: Callable[[], object]) -> Future[object]:
        """Ask a store, unless it still owes the answer to the question before: questions must not pile up."""
        asked = self._asked.get(name)
        if asked is None or asked.done():
            asked = self._asked[name] = self._askers.submit(ask)
        return asked

    def _questions(self) -> dict[str, Callable[[], object]]:
        place = self.place
        return {
            "scores": place.scores.ping,
            "profiles": place.profiles.ping,
            "references": self._require_references,
            "registry": place.registry.releases,
            "alerts": self._desk.sink.ping,
        }

    def _require_references(self) -> None:
        release = self.place.champion.current().detector.release
        if self.place.references_for_scoring.checksum(release.release_id) != release.reference_checksum:
            raise ReleaseMismatchError(f"the references of release {release.release_id} are not those it has")

    def _keep_on(self, work: Callable[[], object], seconds: float) -> None:
        """Do something again and again until the service ends; a round that fails is tried again."""
        while not self._ended.is_set():
            pause = seconds
            try:
                work()
            except CounterfoilError as error:
                log.warning("put off", work=work.__name__, reason=type(error).__name__)
                self.metrics.put_off.labels(work.__name__).inc()
                pause = max(seconds, FAILED_SECONDS)
            except Exception as error:  # noqa: BLE001 whatever one round fails with, the next one tries again
                log.error("failed", work=work.__name__, reason=type(error).__name__)
                self.metrics.put_off.labels(work.__name__).inc()
                pause = max(seconds, FAILED_SECONDS)
            self._ended.wait(pause)


def answer_of(score: KeptScore) -> dict[str, Any]:
    """A kept score as it is answered; those of before there were policies have none."""
    return {
        "policy_version": None,
        "policy_hits": [],
        **score.answer,
        "scored_at": None if score.scored_at is None else score.scored_at.isoformat(),
    }


def _answer_text(score: KeptScore) -> bytes:
    """The same as JSON; an answer that was made just now is taken as the text that it is."""
    answer = score.answer
    if isinstance(answer, JsonObject) and score.scored_at is not None:
        return answer.with_text("scored_at", to_json(score.scored_at.isoformat()))
    return to_json(answer_of(score))


def _problem(future: Any) -> str | None:
    """Why a store is not ready; its own words stay in the log, since they may name its address."""
    if not future.done():
        return f"no answer within {READY_SECONDS:g} s"
    error = future.exception()
    if error is None:
        return None
    log.warning("not ready", reason=str(error) if isinstance(error, CounterfoilError) else type(error).__name__)
    return type(error).__name__
