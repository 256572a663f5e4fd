"""Cases after public reports: each payment of a file is one payment of its own account, or is refused by name."""

from collections import Counter
from pathlib import Path

import pytest
from shared_folder import CASES
from two_processes import rows_of

from counterfoil.adapters.files.folders import find_files
from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.steps.intake.collect import collect

PACS, PAIN, OWN = "iso20022-pacs008", "iso20022-pain001", "mapping.toml"
INT96 = {"label_time_unreadable": 1, "time_out_of_range": 3}
OTHERS = {"message_pacs.009": 1, "message_pacs.004": 1}

# Case and file, its mapping, payments (with as many ids), accounts, reasons of the rows that are refused.
EXPECTED = [
    ("04_iban_spellings/payments.csv", "transfer.toml", 4, 1, {}),
    ("04_iban_spellings/pain.xml", PAIN, 2, 1, {}),
    ("06_athena_int96_wraps/int96.parquet", OWN, 2, 1, INT96),
    ("07_stray_quotes/paired.tsv", OWN, 6, 3, {}),
    ("07_stray_quotes/inch_and_blank_line.tsv", OWN, 2, 2, {}),
    ("12_paypal_ids_not_unique/activity.csv", OWN, 2, 1, {"duplicate_id_other_content": 2}),
    ("13_pacs008_pix_txid/static_qr.xml", PACS, 4, 4, {}),
    ("14_same_number_other_bank/wires.xml", PACS, 3, 2, {}),
    ("15_iso20022_wrappers/mixed_messages.xml", PACS, 2, 1, OTHERS),
    ("16_parquet_of_other_writers/float_ids.parquet", OWN, 1, 0, {"id_rounded": 2}),
    ("21_excel_card_numbers/fraudTest_excel.csv", "account.toml", 0, 0, {"id_rounded": 3}),
    ("23_strptime_zone_names/zone_utc.csv", OWN, 2, 1, {}),
]

pytestmark = pytest.mark.skipif(not CASES.exists(), reason=f"no shared cases in {CASES}: set COUNTERFOIL_SHARED_DATA")


@pytest.mark.parametrize(("file", "mapping", "payments", "accounts", "refused"), EXPECTED, ids=lambda value: str(value))
def test_a_case_has_its_payments(
    file: str, mapping: str, payments: int, accounts: int, refused: dict[str, int], tmp_path: Path
) -> None:
    path, lake = CASES / file, FolderTables(tmp_path / "lake")
    named = load_mapping(str(path.parent / mapping) if mapping.endswith(".toml") else mapping)
    [done] = collect([path], named, key=b"k" * 16, reader=InputFiles(), tables=lake, ledger=MemoryLedger())
    rows = rows_of(lake, "transactions")
    assert len(rows) == len({row["transaction_id"] for row in rows}) == payments
    assert len({row["account_id"] for row in rows if row.get("account_id")}) == accounts
    assert Counter(row["reason"] for row in rows_of(lake, "rejected")) == refused
    assert done.rows_in == done.rows_out + sum(done.rejected.values()) == payments + sum(refused.values())


def test_each_part_of_a_folder_has_its_own_result(tmp_path: Path) -> None:
    folder, lake = CASES / "17_spark_output_folder", FolderTables(tmp_path / "lake")
    found = find_files([folder / "out"])
    assert [path.name for path, _ in found.left_out] == ["_SUCCESS"]
    done = collect(
        found.files, load_mapping(str(folder / OWN)), key=b"k" * 16, reader=InputFiles(), tables=lake,
        ledger=MemoryLedger(), keep_going=True,
    )  # fmt: skip
    assert [(file.rows_out, bool(file.failed)) for file in done] == [(1, False), (0, True), (0, False), (1, False)]
    assert len(rows_of(lake, "transactions")) == 2
