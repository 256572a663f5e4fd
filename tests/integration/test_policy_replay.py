"""`policy backtest` decides on a replayed week exactly as the service did, whatever changed meanwhile."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from counterfoil.cli import main
from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.intake.requests import clean_requests
from counterfoil.domain.periods import Period
from counterfoil.domain.policy.contender import Change
from counterfoil.domain.policy.desk_words import Entity, ListEffect
from counterfoil.domain.policy.fields import known_fields
from counterfoil.domain.policy.rules import RuleSet, read_rules
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.steps.insights.online_trial import kept_scores, replayed
from counterfoil.steps.releases.registration import load_release
from counterfoil.steps.scoring.policies import approve, propose
from counterfoil.workspace.policy_files import add_values, end_list_entry
from counterfoil.workspace.policy_trials import shadow_of, try_online

pytestmark = pytest.mark.xdist_group("service")

A_REQUEST = 25


@pytest.fixture(scope="module")
def scoring_place(own_scoring_place: Any) -> Any:
    return own_scoring_place


def rules(name: str, limit: float) -> RuleSet:
    """Rules on money, on the signal, on calculated evidence and on texts, which speak about one payment in five."""
    conditions = {
        "dear": (f"amount > {limit} && anomaly_signal < 0.9", "review"),
        "odd": ("account_amount_to_mean_30d > 1.5 && account_amount_mean_30d / amount < 0.7", "review"),
        "first": ("account_merchant_is_first_30d == 1.0 && amount * 1.1 > 60.0", "block"),
        "known": ("known(device_count_1d) || category in ['grocery'] && amount < 9.99", "allow"),
        "near": ("fraud_similarity + 0.25 > good_similarity && novelty > 0.5", "fatal block"),
    }
    fields = known_fields() | {"device_count_1d": known_fields()["amount"]}
    text = "".join(
        f'[[rule]]\nid = "{name}"\nwhen = "{when}"\neffect = "{effect}"\nowner = "desk"\nreason = "a test"\n'
        for name, (when, effect) in conditions.items()
    )
    return read_rules(f'name = "{name}"\n{text}', fields)


def exit_code(*words: str) -> Any:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


def in_force(place: Any, wanted: RuleSet) -> None:
    propose(place.decisions, wanted, "Ann", "for a test")
    approve(place.decisions, wanted.version, "Bob", "for a test")


@dataclass(frozen=True)
class Week:
    """What the service answered to a week of payments, by payment, and the two rule sets that were in force.

    A third one was `proposed` when `before` payments were scored, and waits.
    """

    begun: datetime
    online: dict[str, dict[str, Any]]
    rule_sets: tuple[RuleSet, RuleSet]
    proposed: RuleSet
    before: int


@pytest.fixture(scope="module")
def week(scoring_place: Any) -> Week:
    """Score a week as the service does; rules and lists change meanwhile."""
    place = scoring_place.open(service_profile_deadline_ms=60_000)
    payments = [row for row in scoring_place.newer if row["paid_at"] < "2024-02-19"]
    assert len(payments) > 300
    merchant, _ = Counter(row["merchant"] for row in payments).most_common(1)[0]
    done = Week(
        datetime.now(UTC), {}, (rules("first", 40.0), rules("second", 25.0)), rules("third", 20.0), A_REQUEST * 6
    )
    in_force(place, done.rule_sets[0])
    for number in range(0, len(payments), A_REQUEST):
        if number == A_REQUEST * 4:
            add_values(place, "watched", merchant, ListEffect.WATCH, Entity.MERCHANT, None, "Ann", "a ring")
        if number == done.before:
            propose(place.decisions, done.proposed, "Cem", "it may find more")
        if number == A_REQUEST * 8:
            in_force(place, done.rule_sets[1])
        if number == A_REQUEST * 10:
            end_list_entry(place, "watched", Entity.MERCHANT, merchant, "Ann", "it was nothing")
            add_values(place, "stopped", payments[-1]["account"], ListEffect.BLOCK, Entity.ACCOUNT, None, "Ann", "x")
        in_use = place.champion.refresh()
        arrivals = clean_requests(payments[number : number + A_REQUEST], in_use.source, key=place.pseudonym_key)
        done.online.update({kept.transaction_id: kept.answer for kept in place.online_scorer.score(arrivals, in_use)})
    return done


def test_a_backtest_decides_on_a_replayed_week_as_the_service_did(scoring_place: Any, week: Week) -> None:
    place = scoring_place.open()
    for wanted in week.rule_sets:
        found = {
            row.transaction_id: row
            for row in replayed(
                place.scores, lambda name: load_release(place.registry, name), wanted, Period(since=week.begun)
            )
        }
        assert found.keys() == week.online.keys()
        mine = {name: one for name, one in week.online.items() if one["policy_version"] == wanted.version}
        assert len(mine) > 100
        for name, answer in mine.items():
            again = found[name]
            assert (again.tried, list(again.hits)) == (answer["decision"], answer["policy_hits"])
            assert again.then == answer["decision"]
    assert any(
        found[name].tried != one["decision"] for name, one in week.online.items()
    )  # of the first rule set's days


def test_a_proposal_decides_in_shadow_on_all_that_came_after_it(
    scoring_place: Any, week: Week, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = scoring_place.open()
    later = dict(list(week.online.items())[week.before :])
    everything = replayed(
        place.scores, lambda name: load_release(place.registry, name), week.proposed, Period(since=week.begun)
    )
    wanted = {row.transaction_id: row for row in everything if row.transaction_id in later and row.tried != row.then}
    found = shadow_of(place, week.proposed.version)
    assert found.payments == len(later)
    assert sum(found.changed.values()) == len(wanted) > 0
    assert all(wanted[one.transaction_id] == one for one in found.examples)
    assert found.trial is not None
    assert found.trial.changed == len(wanted)
    kept = {one.transaction_id: one for one in place.scores.latest(10_000, week.begun)}
    moments = [kept[one.transaction_id].scored_at for one in found.examples]
    assert moments == sorted(moments, reverse=True)
    assert all(kept[name].decision == answer["decision"] for name, answer in week.online.items())
    assert shadow_of(place, week.proposed.version, 30).payments == 30
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(scoring_place.root))
    assert exit_code("policy", "shadow", week.proposed.version) == 0
    assert f"would have decided {len(wanted):,} of {len(later):,} payments otherwise" in capsys.readouterr().out
    with pytest.raises(NotFoundError, match="waits for a second signature"):
        shadow_of(place, week.rule_sets[1].version)  # it is in force


def test_rules_of_every_effect_and_lists_speak_in_that_week(week: Week) -> None:
    spoken = {hit for answer in week.online.values() for hit in answer["policy_hits"]}
    assert {
        "review: rule dear", "review: rule odd", "block: rule first", "allow: rule known", "watch: list watched",
        "block: list stopped",
    } <= spoken  # fmt: skip


def test_the_command_tries_rules_on_what_the_service_scored(
    scoring_place: Any, week: Week, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "second.toml"
    file.write_text(week.rule_sets[1].text.replace("known(device_count_1d) || ", ""))
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(scoring_place.root))
    assert exit_code("policy", "backtest", str(file), "--online", "--since", f"{week.begun:%Y-%m-%d}") == 0
    assert "payments are decided differently" in capsys.readouterr().out
    assert exit_code("policy", "backtest", str(file)) == 2
    assert "one of the two" in capsys.readouterr().err


def test_each_kept_score_is_read_once(scoring_place: Any, week: Week, monkeypatch: pytest.MonkeyPatch) -> None:
    place = scoring_place.open()
    monkeypatch.setattr("counterfoil.steps.insights.online_trial.AT_A_TIME", 7)
    read = [one.transaction_id for part in kept_scores(place.scores, Period()) for one in part]
    assert len(read) == len(week.online) > 7
    assert sorted(read) == sorted(one.transaction_id for one in place.scores.latest(1_000_000))


def test_a_span_without_scores_is_told(scoring_place: Any) -> None:
    with pytest.raises(UsageError, match="scored no payments in this span"):
        try_online(
            scoring_place.open(), Change(rules("none", 1.0)), Period(until=datetime(2000, 1, 1, tzinfo=UTC)),
            AlertCosts(),
        )  # fmt: skip


def test_the_command_tries_thresholds_a_list_and_a_budget(
    scoring_place: Any, week: Week, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(scoring_place.root))
    place, online = scoring_place.open(), ("policy", "backtest", "--online")
    again = try_online(place, Change(review=0.0, alerts_per_day=2), Period(), AlertCosts())
    assert again.payments == len(week.online)
    assert again.busiest_day is not None
    assert again.busiest_day[0] == 2
    assert exit_code(*online, "--review", "0", "--alerts-per-day", "2") == 0
    assert "most alerts on a day" in capsys.readouterr().out
    (tmp_path / "codes.csv").write_text("value\n4\n41x\n")
    listed = (*online, "--list", str(tmp_path / "codes.csv"), "--effect", "block", "--entity", "card_bin")
    assert exit_code(*listed) == 2
    assert "no line of codes.csv can be used (2 a BIN has 4 to 8 digits)" in capsys.readouterr().err
    everybody = {one.payment["merchant_id"] for one in place.scores.latest(10_000) if one.payment.get("merchant_id")}
    (tmp_path / "shops.csv").write_text("\n".join(sorted(everybody)))
    listed = (*online, "--list", str(tmp_path / "shops.csv"), "--effect", "block", "--entity", "merchant")
    assert exit_code(*listed) == 0
    told = capsys.readouterr().out
    assert f"list shops.csv: {len(everybody)} rows, {len(everybody)} entries\n" in told
    assert "payments are decided differently" in told
    assert "\n0 of" not in told
    assert exit_code(*online) == 2
    assert "say what is tried" in capsys.readouterr().err
    assert exit_code(*online, "--list", str(tmp_path / "shops.csv")) == 2
    assert "go together" in capsys.readouterr().err
    assert exit_code(*online, "--review", "0.9", "--block", "0.1") == 2
    assert "is below review from 0.9" in capsys.readouterr().err
