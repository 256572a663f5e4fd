"""The life of a release: who is challenger and champion, who was before, and what is out of use.

An alias moves first and the decision log is written after it, so the log never records what did not happen.
A call that was killed between the two is completed by calling it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from counterfoil.domain.release.aliases import CHALLENGER as CHALLENGER
from counterfoil.domain.release.aliases import CHAMPION as CHAMPION
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.releases import DecisionLog, LoggedDecision, ReferenceStore, RegisteredRelease, ReleaseRegistry

CI = "ci"
"""Who promotes to challenger where no operator is named."""

GATE_TAG = "gate"
GATE_PASSED = "passed"
RETIRED_TAG = "retired"
RETIRED = "yes"

PROMOTE = "promote"
ROLLBACK = "rollback"
RETIRE = "retire"


@dataclass(frozen=True)
class Change:
    """What a call came to: the release and what it is now, who was that before, and the log's entry.

    Without an entry nothing was to be done.
    """

    release_id: str
    state: str
    previous: str | None
    entry: LoggedDecision | None


def is_retired(release: RegisteredRelease) -> bool:
    """Return whether a release is out of use."""
    return release.tags.get(RETIRED_TAG) == RETIRED


def find(registry: ReleaseRegistry, name: str) -> RegisteredRelease:
    """Return the release of an id or alias, retired or not. Raises NotFoundError."""
    return _pick(registry.releases(), name)


def _pick(releases: Sequence[RegisteredRelease], name: str) -> RegisteredRelease:
    for release in releases:
        if release.release_id == name or name in release.aliases:
            return release
    there = ", ".join(release.release_id for release in releases) or "none"
    if name in (CHAMPION, CHALLENGER):
        raise NotFoundError(f"no release is {name}: promote one of those there are: {there}")
    raise NotFoundError(f"release {name!r} is neither an id nor an alias; there are: {there}")


def resolve(registry: ReleaseRegistry, name: str | None = None) -> str:
    """Return the id of the release that `name` means: an id, an alias, or None for the one in use.

    In use is the champion if there is one, else the newest release. Raises NotFoundError if there is no such
    release, UsageError if it is retired.
    """
    return (_in_use(registry.releases()) if name is None else _usable(registry.releases(), name)).release_id


def _usable(releases: Sequence[RegisteredRelease], name: str) -> RegisteredRelease:
    release = _pick(releases, name)
    if is_retired(release):
        raise UsageError(
            f"release {release.release_id} is retired: use another one ('counterfoil release list' shows them)"
        )
    return release


def promote(
    registry: ReleaseRegistry,
    log: DecisionLog,
    release_id: str,
    alias: str,
    operator: str | None = None,
    reason: str = "",
    *,
    without_gate: bool = False,
) -> Change:
    """Let a release (id or alias) be challenger or champion. A challenger that becomes champion loses that alias.

    A champion needs an operator, a reason and, unless `without_gate`, a passed gate. Raises UsageError if one
    of them is missing or the release is retired, NotFoundError if it is unknown. Nothing happens where the log
    says already what is asked for, nor when the champion is to be challenger.
    """
    releases = registry.releases()
    release = _usable(releases, release_id)
    if alias == CHAMPION:
        require_person(operator, reason, "a promotion to champion")
        if operator == CI:
            raise UsageError(f"{CI} promotes to {CHALLENGER} only: a {CHAMPION} needs a named operator")
        _require_gate(release, without_gate)
    elif alias != CHALLENGER:
        raise UsageError(f"{alias!r} is no place for a release: promote to {CHALLENGER} or {CHAMPION}")
    elif CHAMPION in release.aliases:
        return Change(release.release_id, CHAMPION, release.release_id, None)
    history = _history(log)
    previous = _holder(releases, alias)
    if previous == release.release_id:  # a killed call has moved the alias: the log says who had it
        previous = history.holder(alias)
    moves = alias not in release.aliases
    if moves:
        registry.set_alias(alias, release.release_id)
    entry = None
    if moves or release.release_id != history.holder(alias):
        details = {"alias": alias, "previous": previous, "gate": release.tags.get(GATE_TAG)}
        details |= {"without_gate": "yes"} if without_gate else {}
        entry = log.append(LoggedDecision(PROMOTE, release.release_id, operator or CI, reason, details))
    if alias == CHAMPION and CHALLENGER in release.aliases:
        # After the log is written, so that a killed `promote challenger` finds its release again.
        registry.set_alias(CHALLENGER, None)
    return Change(release.release_id, alias, previous, entry)


def rollback(registry: ReleaseRegistry, log: DecisionLog, operator: str | None, reason: str) -> Change:
    """Let the champion before the present one be champion again, as the decision log records it.

    A second rollback goes further back, and none goes to a retired release. Raises NotFoundError if there is
    no champion or none before it, UsageError without operator or reason.
    """
    require_person(operator, reason, "a rollback")
    releases = registry.releases()
    current = _pick(releases, CHAMPION).release_id
    usable = {release.release_id for release in releases if not is_retired(release)}
    champions = _history(log).champions
    earlier = [name for name in champions[:-1] if name in usable and name != champions[-1]]
    if champions and current not in (champions[-1], *earlier[-1:]):
        # The alias was moved by hand, or by a promotion that was killed: the log's last champion is before it.
        earlier = [name for name in champions if name in usable]
    if not earlier:
        raise NotFoundError(
            f"no earlier champion to go back to from release {current}: the decision log has none that is not retired;"
            " promote another release"
        )
    target = earlier[-1]
    if target != current:
        registry.set_alias(CHAMPION, target)
    if target == _holder(releases, CHALLENGER):
        registry.set_alias(CHALLENGER, None)
    left = current if current != target else champions[-1]
    entry = log.append(LoggedDecision(ROLLBACK, target, str(operator), reason, {"alias": CHAMPION, "previous": left}))
    return Change(target, f"{CHAMPION} again", left, entry)


def retire(
    registry: ReleaseRegistry,
    log: DecisionLog,
    release_id: str,
    operator: str | None,
    reason: str,
    *,
    drop_from: ReferenceStore | None = None,
    even_in_use: bool = False,
) -> Change:
    """Take a release out of use. Its references stay, so that its scores can be replayed, unless `drop_from` is
    the store to drop them from.

    With `even_in_use` a champion or challenger loses that alias, and nobody has it. Raises UsageError if it is one of
    them otherwise, or without operator or reason; NotFoundError.
    """
    require_person(operator, reason, "a retirement")
    release = find(registry, release_id)
    had = [alias for alias in (CHAMPION, CHALLENGER) if alias in release.aliases]
    if had and not even_in_use:
        raise UsageError(
            f"release {release.release_id} is {had[0]} and cannot be retired: promote another first, or give "
            "--even-in-use, and there is none until one is promoted"
        )
    if not is_retired(release):
        registry.tag(release.release_id, RETIRED_TAG, RETIRED)
    for alias in had:
        registry.set_alias(alias, None)
    if drop_from is not None:
        drop_from.drop(release.release_id)
    told = [entry.details.get("references") for entry in log.entries(RETIRE, release.release_id)]
    what = "kept" if drop_from is None else "dropped"
    if what in told or "dropped" in told:
        return Change(release.release_id, RETIRED_TAG, None, None)
    entry = log.append(LoggedDecision(RETIRE, release.release_id, str(operator), reason, {"references": what}))
    return Change(release.release_id, RETIRED_TAG, None, entry)


@dataclass(frozen=True)
class _History:
    """What the log records: the challenger, and the champions that a rollback may go through (the last is champion)."""

    champions: tuple[str, ...]
    challenger: str | None

    def holder(self, alias: str) -> str | None:
        """The release that has an alias by the log."""
        return self.challenger if alias == CHALLENGER else (self.champions[-1] if self.champions else None)


def _history(log: DecisionLog) -> _History:
    champions: list[str] = []
    challenger: str | None = None
    for entry in log.entries():
        if entry.kind == PROMOTE and entry.details.get("alias") == CHALLENGER:
            challenger = entry.subject
        elif entry.kind in (PROMOTE, ROLLBACK):
            back = entry.kind == ROLLBACK or champions[-1:] == [entry.subject]
            champions = _up_to(champions, entry.subject) if back else [*champions, entry.subject]
            challenger = None if challenger == entry.subject else challenger
    return _History(tuple(champions), challenger)


def _up_to(champions: Sequence[str], release_id: str) -> list[str]:
    """Return the champions up to the last time that this one was."""
    if release_id not in champions:
        return [*champions, release_id]
    last = max(place for place, name in enumerate(champions) if name == release_id)
    return list(champions[: last + 1])


def _holder(releases: Sequence[RegisteredRelease], alias: str) -> str | None:
    return next((release.release_id for release in releases if alias in release.aliases), None)


def _in_use(releases: Sequence[RegisteredRelease]) -> RegisteredRelease:
    usable = [release for release in releases if not is_retired(release)]
    if not usable:
        raise NotFoundError("no release in this workspace: run 'counterfoil train' first")
    champion = [release for release in usable if CHAMPION in release.aliases]
    return (champion or usable)[0]


def require_person(operator: str | None, reason: str, what: str) -> None:
    """Raise UsageError, which names the options, unless somebody decided `what`, for a reason."""
    missing = [f"--{name}" for name, value in (("operator", operator), ("reason", reason)) if not (value or "").strip()]
    if missing:
        raise UsageError(f"{what} is somebody's decision: give {' and '.join(missing)}")


def _require_gate(release: RegisteredRelease, without_gate: bool) -> None:
    verdict = release.tags.get(GATE_TAG)
    if verdict != GATE_PASSED and not without_gate:
        raise UsageError(
            f"release {release.release_id} has not passed the gate (its verdict: {verdict or 'none'}): train it with "
            "the training pipeline, or promote it with --without-gate, which the decision log will record"
        )
