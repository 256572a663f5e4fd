"""What Amazon Fraud Detector's API answers becomes a mapping, rules and lists, and what has no counterpart is named."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.cli import main
from counterfoil.domain.policy.amazon_rules import UntranslatableError, as_cel
from counterfoil.domain.policy.fields import known_fields
from counterfoil.domain.policy.policy import Policy
from counterfoil.domain.policy.rules import read_rules
from counterfoil.workspace.policy_files import load_rules

FIELDS = {"price": "amount", "cur": "currency", "cat": "category", "age": "age"}
VARIABLES = {
    "price": ("FLOAT", "PRICE"), "cur": ("STRING", "CURRENCY_CODE"), "ip": ("STRING", "IP_ADDRESS"),
    "mail": ("STRING", "EMAIL_ADDRESS"), "cat": ("STRING", "PRODUCT_CATEGORY"), "age": ("INTEGER", "NUMERIC"),
    "pay-type": ("STRING", "PAYMENT_TYPE"), "street": ("STRING", "BILLING_ADDRESS_L1"),
}  # fmt: skip


def rule(name: str, expression: str, *outcomes: str) -> dict[str, Any]:
    return {
        "ruleId": name, "detectorId": "shop", "ruleVersion": "1", "language": "DETECTORPL", "expression": expression,
        "outcomes": list(outcomes),
    }  # fmt: skip


RULES = [
    {**rule("dear", "$price > 1", "allow"), "ruleVersion": "0"},
    {**rule("dear", "$price > 5000", "block_payment"), "detectorId": "other"},
    rule("dear", "$price > 900 and $cur not in [\"EUR\", \"USD\"]", "verify_customer"),
    rule("1-young", "($age < 18 or $cat == \"gift \\\"cards\\\"\") and !($price <= 5)", "block_payment"),
    rule("proxies", "$ip in @bad_ips", "block_payment"),
    rule("score", "$shop_insightscore > 900", "block_payment"),
    rule("mails", "$mail in @bad_mails", "block_payment"),
    rule("both", "$ip in @bad_ips and $price > 10", "review"),
    rule("odd", "$price > 1", "escalate"),
    rule("wrong", "$cur > 5", "review"),
    rule("regex", "regex_match(\".*card\\..*\", $cat)", "review"),
    rule("regex-not", "regex_match(\"[0-9]+\", $cat)", "review"),
]  # fmt: skip


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    (folder / "lists").mkdir(parents=True)
    variables = [{"name": name, "dataType": data, "dataSource": "EVENT", "variableType": kind}
                 for name, (data, kind) in VARIABLES.items()]  # fmt: skip
    event = {"name": "card_payment", "eventVariables": list(VARIABLES), "labels": ["fraud", "legit", "odd"],
             "entityTypes": ["customer"]}  # fmt: skip
    answers = {
        "event-types": {"eventTypes": [event]}, "variables": {"variables": variables}, "rules": {"ruleDetails": RULES},
        "lists": {"lists": [{"name": "bad_ips", "variableType": "IP_ADDRESS"}]},
    }  # fmt: skip
    for name, answer in answers.items():
        (folder / f"{name}.json").write_text(json.dumps(answer))
    (folder / "lists" / "bad_ips.json").write_text(json.dumps({"elements": ["203.0.113.7", "198.51.100.0/30"]}))
    return folder


def exit_code(*words: str) -> Any:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


def test_an_export_becomes_files_that_are_used_here(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert exit_code("policy", "from-amazon", str(export), str(out), "--outcome", "escalate=review") == 0
    told = capsys.readouterr()
    source = load_mapping(str(out / "mapping.toml"))
    assert (source.fields.amount, source.fields.account, source.fields.source_ip) == ("price", "ENTITY_ID", "ip")
    assert (source.numeric, source.own_categorical) == (("age",), ("pay_type",))
    assert (source.labels.fraud, source.labels.good) == (("fraud",), ("legit",)) if source.labels else False
    rules = load_rules(out / "rules.toml", str(out / "mapping.toml"))
    assert [(one.id, str(one.effect)) for one in rules.rules] == [
        ("dear", "review"), ("dear-other", "block"), ("r1-young", "block"), ("odd", "review"), ("regex", "review"),
    ]  # fmt: skip
    policy = Policy(rules)
    for payment, decision in (
        ({"amount": 950.0, "currency": "GBP"}, "review"), ({"amount": 950.0, "currency": "EUR"}, "review"),
        ({"amount": 0.5, "currency": "GBP"}, "allow"), ({"amount": 6.0, "category": 'gift "cards"'}, "block"),
        ({"amount": 6.0, "age": 17.0, "category": "x"}, "block"), ({"amount": 0.5, "category": "a card.b"}, "review"),
        ({"amount": 0.5, "category": "a cardxb"}, "allow"),
    ):  # fmt: skip
        assert policy.decide(payment, "allow", datetime(2026, 1, 1, tzinfo=UTC))[0] == decision, payment
    assert (out / "lists" / "bad_ips.csv").read_text() == (
        "value,entity\n203.0.113.7,source_ip\n198.51.100.0/30,source_ip\n"
    )
    assert "--effect 'block'" in told.out
    for name, why in (
        ("rule score", "'shop_insightscore' is none that rules here may read"), ("rule mails", "lists here name"),
        ("rule both", "stands beside other conditions"), ("rule wrong", "line 1, column"),
        ("rule regex-not", "regular expression"), ("variable street", "BILLING_ADDRESS_L1"),
        ("label odd", "fraud or good"),
    ):  # fmt: skip
        assert any(line.startswith(f"not moved: {name}") and why in line for line in told.err.splitlines()), name
    assert exit_code("policy", "from-amazon", str(export), str(out)) == 2  # nothing is overwritten


def test_ids_that_would_be_one_here_stay_apart(export: Path, tmp_path: Path) -> None:
    same = "a" * 64
    described = {**rule("Dear", "$price > 3", "review"), "description": "much money"}
    rules = [rule("dear", "$price > 2", "review"), described, rule(same, "$price > 4", "review"),
             {**rule(same, "$price > 5", "review"), "detectorId": "other"}]  # fmt: skip
    (export / "rules.json").write_text(json.dumps({"ruleDetails": rules}))
    assert exit_code("policy", "from-amazon", str(export), str(tmp_path / "out")) == 0
    moved = load_rules(tmp_path / "out" / "rules.toml", str(tmp_path / "out" / "mapping.toml")).rules
    assert [(one.id, one.condition.text) for one in moved] == [
        ("dear", "(amount > 2.0)"), ("dear-2", "(amount > 3.0)"), (same, "(amount > 4.0)"),
        ("a" * 62 + "-2", "(amount > 5.0)"),
    ]  # fmt: skip
    assert moved[1].reason == "much money (rule Dear of Amazon Fraud Detector)"


def test_what_cannot_be_used_here_leaves_no_folder(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each rule is read by itself, so only all together can be refused: a rule set has so many rules at most."""
    monkeypatch.setattr("counterfoil.domain.policy.rules.MOST_RULES", 2)
    assert exit_code("policy", "from-amazon", str(export), str(tmp_path / "out")) == 2
    assert "2 at most" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


@pytest.mark.parametrize("file", ["rules.json", "lists/bad_ips.json"])
def test_what_is_no_answer_of_the_api_is_told(
    export: Path, tmp_path: Path, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("{", "[]"):
        (export / file).write_text(text)
        assert exit_code("policy", "from-amazon", str(export), str(tmp_path / "out")) == 1
        assert Path(file).name in capsys.readouterr().err


def test_an_event_type_must_be_there(export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("policy", "from-amazon", str(export), str(tmp_path / "o"), "--event-type", "login") != 0
    assert "no event type 'login'; there are: card_payment" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("expression", "cel"),
    [
        ("$price + 1 * 2 > 10", "((amount + (1.0 * 2.0)) > 10.0)"),
        ("$price > 1 or $price < 2 and $age == 3", "((amount > 1.0) || ((amount < 2.0) && (age == 3.0)))"),
        ("-$age < 2.5", "(-(age) < 2.5)"),
        ("$cat in [\"a\"]", '(category in ["a"])'),
        ("regex_match(\"ab.*\", $cat)", 'category.startsWith("ab")'),
        ("regex_match(\".*@x\\.com\", $cat)", 'category.endsWith("@x.com")'),
    ],
)  # fmt: skip
def test_conditions_keep_their_meaning(expression: str, cel: str) -> None:
    assert as_cel(expression, FIELDS) == cel
    text = f'name = "x"\n[[rule]]\nid = "x"\nwhen = {json.dumps(cel)}\neffect = "block"\nowner = "a"\nreason = "b"'
    read_rules(text, known_fields(numeric=["age"]))


@pytest.mark.parametrize(
    "expression",
    ["", "$price >", "$price > 1 )", "$price % 2 == 1", "lowercase($cat) == \"a\"", "$cat == \"\\q\"", "# x",
     "$cat in @a", "regex_match(\"\\d.*\", $cat)", "regex_match($cat, $cat)"],
)  # fmt: skip
def test_what_has_no_counterpart_is_refused(expression: str) -> None:
    with pytest.raises(UntranslatableError):
        as_cel(expression, FIELDS)
