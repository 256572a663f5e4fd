"""The report of a mapping on a file: problems, coverage, sample and suggestions."""

import pyarrow as pa

from counterfoil.domain.intake.cleaning import clean
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.intake.mapping_check import MappingReport, account_warnings, check, shown_columns

MAPPING = parse_mapping('[fields]\nevent_time = "t"\namount = "a"\nemail = "mail"\ncard_number = "card"\n', "mine")
COLUMNS = ["t", "a", "mail", "card", "extra"]


def report() -> MappingReport:
    batch = pa.table(
        {
            "t": ["2024-01-01T00:00:00Z"] * 3 + ["?"],
            "a": ["1", "2", "x", "3"],
            "mail": ["ann@example.org", None, None, None],
            "card": pa.nulls(4, pa.string()),
        }
    )
    done = clean(batch, MAPPING, key=b"k" * 16, source="f.csv", first_line=2, content_hash="")
    return check(MAPPING, COLUMNS, done, rows=1)


def test_it_counts_and_covers() -> None:
    found = report()
    assert (found.rows, found.accepted, len(found.sample)) == (4, 2, 1)
    assert found.coverage == {
        "event_time": 1.0, "amount": 1.0, "email_id": 0.5, "card_bin": 0.0, "card_last4": 0.0,
    }  # fmt: skip


def test_it_names_every_reason_with_an_example() -> None:
    found = report()
    assert not found.ok
    assert [(item.reason, item.count, item.example_line) for item in found.rejected] == [
        ("amount_unreadable", 1, 4),
        ("time_unreadable", 1, 5),
    ]
    assert found.problems[0] == ("1 of 4 rows: amount_unreadable (column 'a' is not a number; first at line 4)")


def test_identifiers_are_hashes() -> None:
    sample = report().sample[0]
    assert len(sample["email_id"]) == 32
    assert "ann" not in repr(sample)


def test_it_suggests() -> None:
    suggestions = report().suggestions
    assert "column 'extra' is not used" in suggestions
    assert "card_bin is empty in every row" in suggestions
    assert any(text.startswith("50% of the rows are rejected") for text in suggestions)
    assert any(text.startswith("no account is mapped") for text in suggestions)
    assert any(text.startswith("no label is mapped") for text in suggestions)


def test_missing_and_doubled_columns_are_problems() -> None:
    found = check(MAPPING, ["t", "t", "mail"], None)
    assert [problem.split(" (")[0] for problem in found.problems] == [
        "column 't' stands 2 times in the file's header: rename all but one",
        "column 'a' is not in the file",
        "column 'card' is not in the file",
    ]
    assert "(columns: t, t, mail)" in found.problems[1]


def test_a_clean_file_is_ok() -> None:
    mapping = parse_mapping('[fields]\nevent_time = "t"\n', "mine")
    batch = pa.table({"t": ["2024-01-01T00:00:00Z"]})
    done = clean(batch, mapping, key=b"k" * 16, source="f", first_line=2, content_hash="")
    assert check(mapping, ["t"], done).ok


def test_a_file_without_header_does_not_leak_its_first_row() -> None:
    first_row = ["2024-01-01T00:00:00Z", "12.5", "ann@example.org", "Ann"]
    assert "Ann" not in shown_columns(first_row)
    found = check(MAPPING, first_row, None)
    assert "ann" not in repr(found).lower()


PAYPAL = parse_mapping(
    '[fields]\ntransaction_id = "id"\nevent_time = "t"\namount = "a"\ncategory = "type"\naccount = "who"\n', "paypal"
)


def paypal(*rows: tuple[str, str, str]) -> MappingReport:
    batch = pa.table(
        {
            "id": [row[0] for row in rows],
            "t": ["2026-03-02T10:00:00Z"] * len(rows),
            "a": [row[1] for row in rows],
            "type": [row[2] for row in rows],
            "who": ["x@example.org"] * len(rows),
        }
    )
    done = clean(batch, PAYPAL, key=b"k" * 16, source="f.csv", first_line=2, content_hash="")
    return check(PAYPAL, batch.column_names, done)


def test_ids_that_several_rows_share_are_no_ids() -> None:
    found = paypal(
        ("8AB001", "50", "Payment"), ("8AB002", "50", "Hold"), ("8AB002", "50", "Release"), ("8AB002", "20", "Refund")
    )
    [problem] = found.problems
    assert problem.startswith(
        "2 of 4 rows (50.0%) have the transaction id of an earlier row, and 2 describe another payment"
    )
    assert "'id' is no id" in problem


def test_rows_that_come_twice_are_told_and_no_problem() -> None:
    found = paypal(("8AB001", "50", "Payment"), ("8AB001", "50", "Payment"))
    assert found.ok
    assert "1 of 2 rows (50.0%) repeat an earlier payment: one of each is kept" in found.suggestions
    assert not any("repeat" in text for text in paypal(("8AB001", "50", "Payment")).suggestions)


def test_ibans_that_look_odd_are_told_without_a_value() -> None:
    accounts = ["DE89370400440532013000", "DE88370400440532013000", "QX62 01234567890123", "7", None]
    [wrong, unknown] = account_warnings(accounts)
    assert wrong.startswith("1 of 5 accounts have the form of an IBAN, and check digits that do not fit")
    assert "QX" in unknown
    assert "0123" not in unknown + wrong
    assert list(account_warnings(["7", "DE89370400440532013000"])) == []


def test_an_id_column_that_looks_cut_is_worth_a_look() -> None:
    mapping = parse_mapping('[fields]\nevent_time = "t"\naccount = "who"\nmerchant = "shop"\n', "mine")
    batch = pa.table({
        "t": ["2024-01-01T00:00:00Z"] * 2, "who": ["2291163933867240", "3573030041201290"],
        "shop": ["2291163933867244", "3573030041201292"],
    })  # fmt: skip
    done = clean(batch, mapping, key=b"k" * 16, source="f.csv", first_line=2, content_hash="")
    (told,) = [told for told in check(mapping, ["t", "who", "shop"], done, raw=batch).suggestions if "cut" in told]
    assert "column 'who' (account) looks cut" in told
    assert "2291" not in told


def test_an_id_column_of_whole_numbers_with_a_point_is_worth_a_look() -> None:
    mapping = parse_mapping('[fields]\nevent_time = "t"\naccount = "who"\nmerchant = "shop"\n', "mine")
    batch = pa.table({"t": ["2024-01-01T00:00:00Z"] * 2, "who": ["7.0", ""], "shop": ["7", "Shop 2.0"]})
    done = clean(batch, mapping, key=b"k" * 16, source="f.csv", first_line=2, content_hash="")
    (told,) = [told for told in check(mapping, ["t", "who", "shop"], done, raw=batch).suggestions if "'.0'" in told]
    assert "column 'who' (account) has whole numbers" in told
