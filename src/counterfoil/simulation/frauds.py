"""Four kinds of fraud, each with the trace that it leaves in real payments.

Each function is given how many payments to aim for and makes at least one incident, so a very small
simulation has a higher share of fraud than was asked for.
"""

import numpy as np

from counterfoil.simulation.habits import seconds_of_day
from counterfoil.simulation.names import CATEGORIES, category_numbers
from counterfoil.simulation.payments import (
    DAY,
    KINDS,
    THIEVES_DEVICES,
    Payments,
    gateways,
    hotspots,
    payments,
    priced,
    usual_addresses,
    usual_amounts,
    usual_devices,
)
from counterfoil.simulation.world import HOME_ADDRESSES, REGIONS, Ints, World

SHARES = (0.22, 0.28, 0.3, 0.2)
"""Share of the fraudulent payments of each kind, in the order of KINDS."""

RESOLD = category_numbers("electronics", "jewellery", "gift cards", "travel", "fashion")
"""What can be turned into money."""


def fraudulent_payments(world: World, good: Payments, rate: float, rng: np.random.Generator) -> tuple[Payments, Ints]:
    """Frauds amounting to about `rate` of the good payments, and the last second (accounts,) of each account.

    An account that goes bust makes no payment after its last second; others live on.
    """
    target = rate * good.size
    bust, last_second = bust_outs(world, SHARES[3] * target, rng)
    victims = np.flatnonzero(last_second == np.iinfo(np.int64).max)
    parts = [
        card_testing(world, victims, SHARES[0] * target, rng),
        account_takeovers(world, victims, SHARES[1] * target, rng),
        compromised_merchants(world, good[np.isin(good["account"], victims)], SHARES[2] * target, rng),
        bust,
    ]
    return np.concatenate(parts), last_second


def card_testing(world: World, victims: Ints, target: float, rng: np.random.Generator) -> Payments:
    """Four to ten tiny online payments within minutes, then one or two dear ones within a day."""
    number = max(1, round(target / 8.5))
    account = rng.choice(victims, size=number)
    start = rng.integers(DAY // 4, (world.days - 2) * DAY, size=number)
    address, device = _gangs(number, 4, rng)
    sites = np.array(category_numbers("digital goods", "charity"))
    site = _bought(world, rng.choice(sites, size=number), rng)
    tests, place = _several(rng.integers(4, 11, size=number))
    pace = rng.uniform(20, 150, size=number)[tests]
    second = start[tests] + (place * pace + rng.uniform(0, 15, tests.size)).astype(np.int64)
    cents = priced(rng.uniform(0.3, 3.0, tests.size), rng)
    tiny = (account[tests], site[tests], second, cents, address[tests], device[tests])
    after = rng.integers(1800, 20 * 3600, size=number)
    dear, _ = _several(rng.integers(1, 3, size=number))
    merchant = _bought(world, rng.choice(RESOLD, size=dear.size), rng)
    later = (start + after)[dear] + rng.integers(0, 3600, size=dear.size)
    price = usual_amounts(world, account[dear], merchant, rng, rng.uniform(1, 3.5, dear.size))
    large = (account[dear], merchant, later, price, address[dear], device[dear])
    return np.concatenate([payments(*tiny, kind=1), payments(*large, kind=1)])


def account_takeovers(world: World, victims: Ints, target: float, rng: np.random.Generator) -> Payments:
    """Two to six dear payments at odd hours from an address that a gang uses for several victims."""
    number = max(1, round(target / 4))
    account = rng.choice(victims, size=number)
    night = rng.random(number) < 0.65
    hour = np.where(night, rng.normal(3, 1.5, number), rng.uniform(6, 24, number)) % 24
    start = rng.integers(world.days - 2, size=number) * DAY + (hour * 3600).astype(np.int64)
    address, gang_device = _gangs(number, 4, rng)
    one, place = _several(rng.integers(2, 7, size=number))
    second = start[one] + place * rng.integers(240, 5400, size=one.size)
    merchant = _bought(world, rng.choice(RESOLD, size=one.size), rng)
    cents = usual_amounts(world, account[one], merchant, rng, rng.uniform(1.2, 3, one.size))
    copied = (rng.random(number) < 0.3)[one]  # a perfect copy of the victim's device
    device = np.where(copied, usual_devices(account[one], second, rng), gang_device[one])
    return payments(account[one], merchant, second, cents, address[one], device, kind=2)


def compromised_merchants(world: World, good: Payments, target: float, rng: np.random.Generator) -> Payments:
    """Customers of a merchant during 4 to 8 days are skimmed; 3 to 20 days later their cards pay elsewhere.

    One to four payments a card, at ordinary hours and of ordinary kinds, somewhat larger than usual.
    """
    incidents = max(1, round(target / 30))
    cards = max(1, round(target / incidents / 2.5))
    parts = []
    for _ in range(incidents):
        start = rng.integers(0, world.days - 24) * DAY
        period = (good["second"] >= start) & (good["second"] < start + rng.integers(4, 9) * DAY)
        # Thieves go where many pay: of the merchants of four payments, the busiest.
        candidates = rng.choice(good["merchant"][period], size=4)
        merchant = candidates[np.argmax(np.bincount(good["merchant"][period])[candidates])]
        skimmed = good[period & (good["merchant"] == merchant)]
        _, first = np.unique(skimmed["account"], return_index=True)
        chosen = skimmed[rng.permutation(first)[:cards]]
        parts.append(_skimmed_uses(world, chosen["account"], chosen["second"], rng))
    return np.concatenate(parts)


def _skimmed_uses(world: World, account: Ints, skimmed: Ints, rng: np.random.Generator) -> Payments:
    latest = np.minimum(20, world.days - 1 - skimmed // DAY)
    day = skimmed // DAY + 3 + np.floor(rng.random(account.size) * (latest - 3)).astype(np.int64)
    one, place = _several(rng.integers(1, 5, size=account.size))
    shares = np.sqrt([kind.share for kind in CATEGORIES])
    category = rng.choice(len(CATEGORIES), size=one.size, p=shares / shares.sum())
    # The next card is used up to the twentieth day too.
    days = np.minimum(day[one] + place * rng.integers(0, 2, one.size), skimmed[one] // DAY + 20)
    second = days * DAY + seconds_of_day(category, np.zeros(one.size), rng)
    # The hour is drawn anew, and must not bring a use nearer than three days to the theft.
    second = np.where(second < skimmed[one] + 3 * DAY, second + DAY, second)
    merchant = _bought(world, category, rng)
    cents = usual_amounts(world, account[one], merchant, rng, rng.uniform(1.5, 5.0, one.size))
    address, thief = _gangs(account.size, 1, rng)
    copied = (rng.random(account.size) < 0.35)[one]
    device = np.where(copied, usual_devices(account[one], second, rng), thief[one])
    return payments(account[one], merchant, second, cents, address[one], device, kind=3)


def bust_outs(world: World, target: float, rng: np.random.Generator) -> tuple[Payments, Ints]:
    """An account spends ever more for 5 to 12 days, from its own device and address, and is then silent.

    Returns the payments and the last second (accounts,) of each account; the largest int64 for the others.
    """
    number = min(max(1, round(target / 18)), world.accounts.size // 4)
    account = rng.choice(world.accounts.size, size=number, replace=False)
    length = rng.integers(5, 13, size=number)
    end = rng.integers(np.minimum(world.days // 3, 14), world.days, size=number)
    case, place = _several(length)
    growth = np.minimum(rng.uniform(1.12, 1.35, size=number)[case] ** place, 10.0)
    one = np.repeat(np.arange(case.size), rng.poisson(1.2 * np.sqrt(growth)) + (place == length[case] - 1))
    owner, factor = account[case[one]], growth[one] * rng.uniform(0.8, 1.4, one.size)
    favours = np.where(rng.random(one.size) < 0.6, rng.choice(RESOLD, size=one.size), 0)
    category = np.where(favours > 0, favours, world.accounts.appetite.draw(owner, rng))
    region = world.accounts.region[owner]
    merchant = world.choices.draw(region * len(CATEGORIES) + category, rng)
    day = (end - length)[case[one]] + place[one] + 1
    second = day * DAY + seconds_of_day(category, world.accounts.shift[owner], rng)
    cents = usual_amounts(world, owner, merchant, rng, factor)
    address = usual_addresses(world, owner, second, rng)
    device = usual_devices(owner, second, rng)
    last_second = np.full(world.accounts.size, np.iinfo(np.int64).max)
    last_second[account] = (end + 1) * DAY - 1
    return payments(owner, merchant, second, cents, address, device, kind=KINDS.index("bust-out")), last_second


def _several(numbers: Ints) -> tuple[Ints, Ints]:
    """For each of numbers[i] things of case i: the case, and the thing's place within it."""
    case = np.repeat(np.arange(numbers.size), numbers)
    first = np.repeat(np.cumsum(numbers) - numbers, numbers)
    return case, np.arange(case.size) - first


def _bought(world: World, category: Ints, rng: np.random.Generator) -> Ints:
    """Merchants of each category, in any region."""
    region = rng.integers(REGIONS, size=category.size)
    return world.choices.draw(region * len(CATEGORIES) + category, rng)


def _gangs(incidents: int, size: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Address and device (incidents,) where about `size` incidents come from one gang.

    Addresses are hijacked homes, mobile gateways and hotels: no range of addresses is bad in itself.
    """
    gangs = max(1, incidents // size)
    region = rng.integers(REGIONS, size=gangs)
    homes = rng.integers(HOME_ADDRESSES, size=gangs)
    kind = rng.random(gangs)
    pool = np.where(kind < 0.8, gateways(region, rng), hotspots(region, rng))
    address = np.where(kind < 0.6, homes, pool)
    device = THIEVES_DEVICES + rng.integers(2**24, size=gangs)
    member = rng.integers(gangs, size=incidents)
    return address[member], device[member]
