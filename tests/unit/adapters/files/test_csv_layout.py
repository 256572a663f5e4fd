"""A table is found under lines that are none of it, without a header, or with a header of another width."""

from pathlib import Path

import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.errors import InputFileError, MappingError

READER = InputFiles()


def read(
    folder: Path, content: bytes, file: str = ""
) -> tuple[list[tuple[int, str, str | None]], list[tuple[int, str]]]:
    """Return line, time and amount of the rows, and line and reason of the rejected ones."""
    path = folder / "in.csv"
    path.write_bytes(content)
    mapping = parse_mapping(f'[file]\n{file}\n[fields]\nevent_time = "t"\namount = "a"\n', "x")
    rows, refused = [], []
    for batch in READER.batches(path, mapping):
        columns = (batch.lines.to_pylist(), batch.table["t"].to_pylist(), batch.table["a"].to_pylist())
        rows += list(zip(*columns, strict=True))
        refused += [(row["source_line"], row["reason"]) for row in batch.rejected.to_pylist()]
    return rows, refused


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_above_the_header_are_passed_over(tmp_path: Path, end: bytes) -> None:
    content = end.join([b'\xef\xbb\xbf"Card:";"12**', b"", b"From;To", b"t;a", b"1;2", b"3", b'4;"5"', b""])
    rows, refused = read(tmp_path, content, 'skip_lines = 3\ndelimiter = ";"')
    assert rows == [(5, "1", "2"), (7, "4", "5")]
    assert refused == [(6, "ragged_row")]


def test_a_line_that_names_the_delimiter_is_taken_at_its_word(tmp_path: Path) -> None:
    assert read(tmp_path, b"sep=;\r\nt;a\r\n1;2\r\n")[0] == [(3, "1", "2")]
    assert read(tmp_path, b'\xef\xbb\xbf"sep=\t"\nt\ta\n1\t2\n')[0] == [(3, "1", "2")]


def test_without_a_header_columns_are_named(tmp_path: Path) -> None:
    style = 'header = "none"\ncolumns = ["t", "x", "a"]'
    rows, refused = read(tmp_path, b"\xef\xbb\xbf1,x,2\n3,4\n5,x,6\n", style)
    assert (rows, refused) == ([(1, "1", "2"), (3, "5", "6")], [(2, "ragged_row")])
    rows, _ = read(tmp_path, b"above\n1,x,2\n", f"{style}\nskip_lines = 1")
    assert rows == [(2, "1", "2")]
    rows, refused = read(tmp_path, b"1,x,2,\n3,x,4,\n5,x,6,7\n7,x,8,\n", style)
    assert (rows, refused) == ([(1, "1", "2"), (2, "3", "4"), (4, "7", "8")], [(3, "ragged_row")])


def test_a_header_that_is_longer_by_empty_cells(tmp_path: Path) -> None:
    assert read(tmp_path, b"t,a,,\n1,2\n3,4\n")[0] == [(2, "1", "2"), (3, "3", "4")]


def test_rows_that_are_longer_by_empty_cells(tmp_path: Path) -> None:
    rows, refused = read(tmp_path, b"t,a\n1,2,\n3,4,\n5,6,x\n7,8,,\n9,10,\n" + b"11,12,\n" * 120 + b"0,0,y\n")
    assert rows[:4] == [(2, "1", "2"), (3, "3", "4"), (5, "7", "8"), (6, "9", "10")]
    assert (len(rows), refused) == (124, [(4, "ragged_row"), (127, "ragged_row")])


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_empty_cells_beyond_the_header_cost_no_row(tmp_path: Path, end: bytes) -> None:
    lines = [b"t,x,a", b'"1,","x ""y""",2,,', b"3,x,4", b"5,,6,7", b"", b'8,x,9,""', b"10,x,,", b"11,x", b"12,x,13,,"]
    rows, refused = read(tmp_path, end.join([*lines, b""]))
    assert rows == [(2, "1,", "2"), (3, "3", "4"), (6, "8", "9"), (7, "10", None), (9, "12", "13")]
    assert refused == [(4, "ragged_row"), (8, "ragged_row")]


def test_empty_cells_beyond_the_header_by_other_signs(tmp_path: Path) -> None:
    style = 'delimiter = "|"\nquote = ""\nnull_values = ["-"]\nencoding = "latin-1"'
    rows, refused = read(tmp_path, b't|a\n1|2\n3|"\xe9|\n5|-||\n6|7|"\n', style)
    assert (rows, refused) == ([(2, "1", "2"), (3, "3", '"\xe9'), (4, "5", None)], [(5, "ragged_row")])


def test_rows_without_the_empty_cells_of_most_others(tmp_path: Path) -> None:
    rows, refused = read(tmp_path, b"t,a\n1,2,,\n3,4,,\n5,6\n7,8,\n9\n")
    assert rows == [(2, "1", "2"), (3, "3", "4"), (4, "5", "6"), (5, "7", "8")]
    assert refused == [(6, "ragged_row")]


def test_a_cell_without_a_name_that_holds_something_costs_its_row(tmp_path: Path) -> None:
    rows, refused = read(tmp_path, b"t,a\n" + b"1,2,\n" * 200 + b"3,4,x\n5,6,\n")
    assert (len(rows), rows[-1], refused) == (201, (203, "5", "6"), [(202, "ragged_row")])


def test_rows_that_lack_cells_with_a_name_stay_ragged(tmp_path: Path) -> None:
    assert read(tmp_path, b"t,a,b,c\n1,2\n3,4,5,6\n") == ([(3, "3", "4")], [(2, "ragged_row")])


def test_blanks_round_names_make_no_difference(tmp_path: Path) -> None:
    assert read(tmp_path, b't, "x", a \n1,y,2\n')[0] == [(2, "1", "2")]
    with pytest.raises(MappingError, match="stands 2 times") as caught:
        read(tmp_path, b"t,a,a\n1,2,3\n")
    assert "skip_lines" not in str(caught.value)


def test_a_file_that_is_not_in_its_encoding_is_refused_and_nothing_of_it_is_shown(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"in\.csv is not utf-16-le, which has zero bytes: set file\.encoding$"):
        read(tmp_path, b"t,a\n1,2\n", 'encoding = "utf-16-le"')


@pytest.mark.parametrize(
    ("style", "problem"),
    [
        ('header = "none"', "go together"),
        ('columns = ["t"]', "go together"),
        ('header = "none"\ncolumns = ["t", "t"]', "names a column twice"),
        ('format = "jsonl"\nskip_lines = 1', "are for CSV"),
    ],
)
def test_a_layout_that_says_nothing_is_refused(tmp_path: Path, style: str, problem: str) -> None:
    with pytest.raises(MappingError, match=problem):
        read(tmp_path, b"", style)
