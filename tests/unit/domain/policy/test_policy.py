"""Lists and rules change decisions in one order, in a batch as of one payment."""

from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.policy.decide import Decision
from counterfoil.domain.policy.fields import known_fields
from counterfoil.domain.policy.lists import ENTRIES, Entity, ListEffect, Lists, as_list, end_of, read_list
from counterfoil.domain.policy.policy import Policy, settle
from counterfoil.domain.policy.rules import Effect, read_rules
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys, pseudonymise
from counterfoil.errors import UsageError

KEY = PseudonymKeys((b"a key of sixteen bytes",))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

RULES = "\n".join(
    ['name = "cards"']
    + [
        f'[[rule]]\nid = "{effect.name.lower()}"\nwhen = \'amount == {place}.0\'\neffect = "{effect}"\n'
        'owner = "desk"\nreason = "tried"'
        for place, effect in enumerate(Effect)
    ]
)


def entries(*rows: tuple[str, str, str, str, datetime, datetime | None]) -> Lists:
    return Lists(pa.Table.from_pylist([dict(zip(ENTRIES.names, row, strict=True)) for row in rows], schema=ENTRIES))


@pytest.mark.parametrize(
    ("thresholds", "effects", "decided"),
    [
        ("allow", [], "allow"),
        ("review", [], "review"),
        ("allow", ["review"], "review"),
        ("allow", ["watch"], "review"),
        ("allow", ["watch", "snooze"], "allow"),
        ("review", ["snooze"], "allow"),
        ("block", ["snooze"], "block"),
        ("review", ["block"], "block"),
        ("block", ["review"], "block"),
        ("block", ["allow"], "allow"),
        ("allow", ["block", "allow"], "allow"),
        ("allow", ["block", "allow", "fatal block"], "block"),
    ],
)
def test_block_is_weaker_than_allow_and_that_than_a_fatal_block(
    thresholds: str, effects: list[str], decided: str
) -> None:
    assert settle(thresholds, [f"{effect}: list l" for effect in effects]) == decided


def test_an_entry_counts_from_its_beginning_until_its_end() -> None:
    lists = entries(("stolen", "block", "account", "a", NOW, NOW + timedelta(days=1)))
    policy = Policy(read_rules('name = "none"', {}), lists)
    moments = [NOW - timedelta(seconds=1), NOW, NOW + timedelta(days=1)]
    decided = [policy.decide({"account_id": "a"}, "allow", moment) for moment in moments]
    assert decided == [("allow", []), ("block", ["block: list stolen"]), ("allow", [])]


PAYMENTS = st.fixed_dictionaries(
    {
        "amount": st.none() | st.integers(-1, 4).map(float),
        **{entity.column: st.none() | st.sampled_from(["a", "b", "c"]) for entity in Entity},
        "decision": st.sampled_from([str(decision) for decision in Decision]),
    }
)
MOMENTS = st.integers(-2, 2).map(lambda days: NOW + timedelta(days=days))
LISTED = st.tuples(
    st.sampled_from(["one", "two"]), st.sampled_from([str(e) for e in ListEffect]),
    st.sampled_from([str(e) for e in Entity]), st.sampled_from(["a", "b", "c"]), MOMENTS, st.none() | MOMENTS,
)  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.lists(PAYMENTS, min_size=1, max_size=6), st.lists(LISTED, max_size=8))
def test_a_batch_is_decided_as_each_payment_is(
    payments: list[dict[str, object]], listed: list[tuple[str, str, str, str, datetime, datetime | None]]
) -> None:
    policy = Policy(read_rules(RULES, known_fields()), entries(*listed))
    schema = pa.schema([("row", pa.int64()), ("decision", pa.string()), ("amount", pa.float64())])
    for entity in Entity:
        schema = schema.append(pa.field(entity.column, pa.string()))
    batch = pa.Table.from_pylist([{"row": row, **payment} for row, payment in enumerate(payments)], schema=schema)
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("batch", batch)
        database.register("entries", policy.lists.entries)
        found = database.execute(policy.batch_sql(f"'{NOW.isoformat()}'::TIMESTAMPTZ")).fetchall()
    spoken = {row: (decided, hits) for row, hits, decided in found}
    assert [spoken.get(row, (payment["decision"], [])) for row, payment in enumerate(payments)] == [
        policy.decide(payment, str(payment["decision"]), NOW) for payment in payments
    ]
    assert all(hits for _, hits in spoken.values())


def test_a_file_with_a_mark_of_order_duplicates_and_lines_that_cannot_be_used() -> None:
    text = (
        "\ufeffValue,entity,until,reason\n"
        "A-1,account,2026-03-05,stolen\n"
        " A-1 ,account,2026-03-05,again\n"
        "shop,merchant,,\n"
        "x,colour,,\n"
        ",account,,\n"
        "A-2,account,tomorrow,\n"
        "12ab,card_bin,,\n"
        "411111,card_bin,,\n"
    )
    read = read_list(text, None, None, "fraud ring", KEY)
    account = pseudonymise(pa.array(["A-1"]), "account", KEY)[0].as_py()
    assert [(entry.entity, entry.value, entry.until, entry.reason) for entry in read.entries] == [
        ("account", account, datetime(2026, 3, 6, tzinfo=UTC), "stolen"),
        ("merchant", "shop", None, "fraud ring"),
        ("card_bin", "411111", None, "fraud ring"),
    ]
    assert (read.rows, read.repeated) == (8, 1)
    assert read.refused == {
        "unknown entity": 1, "blank value": 1, "until is no date": 1, "a BIN has 4 to 8 digits": 1,
    }  # fmt: skip
    assert "A-1" not in repr(read)


def test_a_prefix_is_its_addresses() -> None:
    read = read_list("192.0.2.0/30\n10.0.0.0/8\n2001:db8::/48\nnonsense/9", Entity.SOURCE_IP, None, "botnet", KEY)
    addresses = pseudonymise(pa.array([f"192.0.2.{n}" for n in range(4)]), "source_ip", KEY).to_pylist()
    assert [entry.value for entry in read.entries] == addresses
    assert read.refused == {"prefix wider than an IPv4 /16": 2, "no address or prefix": 1}


NAMES = ("Shop, Berlin", 'The "Best" Shop', "value", "plain")


def test_a_comma_or_a_quote_is_a_part_of_a_value() -> None:
    for name in NAMES:
        [entry] = read_list(as_list(name), Entity.MERCHANT, None, "why", KEY).entries
        assert entry.value == name
    found = read_list('Shop, Berlin\n"Inn, Bonn"\nplain\n', Entity.MERCHANT, None, "why", KEY)
    assert [entry.value for entry in found.entries] == ["Shop, Berlin", "Inn, Bonn", "plain"]


def test_a_list_that_does_not_say_what_it_names_is_refused() -> None:
    with pytest.raises(UsageError, match="--entity"):
        read_list("A-1\nA-2", None, None, "", KEY)


def test_a_day_ends_at_midnight() -> None:
    assert end_of("2026-12-31") == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_long_list_is_read_and_its_repeats_are_counted() -> None:
    text = "value\n" + "\n".join(f"m{number % 45_000}" for number in range(50_000))
    read = read_list(text, Entity.MERCHANT, None, "ring", KEY)
    assert (len(read.entries), read.rows, read.repeated) == (45_000, 50_000, 5_000)
