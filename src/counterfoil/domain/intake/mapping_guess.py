"""Write a mapping to start from, out of the first rows of a file: each guess with its reason, doubts marked UNSURE."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.intake.guess_fields import guess_evidence, guess_fields, guess_labels, words_of
from counterfoil.domain.intake.guess_times import guess_time
from counterfoil.domain.intake.mapping_amounts import AmountFormat
from counterfoil.errors import MappingError

_MINORITY = 0.5
_MANY = 20
_SYMBOLS = {"$": "USD", "€": "EUR", "£": "GBP"}


def guess_mapping(name: str, file_lines: list[str], columns: Mapping[str, pa.Array]) -> str:
    """Return the TOML of a mapping for columns of texts; `file_lines` are those of [file].

    Raises MappingError if no column looks like a time: nothing can be collected without one.
    """
    time = guess_time(columns)
    if time is None:
        raise MappingError(f"no column looks like a time (columns: {len(columns)}): write the mapping by hand")
    fields = guess_fields(columns, time.columns)
    taken = {*time.columns, *(column for guess in fields for column in guess.columns)}
    lines = [f"name = {_quoted(name)}", 'description = "Guessed from the first rows: look at each UNSURE line"', ""]
    lines += ["[file]", *file_lines, "", "[time]", *_comments(time.reason, time.unsure), *time.lines, ""]
    by_field = {guess.field: guess for guess in fields}
    amount = list(_amount_lines(columns[by_field["amount"].columns[0]])) if "amount" in by_field else []
    style = AmountFormat.model_validate(tomllib.loads("\n".join(amount)).get("amount", {}))
    lines += amount
    lines += ["[fields]", f"event_time = {_value(time.columns)}"]
    label_time = _label_time(columns, taken)
    for guess in fields:
        lines += [*_comments(guess.reason, guess.unsure), f"{guess.field} = {_value(guess.columns)}"]
    if label_time is not None and "label" in by_field:
        taken.add(label_time)
        lines += ["# the time at which the label became known, by its name", f"label_time = {_quoted(label_time)}"]
    if "label" in by_field:
        found, unsure = guess_labels(columns[by_field["label"].columns[0]])
        lines += [
            "",
            "[labels]",
            *_comments("", unsure),
            *(f"{key} = {json.dumps(texts)}" for key, texts in found.items()),
        ]
    return "\n".join([*lines, *_evidence_lines(columns, taken, {*by_field}, style)]) + "\n"


def _amount_lines(values: pa.Array) -> Iterator[str]:
    kept = values.drop_null()
    lines: list[str] = []
    used = [sign for sign in _SYMBOLS if pc.any(pc.match_substring(kept, sign)).as_py()]
    if used:
        pairs = ", ".join(f"{_quoted(sign)} = {_quoted(_SYMBOLS[sign])}" for sign in used)
        doubt = "several currencies are written '$'" if "$" in used else ""
        lines += [*_comments("amounts have a sign of money", doubt), f"symbols = {{{pairs}}}"]
    if pc.any(pc.match_substring_regex(kept, r",\d{1,2}\D*$")).as_py():
        dotted = pc.any(pc.match_substring_regex(kept, r"\.\d{3}")).as_py()
        lines += ["# amounts end in a comma and one or two digits", 'decimal_mark = ","']
        lines += ['thousands_mark = "."'] if dotted else []
    elif pc.any(pc.match_substring_regex(kept, r"\d,\d{3}")).as_py():
        lines += ["# groups of three digits after a comma", 'thousands_mark = ","']
    share = pc.mean(pc.cast(pc.match_substring_regex(kept, r"^[^\d]*[-(]"), pa.float64())).as_py()
    if share:
        side = "negative" if share >= _MINORITY else "positive"
        lines += [*_comments(f"{share:.0%} of the amounts are below zero", "which sign the payments have")]
        lines += [f'debits = "{side}"']
    if len(kept) >= _MANY and pc.all(pc.match_substring_regex(kept, r"^-?\d+$")).as_py():
        lines += [*_comments("", 'all amounts are whole: if they count cents, say unit = "minor"')]
    if lines:
        yield from ("[amount]", *lines, "")


def _label_time(columns: Mapping[str, pa.Array], taken: set[str]) -> str | None:
    free = {name: values for name, values in columns.items() if name not in taken}
    named = {name: free[name] for name in free if re.search(r"label.*(time|date)|labell?ed at", words_of(name))}
    found = guess_time(named) if named else None
    return next(iter(named), None) if found is not None or named else None


def _evidence_lines(
    columns: Mapping[str, pa.Array], taken: set[str], fields: set[str], style: AmountFormat
) -> Iterator[str]:
    found = list(guess_evidence(columns, taken, style))
    names: dict[str, str] = {}
    for kind, column, _ in found:
        if kind:
            name = re.sub(r"\s+", "_", words_of(column))
            names[column] = name if re.match("[a-z]", name) else f"column_{name}"
    for column, why in ((column, why) for kind, column, why in found if not kind):
        yield f"# left out: {_quoted(column)} ({why})"
    if "category" in fields:
        yield from ("", "[evidence]", 'categorical_fields = ["category"]')
    for kind in ("numeric", "categorical"):
        own = [(column, why) for found_kind, column, why in found if found_kind == kind]
        if own:
            yield from ("", f"[evidence.{kind}]")
            for column, why in own:
                doubt = "whether it is known before the payment is decided, and says nothing of who pays"
                yield from (*_comments(why, doubt), f"{names[column]} = {_quoted(column)}")


def _comments(reason: str, unsure: str) -> list[str]:
    return [*([f"# {reason}"] if reason else []), *([f"# UNSURE: {unsure}"] if unsure else [])]


def _value(columns: tuple[str, ...]) -> str:
    return _quoted(columns[0]) if len(columns) == 1 else f"[{', '.join(map(_quoted, columns))}]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
