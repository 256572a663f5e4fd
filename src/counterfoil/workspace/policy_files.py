"""Rule sets and lists as files: read, pseudonymised with the workspace's key, and kept."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.features.spec import specs_with
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.policy.fields import known_fields
from counterfoil.domain.policy.lists import (
    Entity,
    ListEffect,
    NewEntry,
    ReadList,
    as_list,
    end_of,
    read_list,
    without_past,
)
from counterfoil.domain.policy.rules import RuleSet, read_rules
from counterfoil.errors import InputFileError, UsageError
from counterfoil.ports.releases import LoggedDecision
from counterfoil.steps.releases.releases import require_person
from counterfoil.workspace.wiring import Workspace

ADD = "policy-list-add"
END = "policy-list-end"
SNOOZED = "snoozed"
"""The list of what is snoozed."""
LARGEST_RULES = 1 << 20
LARGEST_LIST = 256 << 20
LONGEST_NAME = 64


@dataclass(frozen=True)
class AddedList:
    """What came of a file of a list: what was read, how many entries are new, and how many counted before."""

    read: ReadList
    new: int

    @property
    def already(self) -> int:
        """Entries that counted before."""
        return len(self.read.entries) - self.new


def load_rules(path: Path, mapping: str | None = None) -> RuleSet:
    """Read a rule set whose rules may read the default evidence and that of a mapping. Raises RuleSetError."""
    return rules_of_text(text_of(path, LARGEST_RULES), None if mapping is None else load_mapping(mapping))


def rules_of_text(text: str, source: SourceMapping | None) -> RuleSet:
    """The same of a text. Raises RuleSetError."""
    if source is None:
        return read_rules(text, known_fields())
    own = (*source.own_categorical, *source.own_textual)
    return read_rules(text, known_fields(specs_with(source.entities), source.numeric, own))


def add_list_file(
    place: Workspace, name: str, path: Path, effect: ListEffect, entity: Entity | None, until: str | None,
    operator: str | None, reason: str,
) -> AddedList:  # fmt: skip
    """Add a file's entries to a list and write that into the decision log. Raises UsageError as `read_list` does."""
    return add_values(place, name, text_of(path, LARGEST_LIST), effect, entity, until, operator, reason)


def add_values(
    place: Workspace, name: str, text: str, effect: ListEffect, entity: Entity | None, until: str | None,
    operator: str | None, reason: str,
) -> AddedList:  # fmt: skip
    """The same of a text."""
    require_person(operator, reason, "a list")
    read = read_list(text, entity, None if until is None else end_of(until), reason, place.pseudonym_key)
    read = without_past(read, datetime.now(UTC))
    return _added(place, name, read, effect, entity, str(operator), reason)


def snooze(
    place: Workspace, entity: Entity, value: str, days: int, operator: str | None, reason: str, *, hashed: bool = False
) -> str:
    """Keep an account or merchant out of review for some days; return the last of them (UTC, YYYY-MM-DD).

    With `hashed`, `value` is what payments have (a pseudonym of this workspace's key).
    """
    require_person(operator, reason, "a snooze")
    last = f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"
    if hashed:
        read = ReadList((NewEntry(entity, value, end_of(last), reason),), 1, 0)
    else:
        read = read_list(as_list(value), entity, end_of(last), reason, place.pseudonym_key)
    _added(place, SNOOZED, read, ListEffect.SNOOZE, entity, str(operator), reason)
    return last


def _added(
    place: Workspace, name: str, read: ReadList, effect: ListEffect, entity: Entity | None, operator: str, reason: str
) -> AddedList:
    """Add entries, and write that into the decision log. A snooze is of accounts and merchants only."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(f"a list has a name of 1 to {LONGEST_NAME} signs that can be printed: give another one")
    if effect is ListEffect.SNOOZE and entity not in (None, Entity.ACCOUNT, Entity.MERCHANT):
        raise UsageError(f"a {entity} cannot be snoozed: an account or a merchant can")
    new = place.lists.add(name, effect, read.entries, key_id=place.pseudonym_key.key_id, operator=operator)
    details = {"effect": str(effect), "rows": read.rows, "new": new, "refused": dict(read.refused)}
    place.decisions.append(LoggedDecision(ADD, name, operator, reason, details))
    return AddedList(read, new)


def end_list_entry(place: Workspace, name: str, entity: Entity, value: str, operator: str | None, reason: str) -> int:
    """Let a value of a list (a prefix: all its addresses) count no longer; return how many entries ended."""
    require_person(operator, reason, "the end of an entry")
    entries = read_list(as_list(value), entity, None, reason, place.pseudonym_key).entries
    ended = sum(place.lists.end(name, entry.entity, entry.value) for entry in entries)
    if not ended:
        raise UsageError(f"list {name!r} has no such {entity} now: 'counterfoil policy show' counts what it has")
    place.decisions.append(LoggedDecision(END, name, str(operator), reason, {"entity": str(entity), "ended": ended}))
    return ended


def text_of(path: Path, largest: int) -> str:
    """A file's text. Raises InputFileError for more than `largest` bytes, or what is not UTF-8."""
    if path.stat().st_size > largest:
        raise InputFileError(f"{path.name} has more than {largest >> 20} MB: split it into several files")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputFileError(f"{path.name} is not UTF-8 at byte {error.start}: save it as UTF-8") from None
