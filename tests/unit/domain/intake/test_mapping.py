"""A mapping says what it means, and every problem in it is named at once."""

import pytest

from counterfoil.domain import schemas
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.errors import MappingError

FULL = """
name = "shop"
[file]
delimiter = ";"
[time]
format = "%d.%m.%Y %H:%M"
zone = "Europe/Berlin"
[fields]
transaction_id = "id"
event_time = "when"
amount = "sum"
currency = "cur"
account = "customer"
merchant = "shop"
category = "kind"
label = "fraud"
[labels]
fraud = ["yes"]
good = ["no"]
[evidence]
categorical_fields = ["category"]
textual_fields = ["merchant_id", "category"]
[evidence.numeric]
basket_size = "items"
[evidence.categorical]
channel = "via"
[evidence.textual]
memo = "note"
"""


def problems(text: str) -> list[str]:
    with pytest.raises(MappingError) as caught:
        parse_mapping(text, "mine")
    return [line.removeprefix("- ") for line in str(caught.value).splitlines()[1:]]


def test_a_mapping_knows_its_evidence_columns_and_schema() -> None:
    mapping = parse_mapping(FULL, "file")
    assert mapping.name == "shop"
    assert mapping.numeric == ("basket_size",)
    assert mapping.categorical == ("category", "channel")
    assert mapping.textual == ("merchant_id", "category", "memo")
    assert (mapping.own_categorical, mapping.own_textual) == (("channel",), ("memo",))
    assert mapping.schema == schemas.transactions_schema(("basket_size",), ("channel",), ("memo",))
    wanted = ("id", "when", "sum", "cur", "customer", "shop", "kind", "fraud", "items", "via", "note")
    assert mapping.source_columns == wanted


def test_a_meaningless_currency_is_not_read() -> None:
    mapping = parse_mapping(FULL + '[currency]\nmeaningful = false\nwhy = "random"\n', "file")
    assert not mapping.currency_meaningful
    assert "cur" not in mapping.source_columns


def test_the_name_of_the_file_is_the_default_name() -> None:
    assert parse_mapping('[fields]\nevent_time = "t"\n', "my-file").name == "my-file"


def test_every_problem_is_named_at_once() -> None:
    found = problems(
        """
name = "A B"
colour = "red"
[file]
delimiter = ";;"
encoding = "klingon"
[time]
format = "relative_seconds"
zone = "Mars/Base"
[fields]
event_tme = "t"
email = "mail"
merchant = "mail"
label = "l"
[evidence]
categorical_fields = ["email"]
numeric = { Bad = "x", amount = "y" }
textual = { e = "mail" }
"""
    )
    for start in (
        "name: 'A B'",
        "colour is unknown",
        "file.delimiter",
        "file.encoding",
        "time.zone",
        "time.epoch is missing",
        "fields.event_time is missing",
        "fields.event_tme is unknown (did you mean 'event_time'?)",
        "fields.merchant: column 'mail' is also the email",
        "[labels] is missing",
        "evidence.categorical_fields: 'email' is refused",
        "evidence.numeric.Bad: the name is not snake_case",
        "evidence.numeric.amount: 'amount' is a canonical column",
        "evidence.textual.e: column 'mail' is the email",
    ):
        assert any(problem.startswith(start) for problem in found), start
    assert len(found) == 14


@pytest.mark.parametrize("field", ["account", "email", "phone", "card_number", "source_ip", "device"])
@pytest.mark.parametrize("kind", ["numeric", "categorical", "textual"])
def test_an_identity_is_no_evidence(field: str, kind: str) -> None:
    text = f'[fields]\nevent_time = "t"\n{field} = "who"\n[evidence.{kind}]\nx = "who"\n'
    (problem,) = problems(text)
    assert f"is the {field}" in problem
    assert "turned back into text" in problem


@pytest.mark.parametrize("name", ["account_id", "email_id", "source_ip_id", "card_last4", "account", "phone"])
def test_identifying_canonical_columns_are_refused_as_text(name: str) -> None:
    (problem,) = problems(f'[fields]\nevent_time = "t"\n[evidence]\ntextual_fields = ["{name}"]\n')
    assert "refused" in problem
    assert "turned back into text" in problem


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ('[time]\nformat = "yesterday"', "neither a strptime pattern"),
        ('[time]\nformat = "%Y-%Q"', "no strptime pattern"),
        ('[time]\nformat = "%H:%M"', "has no year"),
        ('[time]\nformat = "native"', "needs Parquet"),
        ('[time]\nepoch = "2013-09-01T00:00:00Z"', "only for format 'relative_seconds'"),
        ('[time]\nformat = "relative_seconds"\nepoch = "2013-09-01T00:00:00"', "no offset from UTC"),
        ('[amount]\nthousands_mark = "."', "both '.'"),
        ('[evidence]\ncategorical_fields = ["category"]', "fields.category is not mapped"),
        ('[evidence]\nnumeric = { a = "x" }\ntextual = { a = "y" }', "already used in evidence.numeric"),
        ('[labels]\nfraud = ["1"]', "fields.label is not"),
        ("file = 3", "is not a section"),
    ],
)
def test_one_problem_is_said_in_words(section: str, expected: str) -> None:
    text = f'{section}\n[fields]\nevent_time = "t"\n'
    assert any(expected in problem for problem in problems(text))


def test_a_label_value_has_one_meaning() -> None:
    text = '[fields]\nevent_time = "t"\nlabel = "l"\n[labels]\nfraud = ["1"]\ngood = ["0", "1"]\n'
    assert problems(text) == ["labels: '1' stands more than once; each value has one meaning"]


def test_broken_toml_is_named() -> None:
    with pytest.raises(MappingError, match="mapping 'mine' is not TOML"):
        parse_mapping("[fields", "mine")


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("earliest = 2024-01-01T00:00:00", "time.earliest: has no offset from UTC (write '2013-09-01T00:00:00Z')"),
        ("latest = 2999-01-01T00:00:00Z", "time.latest: is not between 1900 and 2200"),
        (
            "earliest = 2024-01-02T00:00:00Z\nlatest = 2024-01-02T00:00:00Z",
            "time.earliest is not before time.latest",
        ),
    ],
)
def test_a_range_of_times_must_be_one(section: str, problem: str) -> None:
    assert problems(f'[fields]\nevent_time = "t"\n[time]\n{section}\n') == [problem]


PAIRS = FULL.replace('items"', 'items"\n[evidence.{}]\n{}', 1)


def test_differences_and_ratios_are_numeric_evidence_that_no_column_of_the_file_has() -> None:
    mapping = parse_mapping(PAIRS.format("ratios", 'each = ["amount", "basket_size"]'), "file")
    assert mapping.numeric == ("basket_size", "each")
    assert "each" in mapping.schema.names
    assert mapping.source_columns == parse_mapping(FULL, "file").source_columns


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ('each = ["amount", "items"]', "payments have no number 'items' (there are: amount, basket_size)"),
        ('each = ["amount", "memo"]', "payments have no number 'memo'"),
        ('each = ["each", "amount"]', "payments have no number 'each'"),
        ('each = ["amount", "amount"]', 'is not a list of two numbers (write each = ["balance", "amount"])'),
        ('each = ["amount"]', "is not a list of two numbers"),
        ('each = ["amount", "basket_size", "amount"]', "is not a list of two numbers"),
        ('Each = ["amount", "basket_size"]', "the name is not snake_case"),
        ('channel = ["amount", "basket_size"]', "'channel' is already used in evidence.categorical"),
        ('amount = ["amount", "basket_size"]', "'amount' is a canonical column"),
    ],
)
@pytest.mark.parametrize("kind", ["differences", "ratios"])
def test_a_pair_of_numbers_that_payments_do_not_have_is_named(kind: str, pair: str, expected: str) -> None:
    [problem] = problems(PAIRS.format(kind, pair))
    assert problem.startswith(f"evidence.{kind}.{pair.partition(' ')[0]}: {expected}")


def test_an_amount_that_is_not_mapped_is_no_half_of_a_pair() -> None:
    text = '[fields]\nevent_time = "t"\n[evidence.numeric]\na = "A"\n[evidence.ratios]\nr = ["amount", "a"]\n'
    assert problems(text) == ["evidence.ratios.r: payments have no number 'amount' (there are: a)"]


def test_entities_are_columns_or_pairs_of_them() -> None:
    mapping = parse_mapping(FULL + '[entities]\nvia = "channel"\npayer_via = ["account_id", "channel"]\n', "file")
    assert mapping.entities == {"via": ("channel",), "payer_via": ("account_id", "channel")}
    assert parse_mapping(FULL, "file").entities == {}


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        ('via = "chanel"', "entities.via: payments have no column 'chanel' to tell it by (there are: account_id,"),
        ('via = "device_id"', "entities.via: payments have no column 'device_id' to tell it by"),  # not mapped
        ('via = "memo"', "entities.via: payments have no column 'memo' to tell it by"),  # a text
        ('account = "channel"', "entities.account: 'account' has features already; choose another name"),
        ('Via = "channel"', "entities.Via: the name is not snake_case"),
        ("via = []", 'entities.via: is neither a column nor a list of two (write via = "category")'),
        ("via = 3", "entities.via: is neither a column nor a list of two"),
        ('via = ["channel", "channel"]', "entities.via: is neither a column nor a list of two"),
        ('via = ["channel", "category", "account_id"]', "entities.via: is neither a column nor a list of two"),
    ],
)
def test_an_entity_that_payments_do_not_have_is_named(entity: str, expected: str) -> None:
    [problem] = problems(f"{FULL}[entities]\n{entity}\n")
    assert problem.startswith(expected)


def test_entities_that_are_no_section_are_named() -> None:
    assert "entities: is not a section (write [entities])" in problems(f'entities = "channel"\n{FULL}')
