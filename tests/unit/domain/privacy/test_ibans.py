"""IBANs: whatever spelling a file has, one account; and nothing else is taken for one."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import numdb

from counterfoil.domain.privacy.ibans import normal_account, read_iban

GERMAN = "DE89370400440532013000"
FRENCH = "FR1420041010050500013M02606"
BLANKS = [" ", "\u00a0", "\u202f", "\t", "-", ".", "\u200b"]


def made(country: str, rest: str) -> str:
    """Return the IBAN of a country with its check digits, counted as ISO 13616 says."""
    number = int("".join(str(int(sign, 36)) for sign in f"{rest}{country}00"))
    return f"{country}{98 - number % 97:02}{rest}"


def written_otherwise(iban: str) -> str | None:
    """Return the same rest by 97 with other check digits, if there are any below 100."""
    digits = int(iban[2:4])
    other = next((one for one in (digits - 97, digits + 97) if 0 <= one <= 99), None)
    return None if other is None else f"{iban[:2]}{other:02}{iban[4:]}"


german = st.from_regex(r"[0-9]{18}", fullmatch=True).map(lambda rest: made("DE", rest))
french = st.from_regex(r"[0-9]{10}[A-Z0-9]{11}[0-9]{2}", fullmatch=True).map(lambda rest: made("FR", rest))
norwegian = st.from_regex(r"[0-9]{11}", fullmatch=True).map(lambda rest: made("NO", rest))
ibans = german | french | norwegian


@st.composite
def spelled(draw: st.DrawFn) -> tuple[str, str]:
    """An IBAN, and the same one in another spelling."""
    iban = draw(ibans)
    signs = [draw(st.sampled_from([sign, sign.lower()])) for sign in iban]
    gaps = draw(st.lists(st.integers(1, len(iban) - 1), max_size=8, unique=True))
    for place in sorted(gaps, reverse=True):
        signs.insert(place, draw(st.sampled_from(BLANKS)))
    title = draw(st.sampled_from(["", "IBAN ", "iban: ", "IBAN", " ", "(IBAN) "]))
    return iban, title + "".join(signs)


@pytest.mark.slow
@given(spelled())
def test_any_spelling_is_the_same_account(pair: tuple[str, str]) -> None:
    iban, text = pair
    assert normal_account(text) == iban
    found = read_iban(text)
    assert found is not None
    assert (found.sum_is_right, found.is_invalid, found.known_country) == (True, False, True)


@given(ibans)
def test_check_digits_that_only_pass_the_sum_are_a_second_spelling(iban: str) -> None:
    other = written_otherwise(iban)
    if other is not None:
        found = read_iban(other)
        assert found is not None
        assert found.is_second_spelling


@pytest.mark.parametrize(("digits", "other"), [("97", "00"), ("98", "01"), ("02", "99")])
def test_each_second_spelling_is_known(digits: str, other: str) -> None:
    ids = (made("DE", f"{number:018}") for number in range(1000))
    iban = next(one for one in ids if one[2:4] == digits)
    assert written_otherwise(iban) == f"DE{other}{iban[4:]}"
    right, wrong = read_iban(iban), read_iban(f"DE{other}{iban[4:]}")
    assert right is not None
    assert wrong is not None
    assert (right.is_second_spelling, wrong.is_second_spelling) == (False, True)


@pytest.mark.parametrize("digits", ["00", "01", "99"])
def test_check_digits_that_no_iban_has_are_invalid_though_the_sum_is_wrong_too(digits: str) -> None:
    found = read_iban(f"de{digits} 3704 0044 0532 0130 01")
    assert found is not None
    assert (found.is_invalid, found.sum_is_right, found.is_second_spelling) == (True, False, False)


def test_a_slip_of_the_pen_is_an_account_of_its_own_in_one_spelling() -> None:
    wrong = "DE88370400440532013000"
    found = read_iban("de88 3704 0044 0532 0130 00")
    assert found is not None
    assert (found.text, found.sum_is_right, found.is_invalid) == (wrong, False, False)


def test_a_country_that_the_registry_lacks_is_no_fault() -> None:
    iban = made("QX", "0123456789012")
    found = read_iban(f"{iban[:4]} {iban[4:8]} {iban[8:]}".lower())
    assert found is not None
    assert (found.text, found.known_country, found.is_second_spelling) == (iban, False, False)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "12345678", "C1231006815", "DE8937040044053201300", "DE893704004405320130001",
        "DE8937040044O532013000", f"{GERMAN}-001", f"{GERMAN} EUR",
        "QX00ABCDEFGHIJKL", "cu_01HZX3Q4", "ann@example.org", "DE89-ANN", "IBAN",
    ],
)  # fmt: skip
def test_what_is_no_iban_stays_as_it_is(text: str) -> None:
    assert read_iban(text) is None
    assert normal_account(text) == text


@given(st.text(string.ascii_letters + string.digits + " -_", max_size=40))
def test_no_other_account_changes(text: str) -> None:
    if read_iban(text) is None:
        assert normal_account(text) == text


def test_the_example_of_every_country_in_the_registry_is_read() -> None:
    """The forms are python-stdnum's: each has a length that fits an IBAN."""
    for country in ("AL", "BE", "BR", "CH", "GB", "GR", "MT", "NL", "PL", "SA", "TR", "UA", "XK"):
        [(_, form), *_] = numdb.get("iban").info(f"{country}0")
        parts = [
            part.partition("!")
            for part in form["bban"].replace("!n", "!n ").replace("!a", "!a ").replace("!c", "!c ").split()
        ]
        rest = "".join(("A" if kind == "a" else "1") * int(count) for count, _, kind in parts)
        found = read_iban(made(country, rest))
        assert found is not None, country
        assert found.known_country
        assert found.sum_is_right
