"""Totals of NACHA batches and files: what control records tell, beside what the records before them make."""

import pytest

from counterfoil.domain.intake.nacha_totals import Totals
from counterfoil.domain.intake.raw import BadRecordError


def entry(code: str, bank: str, cents: int) -> str:
    return f"6{code}{bank}0{'account':<17}{cents:010}".ljust(94)


def batch_control(records: int, entry_hash: int, debits: int, credits_: int, service: str = "200") -> str:
    return f"8{service}{records:06}{entry_hash:010}{debits:012}{credits_:012}".ljust(94)


def test_an_entry_hash_has_its_last_ten_digits_only() -> None:
    totals = Totals()
    for _ in range(150):
        totals.add_entry(entry("27", "99999999", 1))
    assert totals.entry_hash == 14_999_999_850
    totals.require_batch(batch_control(150, 4_999_999_850, 150, 0))
    with pytest.raises(BadRecordError, match="entry hash 4999999851, and there are 4999999850"):
        totals.require_batch(batch_control(150, 4_999_999_851, 150, 0))


def test_credits_and_debits_are_told_apart_by_the_code() -> None:
    totals = Totals()
    totals.add_entry(entry("22", "00000001", 5))
    totals.add_entry(entry("37", "00000002", 7))
    totals.require_batch(batch_control(2, 3, debits=7, credits_=5))
    with pytest.raises(BadRecordError, match="debits 5, and there are 7; credits 7, and there are 5"):
        totals.require_batch(batch_control(2, 3, debits=5, credits_=7))


def test_nothing_is_required_of_advices_nor_after_an_entry_that_was_not_read() -> None:
    totals = Totals()
    totals.require_batch(batch_control(9, 9, 9, 9, service="280"))
    totals.add_entry(entry("2x", "00000001", 5))
    totals.require_batch(batch_control(9, 9, 9, 9))
