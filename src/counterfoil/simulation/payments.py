"""Payments as one structured array, before they become text."""

import numpy as np
from numpy.typing import NDArray

from counterfoil.simulation.names import CATEGORIES
from counterfoil.simulation.world import HOME_ADDRESSES, HOTSPOTS, MOBILE_POOL, OFFICES, REGIONS, Floats, Ints, World

Payments = NDArray[np.void]
"""Structured array (payments,) of `PAYMENT`."""

PAYMENT = np.dtype(
    [
        ("account", np.int64),
        ("merchant", np.int64),
        ("second", np.int64),  # since the start of the first day
        ("cents", np.int64),
        ("address", np.int64),  # within the simulated range
        ("device", np.int64),
        ("kind", np.int8),  # an index into KINDS
    ]
)

KINDS = ("", "card testing", "account takeover", "compromised merchant", "bust-out")
"""Kinds of fraud; the first is a good payment."""

FIRST_GATEWAY = HOME_ADDRESSES
FIRST_OFFICE = FIRST_GATEWAY + REGIONS * MOBILE_POOL
FIRST_HOTSPOT = FIRST_OFFICE + REGIONS * OFFICES

DAY = 86_400
DEVICE_CHANGE_DAYS = 200
BORROWED_DEVICES = 2**30
THIEVES_DEVICES = 2**31
"""Devices from these numbers on belong to no account."""


def payments(
    account: Ints, merchant: Ints, second: Ints, cents: Ints, address: Ints, device: Ints, kind: int = 0
) -> Payments:
    """Put equally long columns together."""
    rows = np.empty(account.size, dtype=PAYMENT)
    columns = (account, merchant, second, cents, address, device)
    for name, column in zip(PAYMENT.names or (), columns, strict=False):
        rows[name] = column
    rows["kind"] = kind
    return rows


def usual_amounts(
    world: World, account: Ints, merchant: Ints, rng: np.random.Generator, factor: Floats | float = 1.0
) -> Ints:
    """Cents (payments,): log-normal by category, account and merchant, times `factor`; at least 30 cents."""
    category = world.merchants.category[merchant]
    median = np.log([kind.median for kind in CATEGORIES])[category]
    spread = np.array([kind.spread for kind in CATEGORIES])[category]
    level = median + world.accounts.taste[account] + world.merchants.price[merchant]
    euros = np.exp(level + spread * rng.normal(size=account.size)) * factor
    return priced(euros, rng)


def priced(euros: Floats, rng: np.random.Generator) -> Ints:
    """Cents as shops price: of amounts over 3 EUR two in five end in .00, .50, .95 or .99."""
    cents = np.maximum(np.round(euros * 100), 30).astype(np.int64)
    endings = rng.choice([0, 50, 95, 99], size=cents.size)
    round_ones = (rng.random(cents.size) < 0.4) & (cents > 300)
    return np.where(round_ones, cents // 100 * 100 + endings, cents)


def usual_addresses(world: World, account: Ints, second: Ints, rng: np.random.Generator) -> Ints:
    """Addresses (payments,): mostly the home's of these weeks, else a mobile gateway's or an office's."""
    region = world.accounts.region[account]
    lease = (second // DAY + account * 7) // world.accounts.lease[account]
    home = (account * 7919 + lease * 104_729) % HOME_ADDRESSES
    office = FIRST_OFFICE + region * OFFICES + account % OFFICES
    place = rng.random(account.size)
    return np.where(place < 0.65, home, np.where(place < 0.85, gateways(region, rng), office))


def gateways(region: Ints, rng: np.random.Generator) -> Ints:
    """A mobile gateway of each region in `region`; strangers share it."""
    return FIRST_GATEWAY + region * MOBILE_POOL + rng.integers(MOBILE_POOL, size=region.size)


def hotspots(region: Ints, rng: np.random.Generator) -> Ints:
    """A hotel's or airport's address of each region in `region`; travellers share it."""
    return FIRST_HOTSPOT + region * HOTSPOTS + rng.integers(HOTSPOTS, size=region.size)


def usual_devices(account: Ints, second: Ints, rng: np.random.Generator) -> Ints:
    """Devices (payments,): a phone, or one time in four a computer, replaced at times; rarely another's."""
    computer = (rng.random(account.size) < 0.25).astype(np.int64)
    generation = (second // DAY + account * 37 + computer * 91) // DEVICE_CHANGE_DAYS
    own = (account * 2 + computer) * 100 + generation % 100
    borrowed = BORROWED_DEVICES + rng.integers(2**20, size=account.size)
    return np.where(rng.random(account.size) < 0.004, borrowed, own)
