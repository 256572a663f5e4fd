"""Rules are refused with place and reason, and say the same in a batch and of one payment."""

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.policy.cel_tree import Kind
from counterfoil.domain.policy.fields import known_fields
from counterfoil.domain.policy.rules import RuleSet, RuleSetError, read_rules

FIELDS = {"amount": Kind.NUMBER, "count": Kind.NUMBER, "rate": Kind.NUMBER, "merchant_id": Kind.TEXT,
          "currency": Kind.TEXT}  # fmt: skip


def rule_set(*conditions: str, effect: str = "review") -> str:
    lines = ['name = "cards"']
    for number, condition in enumerate(conditions):
        lines += ["[[rule]]", f'id = "r{number}"', f"when = '''{condition}'''", f'effect = "{effect}"',
                  'owner = "desk"', 'reason = "seen before"']  # fmt: skip
    return "\n".join(lines)


def problem_of(condition: str) -> str:
    with pytest.raises(RuleSetError) as caught:
        read_rules(rule_set(condition), FIELDS)
    return str(caught.value)


@pytest.mark.parametrize(
    ("condition", "where", "why"),
    [
        ("amount > ", "line 1, column 10", "something is missing"),
        ("amount > 1.0 &&\n  amounts > 2.0", "line 2, column 3", "'amounts' is no evidence"),
        ("merchant_id > 5.0", "line 1, column 13", "no matching overload"),
        ("amount > 5", "line 1, column 8", "5.0, not 5"),
        ("amount / 0.0 > 1.0", "line 1, column 8", "divides by zero"),
        ("amount / (2.0 * 3.0 + -(1.0 + 5.0)) > 1.0", "line 1, column 8", "divides by zero"),
        ("amount", "line 1, column 1", "compare it to something"),
        ("merchant_id < 'b'", "line 1, column 13", "no order"),
        ("merchant_id.matches('(a+)+')", "line 1, column 20", "rules know no 'matches'"),
        ("[1.0, 2.0].exists(x, x > amount)", "line 1, column 18", "no loops"),
        ("(amount > 1.0) == (count > 1.0)", "line 1, column 16", "two truths"),
        ("amount in [count]", "line 1, column 8", "list of values"),
        ("1.0 < 2.0", "line 1, column 1", "reads no field"),
        (" && ".join(["amount > 1.0"] * 200), "line 1, column", "takes too long"),
        ("amount" + " * amount" * 9 + " > 1.0", "line 1, column", "takes too long"),
        ("amount > 1.0" + " " * 4_000, "", "4,000 at most"),
        ("(" * 40 + "amount > 1.0" + ")" * 40, "", "nested too deeply"),
        ("amount > 1e999", "line 1, column", ""),
        ("currency == 'E\\u0000R'", "line 1, column 13", "cannot be printed"),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_place_and_reason(condition: str, where: str, why: str) -> None:
    problem = problem_of(condition)
    assert problem.startswith(f"rule r0: {where}")
    assert why in problem


def test_all_problems_of_a_file_are_told_at_once() -> None:
    text = rule_set("amount > ", "nothing > 1.0").replace('owner = "desk"', "", 1) + '\ncolour = "red"'
    with pytest.raises(RuleSetError) as caught:
        read_rules(text, FIELDS)
    assert len(caught.value.problems) == 4  # no owner, no syntax, no such name, no such key


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name = ", "no TOML"),
        ('name = "Cards!"', "needs a name"),
        ('name = "cards"\nrule = 3', r"\[\[rule\]\]"),
        (rule_set("amount > 1.0", effect="alarm"), "effect is review, block, allow, fatal block"),
        (rule_set("amount > 1.0") + "\n" + rule_set("amount > 2.0").partition("\n")[2], "two of this id"),
    ],
)
def test_a_file_that_is_no_rule_set_is_refused(text: str, why: str) -> None:
    with pytest.raises(RuleSetError, match=why):
        read_rules(text, FIELDS)


def test_the_version_is_made_of_the_content() -> None:
    one, other = (read_rules(rule_set(f"amount > {limit}"), FIELDS) for limit in ("1.0", "2.0"))
    assert one.version == read_rules(rule_set("amount > 1.0"), FIELDS).version != other.version


def test_rules_read_what_every_lake_has() -> None:
    read_rules(rule_set("account_count_1h > 10.0 && amount > 3.0 && anomaly_signal >= 0.2"), known_fields())


def test_nobody_is_named_in_a_rule() -> None:
    with pytest.raises(RuleSetError, match="'account_id' is no evidence"):
        read_rules(rule_set("account_id == 'x'"), known_fields())


NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, 0.1]),
    st.floats(allow_nan=False, allow_infinity=False)
)  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(["", "a", "ab", "it's", 'b"\\', "é"]), st.text(st.characters(exclude_categories=["C", "Z"]))
)
PAYMENTS = st.fixed_dictionaries(
    {name: st.none() | (NUMBERS if kind is Kind.NUMBER else TEXTS) for name, kind in FIELDS.items()}
)


def numbers(depth: int) -> st.SearchStrategy[str]:
    plain = st.one_of(
        st.sampled_from(["amount", "count", "rate"]), NUMBERS.map(lambda n: f"({n!r})" if n < 0 else repr(n))
    )
    if depth == 0:
        return plain
    inner = numbers(depth - 1)
    return st.one_of(
        plain,
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        inner.map(lambda n: f"(-({n}))"),
        st.tuples(truths(0), inner, inner).map(lambda p: f"({p[0]} ? {p[1]} : {p[2]})"),
    )


def literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def truths(depth: int) -> st.SearchStrategy[str]:
    text = st.sampled_from(["merchant_id", "currency"])
    plain = st.one_of(
        st.tuples(
            numbers(min(depth, 1)), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers(min(depth, 1))
        ).map(" ".join),
        st.tuples(text, st.sampled_from(["==", "!="]), TEXTS.map(literal)).map(" ".join),
        st.tuples(text, st.lists(TEXTS.map(literal), max_size=3)).map(lambda p: f"{p[0]} in [{', '.join(p[1])}]"),
        st.tuples(text, st.sampled_from(["startsWith", "endsWith", "contains"]), TEXTS.map(literal)).map(
            lambda p: f"{p[0]}.{p[1]}({p[2]})"
        ),
        st.sampled_from([*FIELDS]).map(lambda name: f"known({name})"),
        st.sampled_from(["true", "false"]),
    ).map(lambda truth: f"({truth})")
    if depth == 0:
        return plain
    inner = truths(depth - 1)
    return st.one_of(
        plain,
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        inner.map(lambda truth: f"(!{truth})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} ? {p[1]} : {p[2]})"),
    )


def read_or_none(conditions: list[str]) -> RuleSet | None:
    """The rules, unless they are too long, divide by a zero that is written out, or read nothing."""
    kept = [condition for condition in conditions if is_usable(condition)]
    return read_rules(rule_set(*kept), FIELDS) if kept else None


def is_usable(condition: str) -> bool:
    try:
        read_rules(rule_set(condition), FIELDS)
    except RuleSetError as error:
        if any(why in str(error) for why in ("too long", "too deeply", "by zero", "reads no field", "4,000")):
            return False
        raise
    return True


@settings(max_examples=30, deadline=None)
@given(st.lists(truths(2), min_size=1, max_size=4), st.lists(PAYMENTS, min_size=1, max_size=8))
def test_a_batch_and_one_payment_give_the_same(
    conditions: list[str], payments: list[dict[str, float | str | None]]
) -> None:
    rules = read_or_none(conditions)
    if rules is None:
        return
    types = {Kind.NUMBER: pa.float64(), Kind.TEXT: pa.string()}
    schema = pa.schema([(name, types[kind]) for name, kind in FIELDS.items()])
    batch = pa.Table.from_pylist(payments, schema=schema)
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("batch", batch)
        in_batch = [row[0] for row in database.execute(f"SELECT {rules.sql_hits()} FROM batch").fetchall()]
    assert in_batch == [rules.online.hits(payment) for payment in payments]


def test_what_is_unknown_lets_no_rule_speak_but_one_that_asks_for_it() -> None:
    rules = read_rules(rule_set("amount > 1.0", "!(amount > 1.0)", "!known(amount)", "amount > 1.0 || count > 0.0",
                                "count / rate > 0.0"), FIELDS)  # fmt: skip
    assert rules.online.hits({"count": 1.0, "rate": 0.0}) == [2, 3]
    assert rules.online.hits({"amount": 2.0}) == [0, 3]
    assert rules.online.hits({}) == [2]


def test_two_hundred_rules_are_one_expression() -> None:
    rules = read_rules(rule_set(*(f"amount > {n}.0 && merchant_id != 'm{n}'" for n in range(200))), FIELDS)
    assert rules.online.hits({"amount": 99.5, "merchant_id": "m3"}) == [n for n in range(100) if n != 3]
