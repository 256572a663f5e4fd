"""Looking a payment up costs no more where lists have hundreds of thousands of entries."""

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from counterfoil.domain.policy.lists import ENTRIES, Lists, read_list
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LOOKED_UP = 2_000


def many(entries: int) -> Lists:
    """A block list of so many accounts, of which one in ten is over."""
    numbers = np.arange(entries)
    until = pa.array(np.where(numbers % 10 == 0, 1, 0), pa.int8())
    over = pa.scalar(NOW - timedelta(days=1), ENTRIES.field("until").type)
    columns = {
        "list": pa.repeat("stolen", entries), "effect": pa.repeat("block", entries),
        "entity": pa.repeat("account", entries), "value": pc.binary_join_element_wise("a", numbers.astype(str), ""),
        "since": pa.repeat(pa.scalar(NOW - timedelta(days=9), ENTRIES.field("since").type), entries),
        "until": pc.if_else(pc.equal(until, 1), over, pa.scalar(None, over.type)),
    }  # fmt: skip
    return Lists(pa.table(columns).select(ENTRIES.names).cast(ENTRIES))


def seconds_a_lookup(lists: Lists, entries: int) -> float:
    """The 99th percentile of the processor's time for one payment; half of them are on the list."""
    taken = []
    for number in range(LOOKED_UP):
        payment = {"account_id": f"a{number * 7919 % (2 * entries)}", "merchant_id": "m", "source_ip_id": None}
        begun = time.thread_time()
        lists.hits(payment, NOW)
        taken.append(time.thread_time() - begun)
    return float(np.quantile(taken, 0.99))


@pytest.mark.slow  # it makes the entries, which takes a second; the lookups take none
def test_many_entries_are_looked_up_as_fast_as_few() -> None:
    """A lookup takes 0.01 ms; to compare with each entry would take 0.3."""
    lists = many(300_000)
    assert lists.hits({"account_id": "a299999"}, NOW) == {"block: list stolen"}
    assert lists.hits({"account_id": "a299990"}, NOW) == set()  # over
    assert lists.hits({"account_id": "a300000"}, NOW) == set()
    assert seconds_a_lookup(lists, 300_000) < 0.0001


@pytest.mark.slow
def test_many_rows_are_counted_and_told() -> None:
    rows, kept = 100_000, 90_000
    text = "\ufeffvalue,entity\n" + "\n".join(
        f"m{number % kept},{'colour' if number % 10_000 == 9_999 else 'merchant'}" for number in range(rows)
    )
    read = read_list(text, None, None, "ring", PseudonymKeys((b"a key of sixteen bytes",)))
    assert (read.rows, dict(read.refused)) == (rows, {"unknown entity": 10})
    # The last 10,000 lines have values of before; of one value both lines were refused.
    assert (len(read.entries), read.repeated) == (kept - 9, 9_999)
