"""A workspace as a data scientist works with it: tables, questions, releases, scores, evaluations, the report."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.evaluation.metrics import ALERTS_PER_DAY
from counterfoil.domain.periods import LABEL_DELAY, Period
from counterfoil.domain.tables import SCORE_TABLE
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.insights import live, queries
from counterfoil.insights.defaults import with_defaults
from counterfoil.insights.live import EffectView
from counterfoil.insights.results import Cases, EvaluationView, ReleaseView, ScoredCase
from counterfoil.insights.rows import LakeTables, Rows
from counterfoil.steps.features import build_features
from counterfoil.steps.insights.evaluate_run import evaluate_run
from counterfoil.steps.insights.riskiest import cases_of, riskiest
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.releases.registration import load_release
from counterfoil.steps.releases.releases import resolve
from counterfoil.steps.scoring.feedback import FEEDBACK
from counterfoil.workspace.wiring import Workspace, open_workspace

Day = date | str
"""A UTC day, as a date or written as 2026-01-31; both ends of a period are included."""


def open_lab(folder: Path | str | None = None) -> "Lab":
    """Open the workspace in `folder`, or that of the environment's settings.

    >>> import counterfoil as cf
    >>> lab = cf.open(folder)
    >>> lab.tables.rejected.columns
    ('source', 'source_line', 'reason', 'message')
    """
    # tqdm, which the sentence encoder brings, asks notebooks for widgets that nothing here needs.
    warnings.filterwarnings("ignore", message="IProgress not found")
    return Lab(open_workspace(None if folder is None else Path(folder)))


@dataclass(frozen=True)
class Scores:
    """A run of scores. `rows` are its payments, `riskiest` shows the highest of them beside their precedents."""

    lab: "Lab"
    run: str

    @property
    def rows(self) -> Rows:
        """The scores, as they lie in the lake."""
        parts = [pa.parquet.read_table(path) for path in self.lab.place.tables.files(SCORE_TABLE, self.run)]
        return Rows(f"scores of run {self.run}", pa.concat_tables(parts))

    def riskiest(self, most: int = 5) -> Cases:
        """The payments with the highest signals, each beside its precedents."""
        place = self.lab.place
        return Cases(tuple(riskiest(place.tables, place.references_for_scoring, self.run, most=most)))

    def evaluate(self, alerts_per_day: int = ALERTS_PER_DAY) -> EvaluationView:
        """What the scores are worth by the labels that are known."""
        return self.lab.evaluate(self.run, alerts_per_day)


class Lab:
    """A workspace to work with; `place` has its stores for whoever needs more.

    Nothing is opened or read before it is asked for. Every method that makes something writes it where the command
    line would, so both can go on with what the other made.
    """

    def __init__(self, place: Workspace) -> None:
        self.place = place

    @property
    def tables(self) -> LakeTables:
        """The tables of the lake: `lab.tables.transactions.pandas()`, `.arrow()` or `.duckdb()`."""
        return LakeTables(self.place.tables)

    def questions(self) -> Rows:
        """The named queries and what they answer.

        >>> lab.questions().pandas().name.head(3).tolist()
        ['alert_precision', 'alert_volume', 'blocklisted_source_ips']
        """
        found = queries.queries().values()
        listed = {"name": [q.name for q in found], "question": [q.question for q in found]}
        return Rows("Questions for lab.query", pa.table(listed))

    def query(self, name: str, since: Day | None = None, until: Day | None = None, **parameters: Any) -> Rows:
        """Answer a named question; `parameters` are those of `QueryParameters`, such as top or release.

        >>> lab.query("fraud_by_day", "2026-01-05", "2026-01-06").pandas()[["currency", "payments"]].shape
        (5, 2)
        """
        wanted = queries.query(name)
        asked = with_defaults(self.place, wanted, _asked(since, until, parameters))
        return Rows(wanted.question, queries.ask(self.place.tables, name, asked))

    def collect(self, files: Sequence[Path | str], mapping: str) -> Rows:
        """Collect payment files; files that were collected before are left alone. Returns a row for each file."""
        place = self.place
        done = collect(
            [Path(file) for file in files], load_mapping(mapping), key=place.pseudonym_key, reader=place.reader,
            tables=place.tables, ledger=place.ledger,
        )  # fmt: skip
        rows = [
            {"file": file.source, "rows": file.rows_in, "collected": file.rows_out,
             "rejected": sum(file.rejected.values()), "collected before": file.skipped}
            for file in done
        ]  # fmt: skip
        return Rows("Collected files", pa.Table.from_pylist(rows))

    def features(self, mapping: str, since: Day | None = None, until: Day | None = None) -> int:
        """Build the evidence of the collected payments; return how many have some."""
        return build_features(
            self.place.tables, load_mapping(mapping), label_delay=LABEL_DELAY, period=_period(since, until)
        )

    def fit(
        self, mapping: str, since: Day | None = None, until: Day | None = None, *, known_until: Day | None = None,
        quick: bool = False, **options: Any,
    ) -> ReleaseView:  # fmt: skip
        """Train a release on a span of days and register it; `options` are those of `TrainingRequest`.

        Only labels count that were known at the midnight of `known_until`; all if it is not given. `quick` grows few
        trees and chooses from few mixtures: to try things out, not to serve.
        """
        from counterfoil.domain.training.options import TrainingOptions
        from counterfoil.steps.train import TrainingRequest, train

        limit = None if known_until is None else _midnight(_day(known_until))
        request = replace(TrainingRequest(_period(since, until), limit), **options)
        if quick:
            request = replace(request, options=TrainingOptions(shares=(0.2,), neighbours=(5,), trees=16, rounds=20))
        place = self.place
        return ReleaseView(train(place.stores, load_mapping(mapping), request))

    def release(self, name: str | None = None) -> ReleaseView:
        """A release by id or alias; the champion, else the newest, if no name is given."""
        return ReleaseView(load_release(self.place.registry, resolve(self.place.registry, name)))

    def releases(self) -> Rows:
        """All releases, the newest first."""
        rows = [
            {"release": found.release_id, "is": ", ".join(found.aliases), "mapping": found.tags.get("mapping"),
             "gate": found.tags.get("gate"), "average precision": found.metrics.get("average_precision")}
            for found in self.place.registry.releases()
        ]  # fmt: skip
        return Rows("Releases", pa.Table.from_pylist(rows))

    def score(self, since: Day | None = None, until: Day | None = None, *, release: str | None = None) -> Scores:
        """Score the payments that have evidence with the code that serves; the same call again gives the same run."""
        from counterfoil.steps.scoring.score import detect

        place = self.place
        detector = place.detector(release)
        return Scores(self, detect(place.tables, detector, period=_period(since, until), compute=place.compute))

    def scores(self, run: str | None = None) -> Scores:
        """A run of scores; the newest if none is named. Raises NotFoundError, which names those there are.

        >>> lab.scores("first").evaluate()["average_precision"] > 0.5
        True
        """
        runs = self.place.tables.runs(SCORE_TABLE)
        if not runs or (run is not None and run not in runs):
            raise NotFoundError(f"no scores of run {run or 'any'}; there are: {', '.join(runs) or 'none'}")
        return Scores(self, run or runs[-1])

    def explain(self, transaction_id: str, release: str | None = None) -> ScoredCase:
        """A scored payment with its reasons and precedents. Raises NotFoundError if it was not scored."""
        release_id = release or queries.newest_release(self.place.tables)
        store = self.place.references_for_scoring
        found = [] if release_id is None else cases_of(self.place.tables, store, release_id, [transaction_id])
        if not found:
            raise NotFoundError(f"transaction {transaction_id!r} was not scored by release {release_id or 'any'}")
        return ScoredCase(found[0])

    def evaluate(self, run: str | None = None, alerts_per_day: int = ALERTS_PER_DAY) -> EvaluationView:
        """What the scores of a run, the newest if none is named, are worth by the labels that are known."""
        scores = self.scores(run)
        return EvaluationView(scores.run, evaluate_run(self.place.tables, scores.run, alerts_per_day=alerts_per_day))

    def thresholds(self, run: str | None = None) -> Rows:
        """What alerting from some signals on would have meant in a run, by the labels that are known."""
        from counterfoil.steps.insights.thresholds import thresholds_of_run

        scores = self.scores(run)
        found = thresholds_of_run(self.place.tables, self.place.registry, scores.run)
        points = [(f"{budget} alerts a day", point) for budget, point in found.by_budget]
        named = [(name, getattr(found, name)) for name in ("review", "block", "best")]
        kept = [(name, point) for name, point in [*points, *named] if point is not None]
        rows = [{"where": name, **asdict(point)} for name, point in kept]
        return Rows(f"Thresholds of run {scores.run}", pa.Table.from_pylist(rows))

    def score_payment(self, **payment: Any) -> ScoredCase:
        """Score one payment as the service does, and keep the score: fields as in `POST /v1/score`, amounts as text.

        What was never seen of its account counts as new: 'counterfoil profiles build' tells the service what is in the
        lake. Raises UsageError for a payment that cannot be read.
        """
        return live.score_payment(self.place, payment)

    def effect_of(self, transaction_id: str, verdict: str, *, by: str) -> EffectView:
        """What a verdict on a payment that was scored one by one would do to the last scores; nothing is kept."""
        return live.effect_of(self.place, transaction_id, verdict, by)

    def say(self, transaction_id: str, verdict: str, *, by: str, reason: str) -> EffectView:
        """Keep what somebody says of a scored payment in the decision log; it is never changed, only added to.

        It becomes a label of the lake, and acts on other scores at once if the payment was scored one by one. Raises
        UsageError for another verdict than fraud, good, unsure or retracted, or without a person or a reason.
        """
        live.verdict_of(verdict)
        if transaction_id not in self.place.scores.find([transaction_id]):
            self.explain(transaction_id)
        return live.say(self.place, transaction_id, verdict, by, reason)

    def said(self) -> Rows:
        """What people said of scored payments; of each payment the last word counts."""
        last = {entry.subject: entry for entry in self.place.decisions.entries(FEEDBACK)}
        rows = [
            {"transaction_id": name, "verdict": entry.details["verdict"], "by": entry.actor, "reason": entry.reason}
            for name, entry in last.items()
            if entry.details["verdict"] != "retracted"
        ]
        kinds = [(name, pa.string()) for name in ("transaction_id", "verdict", "by", "reason")]
        return Rows("What was said", pa.Table.from_pylist(rows, schema=pa.schema(kinds)))

    def report(self, since: Day, until: Day, out: Path | str | None = None, **parameters: Any) -> Path:
        """Write the insight report of a period as one HTML file; in the workspace unless `out` says where."""
        from counterfoil.insights.report import write_report

        asked = _asked(since, until, {"top": 15, **parameters})
        return write_report(self.place, asked, datetime.now(UTC), None if out is None else Path(out))

    def _repr_html_(self) -> str:
        return f"{self.tables._repr_html_()}{self.releases()._repr_html_()}"


def _day(day: Day) -> date:
    try:
        return date.fromisoformat(day) if isinstance(day, str) else day
    except ValueError:
        raise UsageError(f"{day!r} is no day: write it as 2026-01-31") from None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _period(since: Day | None, until: Day | None) -> Period:
    begin = None if since is None else _midnight(_day(since))
    return Period(begin, None if until is None else _midnight(_day(until)) + timedelta(days=1))


def _asked(since: Day | None, until: Day | None, parameters: dict[str, Any]) -> queries.QueryParameters:
    """The parameters of a query. Raises UsageError for one that no query has."""
    whole = queries.QueryParameters()
    unknown = [name for name in parameters if not hasattr(whole, name)]
    if unknown:
        raise UsageError(f"no query takes {unknown[0]!r}; there are: {', '.join(whole.values())}")
    begin = whole.since if since is None else _day(since)
    end = whole.until if until is None else _day(until) + timedelta(days=1)
    return replace(whole, since=begin, until=end, **parameters)
