"""Simulated payments as the table of text that a payment processor would export."""

from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from counterfoil.simulation.names import CATEGORIES
from counterfoil.simulation.payments import DAY, Payments
from counterfoil.simulation.world import ADDRESSES, Ints, World

UNLABELLED = 0.01
LABEL_DELAY_DAYS = (1, 14)


def as_table(world: World, rows: Payments, start: date, rng: np.random.Generator) -> pa.Table:
    """Columns of text for rows in order of time; `start` is the UTC date of second 0."""
    account, merchant = rows["account"], rows["merchant"]
    shops = world.merchants
    categories = [kind.name for kind in CATEGORIES]
    fraud, labelled_at = _labels(rows, start, rng)
    columns = {
        "payment_id": [f"P{number:08d}" for number in range(1, rows.size + 1)],
        "paid_at": _iso(rows["second"], start),
        "account": [f"A{number:06d}" for number in account],
        "card_bin": [f"{900_100 + 37 * number}" for number in world.accounts.card_bin[account]],
        "merchant": [shops.names[number] for number in merchant],
        "merchant_category": [categories[number] for number in shops.category[merchant]],
        "amount": [f"{cents // 100}.{cents % 100:02d}" for cents in rows["cents"].tolist()],
        "currency": ["EUR"] * rows.size,
        "ip_address": [_dotted(number) for number in rows["address"].tolist()],
        "device": [_device_name(number) for number in rows["device"].tolist()],
        "email": [world.accounts.emails[number] for number in account],
        "is_fraud": fraud,
        "labelled_at": labelled_at,
    }
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _labels(rows: Payments, start: date, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Label and the time it became known: frauds 1 to 14 days late, good payments at once, some never yet."""
    fraud = rows["kind"] > 0
    first, last = (days * DAY for days in LABEL_DELAY_DAYS)
    delay = np.where(fraud, rng.integers(first, last + 1, size=rows.size), 0)
    known = rng.random(rows.size) >= UNLABELLED
    labels = np.where(known, np.where(fraud, "1", "0"), "")
    times = np.where(known, _iso(rows["second"] + delay, start), "")
    return labels.tolist(), times.tolist()


def _iso(second: Ints, start: date) -> NDArray[np.str_]:
    moments = np.datetime64(start, "s") + second.astype("timedelta64[s]")
    return np.char.add(np.datetime_as_string(moments), "Z")


def _dotted(address: int) -> str:
    """An address of 198.18.0.0/15; an odd factor permutes them, so that ranges do not tell what they are."""
    mixed = address * 40_503 % ADDRESSES
    return f"198.{18 + (mixed >> 16)}.{mixed >> 8 & 255}.{mixed & 255}"


def _device_name(device: int) -> str:
    """A prefix keeps names such as 1e104567 from being read as numbers."""
    return f"dev-{device * 2_654_435_761 % 2**32:08x}"
