"""Who pays and who is paid: accounts with habits, and merchants with a trade, a place and a price level."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfoil.simulation.names import CATEGORIES, email_addresses, merchant_names

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

REGIONS = 6
FAVOURITES = 3
PAYMENTS_A_DAY = 2.1
"""Mean over the accounts; single ones pay from once a fortnight to a dozen times a day."""

# Addresses are numbers within 198.18.0.0/15 (RFC 2544), of which the first half is handed out to homes.
ADDRESSES = 131_072
HOME_ADDRESSES = 65_536
MOBILE_POOL = 40
OFFICES = 12
HOTSPOTS = 30
"""Addresses of a region that many people share: mobile gateways, offices, and hotels or airports."""


@dataclass(frozen=True)
class Odds:
    """Rows of probabilities to draw from: `cumulative` (rows, options) ends in 1 in each row."""

    cumulative: Floats

    @classmethod
    def of(cls, weights: Floats) -> "Odds":
        """From weights (rows, options) of any scale; no row may be all zero."""
        summed = np.cumsum(weights, axis=1)
        return cls(summed / summed[:, -1:])

    def draw(self, rows: Ints, rng: np.random.Generator) -> Ints:
        """One option for each entry of `rows`."""
        options = self.cumulative.shape[1]
        # Row r occupies (r, r + 1] of one long sorted array, so that one search serves every row.
        laid_out = (self.cumulative + np.arange(self.cumulative.shape[0])[:, None]).ravel()
        found = np.searchsorted(laid_out, rows + rng.random(rows.size), side="right") - rows * options
        drawn: Ints = np.minimum(found, options - 1)
        return drawn


@dataclass(frozen=True)
class Merchants:
    """Arrays (merchants,); `price` is the logarithm of its price level against its category's."""

    names: list[str]
    category: Ints
    region: Ints
    online: NDArray[np.bool_]
    popularity: Floats
    price: Floats

    def odds_by_region_and_category(self) -> Odds:
        """Row region * categories + category: where somebody who is there buys that."""
        near = self.online[None, :] | (self.region[None, :] == np.arange(REGIONS)[:, None])
        # A little weight elsewhere: no region is without merchants of a category.
        by_region = self.popularity * np.where(near, 1.0, 0.003)
        sells = self.category[None, :] == np.arange(len(CATEGORIES))[:, None]
        cells = by_region[:, None, :] * sells[None, :, :]
        return Odds.of(cells.reshape(REGIONS * len(CATEGORIES), -1))


@dataclass(frozen=True)
class Accounts:
    """Arrays (accounts, ...): what each account does when nothing special happens.

    `rate` payments a day; `weekend` factor on it; `appetite` weights of categories (accounts, categories);
    `taste` logarithm of its amounts against others'; `shift` in hours of its day; `lease` days between
    changes of its home address; `curiosity` share of payments away from its `favourites` (accounts,
    categories, FAVOURITES).
    """

    region: Ints
    rate: Floats
    weekend: Floats
    appetite: Odds
    taste: Floats
    shift: Floats
    lease: Ints
    curiosity: Floats
    favourites: Ints
    card_bin: Ints
    emails: list[str]

    @property
    def size(self) -> int:
        """Number of accounts."""
        return self.region.size


@dataclass(frozen=True)
class World:
    """Everything that exists before the first payment, for `days` days."""

    merchants: Merchants
    accounts: Accounts
    choices: Odds  # of merchants, by region and category
    days: int
    first_weekday: int  # 0 is Monday


def build_world(accounts: int, merchants: int, days: int, first_weekday: int, rng: np.random.Generator) -> World:
    """Draw merchants and accounts."""
    shops = _merchants(merchants, rng)
    choices = shops.odds_by_region_and_category()
    return World(shops, _accounts(accounts, choices, rng), choices, days, first_weekday)


def _merchants(number: int, rng: np.random.Generator) -> Merchants:
    shares = np.sqrt([category.share for category in CATEGORIES])
    extra = rng.choice(len(CATEGORIES), size=number - len(CATEGORIES), p=shares / shares.sum())
    category = np.sort(np.concatenate([np.arange(len(CATEGORIES)), extra]))
    per_category = np.bincount(category, minlength=len(CATEGORIES))
    names = [
        name for kind, many in zip(CATEGORIES, per_category, strict=True) for name in merchant_names(kind, many, rng)
    ]
    online = rng.random(number) < np.array([kind.online for kind in CATEGORIES])[category]
    # Zipf's law within each category, with an exponent a little under 1.
    rank = np.arange(number) - np.searchsorted(category, category) + 1
    return Merchants(
        names=names,
        category=category,
        region=rng.integers(REGIONS, size=number),
        online=online,
        popularity=(rank**-0.9).astype(np.float64),
        price=rng.normal(0, 0.3, number),
    )


def _accounts(number: int, choices: Odds, rng: np.random.Generator) -> Accounts:
    region = rng.integers(REGIONS, size=number)
    rate = rng.lognormal(0, 0.8, number)
    shares = np.array([category.share for category in CATEGORIES])
    own_taste = rng.gamma(2.0, 1.0, (number, len(CATEGORIES)))
    return Accounts(
        region=region,
        rate=rate * PAYMENTS_A_DAY / rate.mean(),
        weekend=rng.lognormal(0.1, 0.3, number),
        appetite=Odds.of(shares * own_taste),
        taste=rng.normal(0, 0.35, number),
        # Most keep office hours; one in eight lives at night.
        shift=rng.normal(0, 1.0, number) + np.where(rng.random(number) < 0.125, 6.0, 0.0),
        lease=rng.integers(15, 90, number),
        curiosity=rng.beta(2, 6, number),
        favourites=_favourites(region, choices, rng),
        card_bin=rng.integers(12, size=number),
        emails=_emails(number, rng),
    )


def _favourites(region: Ints, choices: Odds, rng: np.random.Generator) -> Ints:
    kinds = len(CATEGORIES)
    cells = region[:, None, None] * kinds + np.arange(kinds)[None, :, None]
    cells = np.broadcast_to(cells, (region.size, kinds, FAVOURITES))
    return choices.draw(cells.ravel(), rng).reshape(cells.shape)


def _emails(number: int, rng: np.random.Generator) -> list[str]:
    """One in eight accounts shares the address of the account before it, as in a household."""
    own = email_addresses(number, rng)
    shared = rng.random(number) < 0.125
    return [own[place - 1] if shared[place] and place else own[place] for place in range(number)]
