"""Names that say what a merchant sells, and e-mail addresses of people who do not exist."""

from dataclasses import dataclass

import numpy as np

PREFIXES = (
    "Harbour", "Nordlys", "Old Mill", "Riverside", "Linden", "Bluebell", "Castle", "Aurora", "Granite",
    "Market Street", "Silver Birch", "Lantern", "Orchard", "Kestrel", "Meridian", "Seven Oaks", "Juniper",
    "Tidewater", "Copper Gate", "Hillside", "Saffron", "Windmill", "Polar", "Amber", "Bridge House",
    "Foxglove", "Station", "Valley", "Crescent", "Maple", "Lighthouse", "Garnet", "Heron", "Bellwether",
    "Quayside", "Thistle",
)  # fmt: skip

FIRST_NAMES = (
    "anna", "ben", "clara", "david", "elif", "farid", "greta", "hugo", "ines", "jonas", "karin", "luca",
    "maria", "nils", "olga", "paul", "rosa", "samir", "tessa", "uwe", "vera", "wim", "yara", "zoe",
)  # fmt: skip
LAST_NAMES = (
    "abel", "berg", "costa", "dahl", "ek", "fischer", "garcia", "holm", "ivanov", "jansen", "keller", "lind",
    "moreau", "novak", "okafor", "peeters", "rossi", "silva", "toth", "vos", "weber", "young", "zhang",
)  # fmt: skip


@dataclass(frozen=True)
class Category:
    """A kind of merchant.

    `share` of an average account's payments; median amount in EUR and `spread`, the standard deviation of its
    logarithm; `online`, the share of merchants that sell to every region; hours of the day at which half of
    the payments are centred, with their spread in hours.
    """

    name: str
    nouns: tuple[str, ...]
    share: float
    median: float
    spread: float
    online: float
    peaks: tuple[float, ...]
    width: float


CATEGORIES = (
    Category("grocery", ("Grocers", "Foods", "Supermarket", "Greens"), 24, 32, 0.7, 0.05, (11, 17.5), 2.5),
    Category("fuel", ("Fuel", "Petrol Station", "Energy Stop"), 7, 55, 0.35, 0.0, (7.5, 17), 2.5),
    Category("restaurant", ("Kitchen", "Bistro", "Trattoria", "Grill"), 11, 28, 0.6, 0.1, (12.5, 19.5), 1.5),
    Category("cafe", ("Coffee", "Bakery", "Tea Room"), 11, 6, 0.45, 0.0, (8, 14.5), 2.0),
    Category("bar", ("Tavern", "Wine Bar", "Taproom"), 4, 18, 0.6, 0.0, (20.5, 23.5), 1.8),
    Category("transport", ("Taxi", "Rail Tickets", "Parking", "Bus Lines"), 8, 5, 0.8, 0.4, (8, 17.5), 3.0),
    Category("pharmacy", ("Pharmacy", "Chemist"), 4, 16, 0.7, 0.1, (10.5, 16.5), 2.5),
    Category("fashion", ("Fashion", "Shoes", "Clothing"), 6, 58, 0.7, 0.5, (13, 20), 3.0),
    Category("electronics", ("Electronics", "Computers", "Phones"), 3, 120, 1.0, 0.6, (13, 20), 3.5),
    Category("home", ("Furniture", "Hardware", "Garden Centre"), 4, 70, 0.9, 0.3, (11, 16), 3.0),
    Category("digital goods", ("Games", "Streaming", "App Store", "Music"), 7, 6, 0.8, 1.0, (16, 21.5), 3.5),
    Category("books and toys", ("Books", "Toys", "Stationery"), 3, 22, 0.6, 0.4, (12, 18), 3.0),
    Category("travel", ("Travel", "Airlines", "Hotels"), 2, 210, 0.8, 0.8, (12, 20), 4.0),
    Category("jewellery", ("Jewellers", "Watches"), 0.7, 160, 0.9, 0.3, (12, 16.5), 2.5),
    Category("charity", ("Relief Fund", "Animal Shelter", "Foundation"), 1.3, 15, 0.7, 1.0, (11, 20), 4.0),
    Category("gift cards", ("Gift Cards", "Vouchers"), 1, 40, 0.6, 0.9, (13, 20), 3.5),
)  # fmt: skip


def category_numbers(*names: str) -> tuple[int, ...]:
    """Positions in `CATEGORIES` of categories of these names."""
    known = [category.name for category in CATEGORIES]
    return tuple(known.index(name) for name in names)


def merchant_names(category: Category, number: int, rng: np.random.Generator) -> list[str]:
    """`number` different names; once all pairs of words are used up, branches are numbered."""
    pairs = [f"{prefix} {noun}" for noun in category.nouns for prefix in PREFIXES]
    shuffled = [pairs[place] for place in rng.permutation(len(pairs))]
    return [
        shuffled[place % len(pairs)] + (f" {place // len(pairs) + 1}" if place >= len(pairs) else "")
        for place in range(number)
    ]


def email_addresses(number: int, rng: np.random.Generator) -> list[str]:
    """`number` different addresses in the reserved domain example.com (RFC 2606)."""
    first = rng.integers(len(FIRST_NAMES), size=number)
    last = rng.integers(len(LAST_NAMES), size=number)
    return [
        f"{FIRST_NAMES[a]}.{LAST_NAMES[b]}{place + 10}@example.com"
        for place, (a, b) in enumerate(zip(first, last, strict=True))
    ]
