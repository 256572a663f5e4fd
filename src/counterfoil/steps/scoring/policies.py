"""The life of a policy: somebody proposes a rule set, somebody else signs it, and either can be undone.

Which rule set is in force follows from the decision log alone. An approval counts if its proposal still waits when
the log takes it in; two people who sign at once thus have one effect, whichever came second.
"""

import hashlib
import threading
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from counterfoil.domain.policy.cel_tree import Kind
from counterfoil.domain.policy.desk_words import IN_FORCE
from counterfoil.domain.policy.lists import NO_LISTS, Lists
from counterfoil.domain.policy.policy import Policy
from counterfoil.domain.policy.rules import NO_RULES, RuleSet, read_rules
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys
from counterfoil.errors import ConflictError, NotFoundError
from counterfoil.ports.desk import ListStore
from counterfoil.ports.releases import DecisionLog, LoggedDecision
from counterfoil.steps.releases.releases import require_person

PROPOSE = "policy-propose"
APPROVE = "policy-approve"
ROLLBACK = "policy-rollback"
NO_POLICY = "none"
"""What a rollback of the first policy goes back to."""


@dataclass(frozen=True)
class Standing:
    """What the log records: proposals that wait, by version, and the approved ones up to the one in force."""

    waiting: Mapping[str, LoggedDecision]
    approved: tuple[LoggedDecision, ...]
    proposals: Mapping[str, LoggedDecision]

    @property
    def in_force(self) -> str | None:
        """The version in force, if there is one."""
        return self.approved[-1].subject if self.approved else None


@dataclass(frozen=True)
class Signed:
    """What a signature came to: the version, the one in force now, and whether this entry was what changed it."""

    version: str
    in_force: str | None
    effect: bool


def standing(log: DecisionLog) -> Standing:
    """Read the log."""
    entries = [entry for kind in (PROPOSE, APPROVE, ROLLBACK) for entry in log.entries(kind)]
    waiting: dict[str, LoggedDecision] = {}
    proposals: dict[str, LoggedDecision] = {}
    approved: list[LoggedDecision] = []
    for entry in sorted(entries, key=lambda one: one.sequence or 0):
        if entry.kind == PROPOSE:
            waiting[entry.subject] = proposals[entry.subject] = entry
        elif entry.kind == APPROVE and _counts(entry, waiting.get(entry.subject)):
            del waiting[entry.subject]
            approved.append(entry)
        elif entry.kind == ROLLBACK and approved and approved[-1].sequence == entry.details.get("approval"):
            approved.pop()
    return Standing(waiting, tuple(approved), proposals)


def _counts(approval: LoggedDecision, proposal: LoggedDecision | None) -> bool:
    return (
        proposal is not None
        and proposal.sequence == approval.details.get("proposal")
        and person(proposal.actor) != person(approval.actor)
    )


def person(name: str) -> str:
    """A person's name in one spelling: 'Ann  Lee' and 'ann lee' are one, also with signs in them that nobody sees."""
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", name) if unicodedata.category(sign) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", seen.casefold()).split())


def propose(log: DecisionLog, rules: RuleSet, operator: str | None, reason: str) -> Signed:
    """Sign a rule set as its maker. Raises UsageError without operator or reason, ConflictError if it is in force."""
    require_person(operator, reason, "a proposal")
    now = standing(log)
    if now.in_force == rules.version:
        raise ConflictError(f"policy {rules.version} is in force already: there is nothing to propose")
    kinds = {name: kind.value for name, kind in rules.kinds.items()}
    details = {"name": rules.name, "text": rules.text, "fields": kinds, "in_force": now.in_force}
    log.append(LoggedDecision(PROPOSE, rules.version, str(operator), reason, details))
    return Signed(rules.version, now.in_force, effect=False)


def approve(log: DecisionLog, version: str, operator: str | None, reason: str) -> Signed:
    """Sign a proposal as its checker: it is in force from now on.

    Raises UsageError without operator or reason, ConflictError if its maker signs, NotFoundError if it does not wait.
    """
    require_person(operator, reason, "an approval")
    now = standing(log)
    proposal = now.waiting.get(version)
    if proposal is None:
        there = ", ".join(now.waiting) or "none"
        raise NotFoundError(f"no proposal {version!r} waits for a second signature; there are: {there}")
    if person(proposal.actor) == person(str(operator)):
        raise ConflictError(
            f"{operator} proposed policy {version} and cannot sign it twice: a second person has to approve it"
        )
    details = {"proposal": proposal.sequence, "maker": proposal.actor, "in_force": now.in_force}
    entry = log.append(LoggedDecision(APPROVE, version, str(operator), reason, details))
    then = standing(log)
    return Signed(version, then.in_force, effect=any(one.sequence == entry.sequence for one in then.approved))


def rollback(log: DecisionLog, operator: str | None, reason: str) -> Signed:
    """Let the policy before be in force again, which two people signed then.

    Raises UsageError without operator or reason, ConflictError if no policy is in force.
    """
    require_person(operator, reason, "a rollback")
    now = standing(log)
    if not now.approved:
        raise ConflictError("no policy is in force: there is nothing to roll back")
    last = now.approved[-1]
    target = now.approved[-2].subject if len(now.approved) > 1 else NO_POLICY
    details = {"approval": last.sequence, "from": last.subject}
    log.append(LoggedDecision(ROLLBACK, target, str(operator), reason, details))
    then = standing(log)
    return Signed(last.subject, then.in_force, effect=all(one.sequence != last.sequence for one in then.approved))


def rules_of(now: Standing, version: str) -> RuleSet:
    """The rules of a version that was proposed. Raises NotFoundError."""
    proposal = now.proposals.get(version)
    if proposal is None:
        raise NotFoundError(f"policy {version!r} was never proposed; there are: {', '.join(now.proposals) or 'none'}")
    kinds = {name: Kind(kind) for name, kind in proposal.details["fields"].items()}
    return read_rules(proposal.details["text"], kinds)


class Policies:
    """The policy in force, read again only where something changed. Threads may share it.

    `keys` is asked for where lists may have to follow a change of the key: a pipeline's step has none.
    """

    def __init__(self, log: DecisionLog, lists: ListStore, keys: Callable[[], PseudonymKeys]) -> None:
        self._log = log
        self._lists = lists
        self._keys = keys
        self._guard = threading.Lock()
        self._read: tuple[object, Policy | None] | None = None

    def current(self) -> Policy | None:
        """The policy in force; None without a rule set and without an entry that counts. The same until it changes."""
        with self._guard:
            now = standing(self._log)
            self._lists.rekey(self._keys())
            seen = (now.in_force, self._lists.version())
            if self._read is None or self._read[0] != seen:
                self._read = (seen, self._policy(now))
            return self._read[1]

    def _policy(self, now: Standing) -> Policy | None:
        lists = self._lists_now()
        if now.in_force is not None:
            return Policy(rules_of(now, now.in_force), lists)
        return Policy(NO_RULES, lists) if self._lists_count() else None

    def _lists_count(self) -> bool:
        """Whether any entry counts now: they end by themselves."""
        return any(one.active for one in self._lists.summaries())

    def _lists_now(self) -> Lists:
        entries = self._lists.entries()
        return Lists(entries) if entries.num_rows else NO_LISTS

    def pinned(self, name: str = IN_FORCE) -> str | None:
        """A name of a policy and of the lists as they stand, VERSION.LISTS; None where nothing is in force.

        `name` is 'in-force', a version that two people signed, or such a name. Raises NotFoundError.
        """
        if name != IN_FORCE:
            version = self._signed(name)
        else:
            self._lists.rekey(self._keys())
            now = standing(self._log)
            version = now.in_force or NO_RULES.version
            if now.in_force is None and not self._lists_count():
                return None
        counting = [(one.name, one.entity, one.active) for one in self._lists.summaries()]  # entries end by themselves
        lists = f"{self._lists.version()} {counting}"
        return f"{version}.{hashlib.sha256(lists.encode()).hexdigest()[:12]}"

    def named(self, name: str) -> Policy | None:
        """The policy of a name that `pinned` takes, with the lists as they stand now; None where nothing is in force.

        Raises NotFoundError. Needs no key.
        """
        now = standing(self._log)
        if name == IN_FORCE:
            return self._policy(now)
        version = self._signed(name)
        return Policy(NO_RULES if version == NO_RULES.version else rules_of(now, version), self._lists_now())

    def _signed(self, name: str) -> str:
        """The version in a name. Raises NotFoundError unless two people signed it and nobody rolled it back."""
        version, _, _ = name.partition(".")
        signed = list(dict.fromkeys(entry.subject for entry in standing(self._log).approved))
        if version not in (*signed, NO_RULES.version):
            raise NotFoundError(
                f"policy {version!r} is none that two people signed, or was rolled back: give {IN_FORCE!r}, or one of "
                f"{', '.join(signed) or 'none'}"
            )
        return version
