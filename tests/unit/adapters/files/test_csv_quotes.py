"""A quote that means nothing never takes a row with it, wherever it stands; one that means something is kept."""

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest
from examples import examples
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from counterfoil.adapters.files import csv_files
from counterfoil.adapters.files.csv_quotes import Requoted
from counterfoil.adapters.files.csv_signs import CsvSigns
from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.line_payments import lines_of
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.files.physical_lines import PhysicalLines
from counterfoil.domain.intake.cleaning import clean
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.domain.intake.raw import RawBatch
from counterfoil.errors import InputFileError, MappingError

HEADER = ["id", "at", "amount", "who", "shop", "note"]
FIELDS = """
[fields]
transaction_id = "id"
event_time = "at"
amount = "amount"
account = "who"
merchant = "shop"
category = "note"
"""
QUICK = settings(
    deadline=None,
    max_examples=examples(50),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CASES = Path(os.environ.get("COUNTERFOIL_SHARED_DATA", "/nowhere")).parent / "cases/input/07_stray_quotes"


def mapping_of(style: str = "") -> SourceMapping:
    return parse_mapping(f'[file]\ndelimiter = "\\t"\n{style}\n{FIELDS}', "processor")


def read(folder: Path, text: str, style: str = "") -> list[RawBatch]:
    path = folder / "in.tsv"
    path.write_bytes(text.encode())
    return list(InputFiles().batches(path, mapping_of(style)))


def cells(batches: list[RawBatch]) -> dict[int, list[str | None]]:
    """Number of a record -> its cells."""
    return {
        line: list(row.values())
        for batch in batches
        for line, row in zip(batch.lines.to_pylist(), batch.table.select(HEADER).to_pylist(), strict=True)
    }


def refused(batches: list[RawBatch]) -> dict[int, str]:
    return {row["source_line"]: row["reason"] for batch in batches for row in batch.rejected.to_pylist()}


def row(number: int, shop: str = "Shop", note: str = "x") -> list[str]:
    return [f"q{number}", f"2026-03-01T10:{number:02}:00Z", f"{number}0.00", f"a{number}", shop, note]


def lines(rows: list[list[str]], end: str = "\n") -> str:
    return "".join("\t".join(cells) + end for cells in [HEADER, *rows])


QUOTES = st.sampled_from(["", '"', '""'])
BARE = st.tuples(QUOTES, QUOTES)  # a time or amount with more in it is none
STRAY = st.tuples(st.sampled_from(["", '"', '""', ' "', '36"', '"a"', '"a" b', '\\"']), QUOTES)
TABLES = st.lists(st.tuples(STRAY, BARE, BARE, STRAY, STRAY, STRAY), min_size=1, max_size=8)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def with_strays(table: list[tuple[tuple[str, str], ...]]) -> list[list[str]]:
    return [
        [before + cell + after for (before, after), cell in zip(strays, row(number), strict=True)]
        for number, strays in enumerate(table, start=2)
    ]


@pytest.mark.slow
@QUICK
@given(table=TABLES, end=ENDS)
def test_of_a_writer_who_never_quotes_every_cell_is_as_it_was_written(
    tmp_path: Path, table: list[tuple[tuple[str, str], ...]], end: str
) -> None:
    rows = with_strays(table)
    batches = read(tmp_path, lines(rows, end), 'quote = ""')
    assert refused(batches) == {}
    assert cells(batches) == dict(enumerate(rows, start=2))


@pytest.mark.slow
@QUICK
@given(table=TABLES, end=ENDS)
def test_a_stray_quote_in_any_cell_costs_at_most_its_own_row(
    tmp_path: Path, table: list[tuple[tuple[str, str], ...]], end: str
) -> None:
    """Though the mapping says nothing of quotes."""
    rows = with_strays(table)
    batches = read(tmp_path, lines(rows, end))
    kept, lost = cells(batches), refused(batches)
    assert sorted([*kept, *lost]) == list(range(2, len(rows) + 2))
    for number, found in kept.items():
        for cell, written in zip(found, rows[number - 2], strict=True):
            assert cell in (written, written[1:-1].replace('""', '"'))


def written(writer: Any, text: io.StringIO, rows: list[list[str]]) -> dict[int, list[str]]:
    """Write rows, and return those below the header by the line that each begins on.

    Texts whose every line has the cells of a row are not drawn: nobody can tell them from rows.
    """
    placed = {}
    for cells in rows:
        texts = re.split("\r\n|\r|\n", "\t".join(cells))
        assume(len(texts) == 1 or any(text.count("\t") != len(HEADER) - 1 for text in texts if text))
        placed[len(re.findall("\r\n|\r|\n", text.getvalue())) + 1] = cells
        writer.writerow(cells)
    del placed[1]
    return placed


CELL = st.text(st.sampled_from('ab ,\t"\n\\é36'), max_size=12)
WRITTEN = st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8)


@pytest.mark.slow
@QUICK
@given(texts=WRITTEN, end=ENDS, quoting=st.sampled_from([0, 1]), quote=st.sampled_from("\"'"))
def test_what_a_writer_quoted_is_read_as_it_was(
    tmp_path: Path, texts: list[tuple[str, str]], end: str, quoting: Literal[0, 1], quote: str
) -> None:
    rows = [row(number, *(cell.replace("\n", end) for cell in text)) for number, text in enumerate(texts, start=2)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t", lineterminator=end, quoting=quoting, quotechar=quote)
    placed = written(writer, text, [HEADER, *rows])
    batches = read(tmp_path, text.getvalue(), f'quote = {json.dumps(quote)}\nnull_values = ["NULL"]')
    assert (refused(batches), cells(batches)) == ({}, placed)


@pytest.mark.slow
@QUICK
@given(texts=WRITTEN, end=ENDS, quotes=st.booleans())
def test_what_a_writer_escaped_is_read_as_it_was(
    tmp_path: Path, texts: list[tuple[str, str]], end: str, quotes: bool
) -> None:
    rows = [row(number, *(cell.replace("\n", end) for cell in text)) for number, text in enumerate(texts, start=2)]
    text = io.StringIO(newline="")
    writer = csv.writer(
        text, delimiter="\t", lineterminator=end, doublequote=False, escapechar="\\",
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE, quotechar='"' if quotes else None,
    )  # fmt: skip
    placed = written(writer, text, [HEADER, *rows])
    style = 'null_values = ["NULL"]\nescape = "\\\\"\n' + ("" if quotes else 'quote = ""')
    batches = read(tmp_path, text.getvalue(), style)
    assert (refused(batches), cells(batches)) == ({}, placed)


@pytest.mark.slow
@QUICK
@given(
    pieces=st.lists(st.sampled_from(["row", "two lines", "blank", "blanks", "ragged", "cut off", "cut later"])),
    end=ENDS,
    above=st.integers(0, 3),
    plain=st.booleans(),
    block=st.sampled_from([512, 8 << 20]),
)
def test_the_line_of_a_record_is_the_one_it_begins_on(
    tmp_path: Path, pieces: list[str], end: str, above: int, plain: bool, block: int
) -> None:
    """Ids that are made of a row's number stay those of its record."""
    texts = {
        "two lines": "\t".join(row(9, note='"a\n\nb"')),
        "ragged": "q\tr",
        "cut off": 'q\tr\t"open',
        "cut later": 'q\t"a\nb"\t"open',
    }
    text = "title\n" * above if plain else "\n" * above
    text, kept, lost = text + "\t".join(HEADER) + "\n", [], []
    for number, piece in enumerate(pieces):
        line = text.count("\n") + 1
        if piece not in ("blank", "blanks"):
            (kept if piece in ("row", "two lines") else lost).append(line)
        text += {"blank": "", "blanks": "\n", "row": "\t".join(row(number)), **texts}[piece] + "\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_files, "BLOCK_BYTES", block)
        batches = read(tmp_path, text.replace("\n", end), f"skip_lines = {above}" if plain else "")
    assert [line for batch in batches for line in batch.lines.to_pylist()] == kept
    assert sorted(refused(batches)) == lost
    first = above + 2 if plain else 2
    numbers = [number for batch in batches for number in (batch.numbers or pa.array([])).to_pylist()]
    ordered = sorted([*kept, *lost])
    assert numbers == [ordered.index(line) + first for line in kept]


@pytest.mark.slow
@QUICK
@given(
    pieces=st.lists(
        st.sampled_from([*'a\t"\n\r\\ ', '"Joe\t', "q\t2026-03-01T10:00:00Z\t1.00\ta\tb\tc\n"]), max_size=30
    ),
    step=st.integers(1, 7),
    escape=st.sampled_from(["", "\\"]),
)
def test_where_a_file_is_cut_into_blocks_makes_no_difference(pieces: list[str], step: int, escape: str) -> None:
    def of(size: int) -> bytes:
        mapping = mapping_of("" if not escape else 'escape = "\\\\"')
        told = lines_of(mapping, HEADER)
        stream = Requoted(io.BytesIO(content), CsvSigns(mapping.file), len(HEADER), told, 1 << 20, PhysicalLines(1, 1))
        return b"".join(iter(lambda: stream.read(size), b""))

    content = (lines([]) + "".join(pieces)).encode()
    assert of(step) == of(1 << 20)


@pytest.mark.parametrize("spoilt", [(1,), (2,), (1, 2)], ids=["time", "amount", "both"])
@pytest.mark.parametrize("which", [2, 3, 4], ids=["first", "between", "last"])
@pytest.mark.parametrize("place", [4, 5], ids=["shop", "note"])
def test_a_row_that_cannot_be_used_is_swallowed_by_no_quote(
    tmp_path: Path, spoilt: tuple[int, ...], which: int, place: int
) -> None:
    """Nothing else would count it, and its account would stand in another row's text."""
    rows = [row(number) for number in (2, 3, 4)]
    rows[0][place], rows[2][place] = '"Joe', 'Cafe 21"'
    for cell in spoilt:
        rows[which - 2][cell] = "soon"
    batches = read(tmp_path, lines(rows))
    assert (refused(batches), list(cells(batches).values())) == ({}, rows)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("good", [(), (2,), (3,), (4,)], ids=["none", "first", "between", "last"])
@pytest.mark.parametrize("place", [0, 3, 4, 5])
def test_rows_that_tell_nothing_are_told_by_their_shape(
    tmp_path: Path, place: int, good: tuple[int, ...], end: str
) -> None:
    """With neither time nor amount in all rows but one, or in any."""
    rows = [row(number) for number in (2, 3, 4)]
    rows[0][place], rows[2][place] = '"Joe', 'Cafe 21"'
    for number, cells_ in enumerate(rows, start=2):
        if number not in good:
            cells_[1:3] = ["soon", "much"]
    batches = read(tmp_path, lines(rows, end))
    assert (refused(batches), list(cells(batches).values())) == ({}, rows)


@pytest.mark.parametrize("text", ["one, two, three\nfour, five, six", "one,two\nfour", "a\nb, c, d\n,,"])
def test_prose_with_as_many_delimiters_as_a_row_stays_one_cell(tmp_path: Path, text: str) -> None:
    path = tmp_path / "in.csv"
    path.write_text(f'id,at,note\nq2,2026-03-01T10:00:00Z,"{text}"\nq3,2026-03-01T10:00:00Z,x\n')
    mapping = parse_mapping(
        '[fields]\ntransaction_id = "id"\nevent_time = "at"\n[evidence]\ntextual = {n = "note"}', "own"
    )
    (batch,) = InputFiles().batches(path, mapping)
    assert batch.table.select(["id", "note"]).to_pylist() == [{"id": "q2", "note": text}, {"id": "q3", "note": "x"}]


def test_a_text_before_time_and_amount_is_no_row_whatever_its_last_line_holds(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text('id,note,at,amount\nq2,"a text\nmore, text",2026-03-01T10:00:00Z,5\nq3,x,2026-03-01T10:00:00Z,6\n')
    fields = '[fields]\ntransaction_id = "id"\nevent_time = "at"\namount = "amount"\n'
    (batch,) = InputFiles().batches(path, parse_mapping(f'{fields}[evidence]\ntextual = {{note = "note"}}', "own"))
    assert batch.table.select(["id", "note"]).to_pylist() == [
        {"id": "q2", "note": "a text\nmore, text"}, {"id": "q3", "note": "x"},
    ]  # fmt: skip


LABELS = '[fields]\ntransaction_id = "id"\nlabel = "label"\n[labels]\nfraud = ["1"]\ngood = ["0"]\n'


def test_a_stray_quote_throws_no_label_away(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('id,label,why\nq1,1,"Joe\nq2,0,x\nq3,1,21"\nq4,0,"two\nlines, of text"\n')
    (batch,) = InputFiles().batches(path, parse_mapping(LABELS, "own").of_labels)
    assert batch.table.select(["id", "label"]).to_pylist() == [
        {"id": f"q{number}", "label": label} for number, label in enumerate("1010", start=1)
    ]


def test_a_null_is_known_before_its_escape_is_taken_away(tmp_path: Path) -> None:
    text = lines([row(2, "\\N"), row(3, "a\\\tb", '36\\"')])
    batches = read(tmp_path, text, 'quote = ""\nescape = "\\\\"\nnull_values = ["\\\\N"]')
    assert [found[4:] for found in cells(batches).values()] == [[None, "x"], ["a\tb", '36"']]


@pytest.mark.parametrize(("above", "skip"), [("", 0), ("title\n", 1), ("\n", 0)], ids=["nothing", "title", "blank"])
def test_a_header_of_several_lines_shifts_no_line(tmp_path: Path, above: str, skip: int) -> None:
    header = "\t".join([*HEADER, '"more\nof\nit"'])
    text = above + "\n".join([header, "\t".join([*row(2), ""]), "short", "\t".join([*row(3), ""])]) + "\n"
    batches = read(tmp_path, text, f"skip_lines = {skip}")
    first = 4 + above.count("\n")
    assert list(cells(batches)) == [first, first + 2]
    assert refused(batches) == {first + 1: "ragged_row"}


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("more", ["", "\n", "Total\t5\n", '"two\nlines"\tx\n'], ids=["", "blank", "footer", "quoted"])
def test_an_inch_mark_refuses_no_file(tmp_path: Path, end: str, more: str) -> None:
    text = lines([row(2, '36" Screens'), row(3, '"Rate" my Diner'), row(4, "South Shop")], end) + more.replace(
        "\n", end
    )
    batches = read(tmp_path, text)
    assert [found[4] for found in cells(batches).values()] == ['36" Screens', '"Rate" my Diner', "South Shop"]
    assert set(refused(batches).values()) <= {"ragged_row"}


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_row_that_may_be_cut_off_in_a_quoted_cell_is_rejected_alone(tmp_path: Path, end: str) -> None:
    for last in ('"cut in the middle', '"cut' + end + "after a line"):
        batches = read(tmp_path, lines([row(2), row(3)], end) + "\t".join(row(4, note=last)))
        assert [found[0] for found in cells(batches).values()] == ["q2", "q3"]
        assert refused(batches)[4] == "quote_unclosed"


def test_an_open_quote_in_a_last_row_that_is_whole_is_a_character(tmp_path: Path) -> None:
    batches = read(tmp_path, lines([row(2), row(3, '"South Shop')]) + "\nEND OF FILE\n")
    assert [found[4] for found in cells(batches).values()] == ["Shop", '"South Shop']
    assert refused(batches) == {5: "ragged_row"}


def test_a_text_with_line_breaks_and_delimiters_stays_one_cell(tmp_path: Path) -> None:
    note = '"Street 5\nCity\tState\t12345\tCountry\tPlanet\nmore"'
    batches = read(tmp_path, lines([row(2, note=note), row(3)]))
    assert [found[5] for found in cells(batches).values()] == [note.strip('"'), "x"]


@pytest.mark.parametrize(("column", "place"), [("id", 0), ("who", 3), ("shop", 4), ("note", 5)])
def test_a_line_break_in_an_id_a_merchant_or_a_category_rejects_the_row(
    tmp_path: Path, column: str, place: int
) -> None:
    bad = row(2)
    bad[place] = '"two\nlines"'
    (batch,) = read(tmp_path, lines([bad, row(3)]))
    cleaned = clean(batch.table, mapping_of(), key=bytes(16), source="s", first_line=batch.lines, content_hash="c")
    (found,) = cleaned.rejected.to_pylist()
    assert (found["source_line"], found["reason"]) == (2, "line_break")
    assert column in found["message"]
    assert "lines" not in found["message"]
    assert cleaned.transactions["transaction_id"].to_pylist() == ["q3"]


def test_a_record_that_is_longer_than_a_block_refuses_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 256)
    with pytest.raises(InputFileError, match=r"longer than .* file\.quote"):
        read(tmp_path, lines([row(2, note='"open')]) + "no payment\n" * 99)


@pytest.mark.parametrize(
    ("style", "problem"),
    [
        ('quote = "ab"', "file.quote: 'ab' is not one ASCII character"),
        ('escape = "\\n"', "file.escape: '\\n' is not one ASCII character"),
        ('quote = "\\t"', "file.quote and file.delimiter are both '\\t'"),
    ],
)
def test_signs_that_mean_nothing_are_refused(style: str, problem: str) -> None:
    with pytest.raises(MappingError) as caught:
        mapping_of(style)
    assert problem in str(caught.value)


def test_files_of_a_processor_that_never_quotes_are_read_whole() -> None:
    if not CASES.exists():
        pytest.skip("needs the shared cases (COUNTERFOIL_SHARED_DATA)")
    mapping = load_mapping(str(CASES / "mapping.toml"))
    found = {}
    for path in sorted(CASES.glob("*.tsv")):
        batches = list(InputFiles().batches(path, mapping))
        assert [batch.rejected.num_rows for batch in batches] == [0] * len(batches)
        found[path.name] = [shop for batch in batches for shop in batch.table["merchant"].to_pylist()]
    assert found == {
        "inch_and_blank_line.tsv": ['Screens 36" and up', "South Shop"],
        "inside.tsv": ['Screen 36" Shop', 'Rate "my" Diner', "South Shop"],
        "leading_word.tsv": ['"Rate" my Diner', '"K" Line', '"He said \\"hi\\""'],
        "paired.tsv": ["North Shop", "\"Joe's Diner", "South Shop", "East Shop", 'Cafe 21"', "West Shop"],
        "single.tsv": ["North Shop", "\"Joe's Diner", "South Shop"],
        "single_cr.tsv": ["North Shop", "\"Joe's Diner", "South Shop"],
    }
