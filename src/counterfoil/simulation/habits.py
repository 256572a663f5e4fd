"""Good payments: habits, and all that looks suspicious in them without being fraud.

Honest people travel (new addresses, unknown merchants), buy several small things within minutes, buy
something dear at night, and spend more for a while when they move house.
"""

import numpy as np

from counterfoil.simulation.names import CATEGORIES, category_numbers
from counterfoil.simulation.payments import (
    DAY,
    Payments,
    hotspots,
    payments,
    usual_addresses,
    usual_amounts,
    usual_devices,
)
from counterfoil.simulation.world import FAVOURITES, Floats, Ints, World

DAYS_BETWEEN_TRIPS = 55
SPREES_A_DAY = 0.0025
"""Mean number of bursts of small payments of an account a day."""
SPENDING_PHASES = 0.15
"""Share of accounts that once spend more and more for some days."""
LARGE_PURCHASES = 0.004
"""Share of payments that are several times as large as usual there."""


def good_payments(world: World, rng: np.random.Generator) -> Payments:
    """Everything that the accounts pay themselves, in no order."""
    whereabouts = _whereabouts(world, rng)
    phase = _spending_phases(world, rng)
    return np.concatenate([_everyday(world, whereabouts, phase, rng), _sprees(world, rng)])


def _whereabouts(world: World, rng: np.random.Generator) -> Ints:
    """Region (accounts, days) in which each account is: its own but for trips of 2 to 9 days."""
    own = world.accounts.region
    where = np.repeat(own[:, None], world.days, axis=1)
    travellers = np.repeat(np.arange(own.size), rng.poisson(world.days / DAYS_BETWEEN_TRIPS, own.size))
    starts = rng.integers(world.days, size=travellers.size)
    lengths = rng.integers(2, 10, size=travellers.size)
    goals = rng.integers(where.max() + 1, size=travellers.size)
    for account, start, length, goal in zip(travellers, starts, lengths, goals, strict=True):
        where[account, start : start + length] = goal
    return where


def _spending_phases(world: World, rng: np.random.Generator) -> Floats:
    """Factor (accounts, days) on number and amount of payments: 1, but for phases in which it grows daily."""
    factor = np.ones((world.accounts.size, world.days))
    for account in np.flatnonzero(rng.random(world.accounts.size) < SPENDING_PHASES):
        start, length = rng.integers(world.days), rng.integers(5, 13)
        growth = rng.uniform(1.04, 1.16) ** np.arange(length)
        factor[account, start : start + length] = growth[: world.days - start]
    return factor


def _everyday(world: World, whereabouts: Ints, phase: Floats, rng: np.random.Generator) -> Payments:
    weekend = (np.arange(world.days) + world.first_weekday) % 7 >= 5
    rates = world.accounts.rate[:, None] * np.where(weekend, world.accounts.weekend[:, None], 1.0) * phase
    cells = np.repeat(np.arange(rates.size), rng.poisson(rates).ravel())
    account, day = cells // world.days, cells % world.days
    category = world.accounts.appetite.draw(account, rng)
    second = day * DAY + seconds_of_day(category, world.accounts.shift[account], rng)
    region = whereabouts[account, day]
    away = region != world.accounts.region[account]
    merchant = _merchants(world, account, category, region, rng)
    large = np.where(rng.random(account.size) < LARGE_PURCHASES, rng.uniform(2, 8, account.size), 1.0)
    cents = usual_amounts(world, account, merchant, rng, large * phase[account, day])
    # A traveller pays by the hotel's network three times in four.
    elsewhere = away & (rng.random(account.size) < 0.75)
    address = np.where(elsewhere, hotspots(region, rng), usual_addresses(world, account, second, rng))
    return payments(account, merchant, second, cents, address, usual_devices(account, second, rng))


def _merchants(world: World, account: Ints, category: Ints, region: Ints, rng: np.random.Generator) -> Ints:
    """One of the account's favourites, or what there is where the account is."""
    there = world.choices.draw(region * len(CATEGORIES) + category, rng)
    slot = rng.choice(FAVOURITES, size=account.size, p=[0.6, 0.28, 0.12])
    favourite = world.accounts.favourites[account, category, slot]
    at_home = region == world.accounts.region[account]
    reachable = at_home | world.merchants.online[favourite]
    explores = rng.random(account.size) < world.accounts.curiosity[account]
    return np.where(reachable & ~explores, favourite, there)


def seconds_of_day(category: Ints, shift: Floats, rng: np.random.Generator) -> Ints:
    """Second of the day (payments,) around one of the category's peaks, moved by `shift` hours."""
    peaks = np.array([kind.peaks for kind in CATEGORIES])[category, rng.integers(2, size=category.size)]
    width = np.array([kind.width for kind in CATEGORIES])[category]
    hours = peaks + shift + width * rng.normal(size=category.size)
    return (hours % 24 * 3600).astype(np.int64) % DAY


def _sprees(world: World, rng: np.random.Generator) -> Payments:
    """Bursts of three to nine small payments at one merchant: games, music, tickets, donations."""
    expected = SPREES_A_DAY * world.accounts.size * world.days
    number = int(rng.poisson(expected))
    account = rng.choice(world.accounts.size, size=number, p=_by_rate(world))
    kinds = np.array(category_numbers("digital goods", "transport", "charity"))
    category = rng.choice(kinds, size=number, p=[0.7, 0.2, 0.1])
    merchant = world.choices.draw(world.accounts.region[account] * len(CATEGORIES) + category, rng)
    start = rng.integers(world.days, size=number) * DAY
    start += seconds_of_day(category, world.accounts.shift[account], rng)
    spree = np.repeat(np.arange(number), rng.integers(3, 10, size=number))
    second = start[spree] + rng.integers(0, 1200, size=spree.size)
    owner = account[spree]
    cents = usual_amounts(world, owner, merchant[spree], rng, rng.uniform(0.15, 0.7, number)[spree])
    address = usual_addresses(world, account, start, rng)[spree]
    device = usual_devices(account, start, rng)[spree]
    return payments(owner, merchant[spree], second, cents, address, device)


def _by_rate(world: World) -> Floats:
    shares: Floats = world.accounts.rate / world.accounts.rate.sum()
    return shares
