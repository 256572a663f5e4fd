"""Where the first quote stands that is none by RFC 4180, whichever Python 3.11 looks for it."""

import pytest

from counterfoil.adapters.files.csv_signs import CsvSigns
from counterfoil.domain.intake.mapping_model import FileFormat


@pytest.mark.parametrize(
    ("data", "place", "first"),
    [
        (b'ab;"c";d', 0, 8),
        # Debian 12's Python 3.11.2 goes on behind the second quote, or says that the match ends before it begins.
        (b'ab;"c"d', 0, 3),
        (b'ab;"c";d"', 0, 8),
        (b'a\n"b', 2, 2),
        (b'5";"c"\n', 0, 1),
    ],
)
def test_the_first_quote_that_is_none_is_found(data: bytes, place: int, first: int) -> None:
    assert CsvSigns(FileFormat(delimiter=";")).first_irregular(data, place) == first
