"""Who is champion, who was before, who decided: also after a kill at any moment."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from release_stores import Killed, MemoryReferences, MemoryReleases

from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.releases import RegisteredRelease
from counterfoil.steps.releases.releases import find, promote, resolve, retire, rollback


class World(MemoryReleases):
    """A registry with its decision log, and the references beside it, all in memory."""

    def drop(self, release_id: str) -> None:
        MemoryReferences(self).drop(release_id)

    def told(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        return [(entry.kind, entry.subject, entry.details) for entry in self.log]


def world(*names: str, gate: str = "passed") -> World:
    found = {n: RegisteredRelease(n, number, {}, {"gate": gate}) for number, n in enumerate(names, 1)}
    return World(Path(), found, bases=dict.fromkeys(names, pa.table({})))


def crown(place: World, *names: str) -> None:
    for name in names:
        promote(place, place, name, "champion", "ada", "better")


class TestResolve:
    def test_an_id_an_alias_and_nothing(self) -> None:
        place = world("r1", "r2", "r3")
        assert resolve(place) == "r3"
        place.set_alias("champion", "r1")
        place.set_alias("challenger", "r2")
        assert [resolve(place, name) for name in (None, "champion", "challenger", "r3")] == ["r1", "r1", "r2", "r3"]

    def test_the_newest_that_is_not_retired_is_in_use(self) -> None:
        place = world("r1", "r2")
        retire(place, place, "r2", "ada", "leaks")
        assert resolve(place) == "r1"
        assert find(place, "r2").release_id == "r2"
        with pytest.raises(UsageError, match="r2 is retired"):
            resolve(place, "r2")

    @pytest.mark.parametrize(
        ("name", "message"),
        [("r9", "'r9' is neither an id nor an alias; there are: r1"), ("champion", "no release is champion.*r1")],
    )
    def test_an_unknown_one_is_named_with_those_there_are(self, name: str, message: str) -> None:
        with pytest.raises(NotFoundError, match=message):
            resolve(world("r1"), name)

    def test_no_release_at_all(self) -> None:
        with pytest.raises(NotFoundError, match="run 'counterfoil train'"):
            resolve(world())


class TestPromote:
    def test_ci_promotes_to_challenger(self) -> None:
        place = world("r1", "r2", gate="failed")
        assert promote(place, place, "r1", "challenger").previous is None
        change = promote(place, place, "r2", "challenger", reason="passed the gate")
        assert (change.release_id, change.previous, place.holder("challenger")) == ("r2", "r1", "r2")
        assert [(entry.actor, entry.reason) for entry in place.log] == [("ci", ""), ("ci", "passed the gate")]
        assert place.told()[1] == ("promote", "r2", {"alias": "challenger", "previous": "r1", "gate": "failed"})

    def test_a_champion_is_challenger_no_more(self) -> None:
        place = world("r1")
        promote(place, place, "r1", "challenger")
        change = promote(place, place, "challenger", "champion", "ada", "better")
        assert (change.release_id, place.found["r1"].aliases) == ("r1", ("champion",))
        assert place.log[-1].actor == "ada"
        with pytest.raises(NotFoundError, match="no release is challenger"):
            promote(place, place, "challenger", "champion", "ada", "better")

    def test_another_challenger_stays(self) -> None:
        place = world("r1", "r2")
        promote(place, place, "r2", "challenger")
        crown(place, "r1")
        assert (place.holder("champion"), place.holder("challenger")) == ("r1", "r2")

    @pytest.mark.parametrize(
        ("operator", "reason", "message"),
        [
            (None, "better", "give --operator$"), ("ada", " ", "give --reason$"),
            (None, "", "give --operator and --reason"), ("ci", "better", "ci promotes to challenger only"),
        ],
    )  # fmt: skip
    def test_a_champion_needs_an_operator_and_a_reason(self, operator: str | None, reason: str, message: str) -> None:
        place = world("r1")
        with pytest.raises(UsageError, match=message):
            promote(place, place, "r1", "champion", operator, reason)
        assert (place.writes, place.log) == (0, [])

    @pytest.mark.parametrize("tags", [{}, {"gate": "failed"}])
    def test_a_champion_needs_a_passed_gate(self, tags: dict[str, str]) -> None:
        place = world("r1")
        place.found["r1"] = replace(place.found["r1"], tags=tags)
        with pytest.raises(UsageError, match=r"has not passed the gate.*--without-gate"):
            crown(place, "r1")
        assert place.writes == 0
        promote(place, place, "r1", "champion", "ada", "hotfix", without_gate=True)
        assert place.holder("champion") == "r1"
        assert place.log[0].details["without_gate"] == "yes"

    def test_what_is_so_already_is_not_told_again(self) -> None:
        place = world("r1", "r2")
        crown(place, "r1")
        promote(place, place, "r2", "challenger")
        before = place.writes
        crown(place, "r1")
        assert promote(place, place, "r2", "challenger").entry is None
        change = promote(place, place, "champion", "challenger")
        assert (change.state, change.entry) == ("champion", None)
        assert place.writes == before
        assert place.holder("challenger") == "r2"

    def test_an_alias_that_was_moved_by_hand_is_moved_back_and_told(self) -> None:
        place = world("r1", "r2")
        crown(place, "r1")
        place.set_alias("champion", "r2")
        crown(place, "r1")
        assert place.holder("champion") == "r1"
        assert place.told()[1] == ("promote", "r1", {"alias": "champion", "previous": "r2", "gate": "passed"})

    def test_retired_and_unknown_releases_and_places(self) -> None:
        place = world("r1", "r2")
        retire(place, place, "r1", "ada", "leaks")
        with pytest.raises(UsageError, match="r1 is retired"):
            crown(place, "r1")
        with pytest.raises(NotFoundError, match="'r9'"):
            crown(place, "r9")
        with pytest.raises(UsageError, match="'emperor' is no place"):
            promote(place, place, "r2", "emperor", "ada", "x")


def test_a_champion_that_cannot_be_read_is_retired_and_there_is_none() -> None:
    place = world("r1", "r2")
    crown(place, "r1")
    with pytest.raises(UsageError, match=r"r1 is champion.*--even-in-use"):
        retire(place, place, "r1", "ada", "of an older format")
    retire(place, place, "r1", "ada", "of an older format", even_in_use=True)
    assert find(place, "r1").aliases == ()
    assert resolve(place) == "r2"
    crown(place, "r2")
    assert resolve(place, "champion") == "r2"


class TestRollback:
    def test_each_goes_further_back(self) -> None:
        place = world("r1", "r2", "r3")
        crown(place, "r1", "r2", "r3")
        back = [rollback(place, place, "ada", "worse") for _ in range(2)]
        assert [(change.release_id, change.previous) for change in back] == [("r2", "r3"), ("r1", "r2")]
        assert place.holder("champion") == "r1"
        assert place.told()[-1] == ("rollback", "r1", {"alias": "champion", "previous": "r2"})
        with pytest.raises(NotFoundError, match="no earlier champion to go back to from release r1"):
            rollback(place, place, "ada", "worse")

    def test_what_was_rolled_back_is_not_gone_back_to(self) -> None:
        place = world("r1", "r2", "r3")
        crown(place, "r1", "r2")
        rollback(place, place, "ada", "worse")
        crown(place, "r3")
        assert rollback(place, place, "ada", "worse").release_id == "r1"

    def test_retired_releases_are_passed_by(self) -> None:
        place = world("r1", "r2", "r3")
        crown(place, "r1", "r2", "r3")
        retire(place, place, "r2", "ada", "leaks")
        assert rollback(place, place, "ada", "worse").release_id == "r1"

    def test_the_champion_itself_is_nothing_to_go_back_to(self) -> None:
        place = world("r1", "r2")
        crown(place, "r1", "r2", "r1")
        retire(place, place, "r2", "ada", "leaks")
        with pytest.raises(NotFoundError, match="no earlier champion"):
            rollback(place, place, "ada", "worse")

    def test_one_that_is_champion_again_leaves_the_challengers_place(self) -> None:
        place = world("r1", "r2")
        crown(place, "r1", "r2")
        promote(place, place, "r1", "challenger")
        rollback(place, place, "ada", "worse")
        assert (place.holder("champion"), place.holder("challenger")) == ("r1", None)

    def test_an_alias_that_was_moved_by_hand_goes_back_to_the_logs_champion(self) -> None:
        place = world("r1", "r2", "r3")
        crown(place, "r1", "r2")
        place.set_alias("champion", "r3")
        change = rollback(place, place, "ada", "who was that?")
        assert (change.release_id, change.previous) == ("r2", "r3")
        assert rollback(place, place, "ada", "worse").release_id == "r1"

    def test_it_needs_a_champion_an_operator_and_a_reason(self) -> None:
        place = world("r1", "r2")
        with pytest.raises(NotFoundError, match="no release is champion"):
            rollback(place, place, "ada", "worse")
        crown(place, "r1", "r2")
        with pytest.raises(UsageError, match="--reason"):
            rollback(place, place, "ada", "")


class TestRetire:
    @pytest.mark.parametrize("alias", ["champion", "challenger"])
    def test_one_in_use_is_not_retired(self, alias: str) -> None:
        place = world("r1")
        place.set_alias(alias, "r1")
        with pytest.raises(UsageError, match=f"r1 is {alias} and cannot be retired"):
            retire(place, place, "r1", "ada", "old")
        assert place.found["r1"].tags == {"gate": "passed"}

    def test_references_stay_unless_they_are_dropped(self) -> None:
        place = world("r1")
        retire(place, place, "r1", "ada", "old")
        assert (set(place.bases), place.found["r1"].tags["retired"]) == ({"r1"}, "yes")
        assert retire(place, place, "r1", "ada", "old").entry is None
        assert retire(place, place, "r1", "bob", "space", drop_from=place).entry is not None  # type: ignore[arg-type]
        assert place.bases == {}
        assert retire(place, place, "r1", "bob", "space", drop_from=place).entry is None  # type: ignore[arg-type]
        told = [("retire", "r1", {"references": "kept"}), ("retire", "r1", {"references": "dropped"})]
        assert place.told() == told

    def test_it_needs_an_operator_and_a_release(self) -> None:
        place = world("r1")
        with pytest.raises(UsageError, match="--operator"):
            retire(place, place, "r1", "", "old")
        with pytest.raises(NotFoundError, match="'r9'"):
            retire(place, place, "r9", "ada", "old")


# A call is killed before one of its writes and made again: the same comes of it as if it had not been.

NAMES = st.sampled_from(["r1", "r2", "r3"])
CALLS = st.one_of(
    st.tuples(st.just("champion"), NAMES),
    st.tuples(st.just("challenger"), NAMES),
    st.tuples(st.just("champion"), st.just("challenger")),
    st.tuples(st.just("rollback"), st.just("")),
    st.tuples(st.just("retire"), NAMES),
    st.tuples(st.just("drop"), NAMES),
)


def call(place: World, what: str, name: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "rollback": lambda: rollback(place, place, "ada", "x"),
        "retire": lambda: retire(place, place, name, "ada", "x"),
        "drop": lambda: retire(place, place, name, "ada", "x", drop_from=place),  # type: ignore[arg-type]
    }
    with suppress(NotFoundError, UsageError):
        calls.get(what, lambda: promote(place, place, name, what, "ada", "x"))()


@given(st.lists(st.tuples(CALLS, st.integers(0, 3)), max_size=12))
def test_a_killed_call_is_completed_by_a_rerun(calls: list[tuple[tuple[str, str], int]]) -> None:
    smooth, rough = world("r1", "r2", "r3"), world("r1", "r2", "r3")
    for (what, name), dies_after in calls:
        call(smooth, what, name)
        rough.dies_at = rough.writes + dies_after
        try:
            call(rough, what, name)
        except Killed:
            rough.dies_at = None
            call(rough, what, name)
        assert rough.found == smooth.found
        assert rough.told() == smooth.told()
    assert rough.bases == smooth.bases


@given(st.lists(CALLS, max_size=15))
def test_the_log_tells_who_is_champion_and_no_champion_is_retired(calls: list[tuple[str, str]]) -> None:
    place = world("r1", "r2", "r3")
    for what, name in calls:
        call(place, what, name)
    told = [entry.subject for entry in place.log if entry.details.get("alias") == "champion"]
    assert place.holder("champion") == (told[-1] if told else None)
    assert all(not release.aliases for release in place.found.values() if "retired" in release.tags)
    assert place.holder("champion") is None or place.holder("champion") != place.holder("challenger")
