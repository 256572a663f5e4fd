"""People who must not be found: payments that hold their data in every column, and a search for it in any text."""

from collections.abc import Sequence
from datetime import date
from functools import cache
from os.path import commonprefix  # of letters

import pyarrow as pa

from counterfoil.simulation import simulate

MAPPING = """
[fields]
transaction_id = "payment_id"
event_time = "paid_at"
amount = "amount"
currency = "currency"
account = "account"
merchant = "merchant"
device = "device"
source_ip = "ip_address"
email = "email"
phone = "phone"
card_number = "card"
category = "merchant_category"
label = "is_fraud"
label_time = "labelled_at"
[currency]
meaningful = true
[labels]
fraud = ["1"]
good = ["0"]
unknown = [""]
[evidence]
numeric = {basket = "basket"}
categorical_fields = ["category"]
textual_fields = ["merchant_id", "category"]
"""

EVERYBODY = (
    b"zephyrine", b"planted.example", b"7700 900", b"447700900", b"4539 578", b"81.2.69.", b"2a02:ab8:201:",
    b"2a02:0ab8:",
)  # fmt: skip
"""What all names, e-mails, phones, cards and addresses have in common, in small letters: quick to look for."""


def name(person: int) -> str:
    return f"Zephyrine Quill{person}"


def email(person: int) -> str:
    return f"Zephyrine.Quill{person}@planted.example"


def phone(person: int) -> str:
    return f"+44 7700 900{person:03}"


def card(person: int) -> str:
    """A number whose check digit is right, as only such are taken for cards in columns of text."""
    without_one = f"4539 578{{}} 6362 {1000 + person}"
    return next(number for number in map(without_one.format, range(10)) if _has_right_check_digit(number))


def _has_right_check_digit(number: str) -> bool:
    digits = [int(sign) for sign in reversed(number) if sign.isdigit()]
    return sum(sum(divmod(digit * (1 + place % 2), 10)) for place, digit in enumerate(digits)) % 10 == 0


def address(person: int) -> str:
    return f"81.2.69.{person}"


def address_6(person: int) -> str:
    return f"2a02:ab8:201::{0x100 + person:x}"


def written_address(person: int) -> str:
    """Where somebody pays from, as a file has it: IPv4, or IPv6 in one of its spellings, with a port or without."""
    number = f"{0x100 + person:x}"
    spellings = (f"{address(person)}:443", f"[{address_6(person)}]:443", f"2A02:0AB8:0201:0:0:0:0:{number.upper()}")
    return spellings[person % 3]


def planted(people: int = 60) -> dict[str, list[str]]:
    """What must not be found, in all its spellings, by kind."""
    everybody = range(people)
    digits = [spelling(person) for person in everybody for spelling in (phone, card)]
    return {
        "names": ["zephyrine", *(f"quill{person}" for person in everybody)],
        "e-mails": [email(person).lower() for person in everybody],
        "phones and cards": [*digits, *(text.replace(" ", "").lstrip("+") for text in digits)],
        "addresses": [
            *map(address, everybody),
            *map(address_6, everybody),
            *(f"2a02:0ab8:0201:0:0:0:0:{0x100 + person:x}" for person in everybody),
        ],
    }


def everything(person: int) -> str:
    """All of somebody in one cell, as a remark may hold it."""
    return f"{name(person)} <{email(person)}>, {phone(person)}, {card(person)}, {address(person)} {address_6(person)}"


def payments(people: int = 60) -> pa.Table:
    """Simulated payments whose accounts are people: the account is the card's number, the device has a name."""
    rows = simulate(accounts=people, merchants=60, days=50, start=date(2024, 1, 1), seed=3)
    numbers = [int(account[1:]) for account in rows.column("account").to_pylist()]
    people_of = {number: place for place, number in enumerate(sorted(set(numbers)))}
    person = [people_of[number] for number in numbers]
    made = {
        "account": [card(one) for one in person], "card": [card(one) for one in person],
        "email": [email(one) for one in person], "phone": [phone(one) for one in person],
        "ip_address": [written_address(one) for one in person], "holder": [everything(one) for one in person],
        "device": [f"{name(one)}'s phone" for one in person], "basket": ["3"] * len(person),
    }  # fmt: skip
    plain = {column: rows.column(column).to_pylist() for column in rows.column_names}
    return pa.table({**plain, **made})


def spoiled(rows: pa.Table) -> list[dict[str, str]]:
    """Rows that must be refused: each has somebody's data in a column where it does not belong."""
    row = rows.slice(0, 1).to_pylist()[0]
    secrets = ("Zephyrine Quill1", "Zephyrine", email(1), phone(1), card(1), address(1), address_6(1))
    columns = ("paid_at", "amount", "currency", "is_fraud", "labelled_at", "basket")
    wrong = [{**row, column: secret} for column in columns for secret in secrets]
    wrong += [{**row, "card": secret} for secret in (name(1), email(1), address(1), address_6(1))]
    return [{**one, "payment_id": f"bad{number}"} for number, one in enumerate(wrong)]


def with_cards(rows: pa.Table) -> list[dict[str, str]]:
    """Rows that are kept, though a full card number stands in a column of text: it is cut down there."""
    row = rows.slice(0, 1).to_pylist()[0]
    columns = ("payment_id", "merchant", "merchant_category")
    wordings = [card(2), card(3).replace(" ", ""), card(4).replace(" ", "-"), f"Shop {card(5)} Ltd"]
    made = [{**row, "payment_id": f"card{at}", column: text} for column in columns for at, text in enumerate(wordings)]
    return [{**one, "payment_id": f"{one['payment_id']}/{number}"} for number, one in enumerate(made)]


def found_in(text: str, without: Sequence[str] = ()) -> list[str]:
    """Return what of anybody stands in a text; `without` names kinds that may."""
    lowered = text.lower()
    return [
        one
        for kind, beginning, values in _by_beginning()
        if kind not in without and beginning in lowered
        for one in values
        if one in lowered
    ]


@cache
def _by_beginning() -> list[tuple[str, str, list[str]]]:
    """Return what is planted in small letters, by kind and what such values begin with.

    A text that has not the beginning has none of them: looking for each of 540 in a dump takes seconds.
    """
    found = []
    for kind, values in planted().items():
        alike: dict[str, list[str]] = {}
        for one in map(str.lower, values):
            alike.setdefault(one[:5], []).append(one)
        found += [(kind, commonprefix(group), group) for group in alike.values()]  # noqa: RUF071 letters, not folders
    return found
