"""Guess a mapping for a file from its first rows."""

import csv
import io
import itertools
import json
import re
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.input_streams import parts_of
from counterfoil.adapters.files.json_wrappers import usual_wrapper, wrapper_at
from counterfoil.adapters.files.mapping_files import load_mapping, shipped_mappings
from counterfoil.domain.intake.fixed_columns import FIXED_COLUMNS
from counterfoil.domain.intake.known_kinds import mapping_of_columns, mapping_of_text
from counterfoil.domain.intake.mapping_guess import guess_mapping
from counterfoil.domain.intake.mapping_model import Evidence, Fields, FileFormat, SourceMapping
from counterfoil.domain.intake.mapping_times import TimeFormat
from counterfoil.domain.intake.parsing import text_of
from counterfoil.errors import InputFileError, MappingError
from counterfoil.workspace.settings import load_settings

_START = 1 << 16
_ROWS = 5_000
_DELIMITERS = ",;\t|"
_ROWS_TO_LOOK_AT = 100
_KEYS_TO_TRY = 20
_KEY_OF_AN_ARRAY = re.compile(r'"([^".\\]+)"\s*:\s*\[\s*\{')
_KEY_OF_AN_OBJECT = re.compile(r'"([^".\\]+)"\s*:\s*\{')
_IS_VALUE = re.compile(r"\s*[-+]?[\d.,:/ ]*\s*")
"""A cell of a row, and no name of a column."""


def new_mapping(path: Path) -> str:
    """Return the TOML of a mapping to start from.

    Raises InputFileError, and MappingError for a file that a shipped mapping reads, or of which nothing can be guessed.
    """
    reader = InputFiles(load_settings().unpack_limits)
    style, lines = _style_of(path)
    probe = SourceMapping(name="probe", file=style, fields=Fields(event_time="-"), time=TimeFormat())
    names = [name for name in dict.fromkeys(reader.columns(path, probe)) if name]
    shipped = mapping_of_columns(names, _layouts())
    if shipped == "iso8583-json":
        raise _known(path, shipped)
    own = {f"c{place}": name for place, name in enumerate(names)}
    mapping = SourceMapping(name="probe", file=style, fields=Fields(), evidence=Evidence(textual=own))
    batch = next(iter(reader.batches(path, mapping)), None)
    if batch is None or not batch.table.num_rows:
        raise InputFileError(f"{path.name} has no rows to guess from")
    table = batch.table.slice(0, _ROWS)
    columns = {name: _texts(table[name], name) for name in names}
    name = re.sub(r"[^a-z0-9]+", "-", path.name.split(".")[0].lower()).strip("-") or "new"
    try:
        text = guess_mapping(name, lines, {name: values for name, values in columns.items() if values is not None})
    except MappingError as error:
        raise _known(path, shipped) if shipped else error from None
    return (
        text.replace("[file]", f"# The shipped mapping {shipped!r} reads these columns too.\n[file]", 1)
        if shipped
        else text
    )


def _layouts() -> dict[str, tuple[str, ...]]:
    """The columns that each shipped mapping reads, where a file says them itself."""
    loaded = {name: load_mapping(name) for name in shipped_mappings()}
    return {name: one.source_columns for name, one in loaded.items() if one.file.format not in FIXED_COLUMNS}


def _known(path: Path, shipped: str) -> MappingError:
    return MappingError(f"{path.name} needs no new mapping: the shipped {shipped!r} reads such files")


def _texts(column: pa.ChunkedArray, name: str) -> pa.Array | None:
    whole = column.combine_chunks()
    try:
        return text_of(whole, name)
    except MappingError:  # a list or a struct, which no field is read from
        return None


def _style_of(path: Path) -> tuple[FileFormat, list[str]]:
    """How the file is laid out, by its first bytes, and the lines that say so."""
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return FileFormat(format="parquet"), ['format = "parquet"']
    with closing(parts_of(path, load_settings().unpack_limits)) as parts, next(parts).open() as stream:
        start = stream.read(_START)
    encoding, why = ("utf-8", "") if _is_text(start, "utf-8") else ("cp1252", "# UNSURE: it is no UTF-8")
    whole = start.decode(encoding, "replace").removeprefix("\ufeff")
    text = whole.lstrip()
    known = mapping_of_text(text)
    if known is not None:
        raise _known(path, known)
    if text[:1] in ("{", "["):
        records = _array_in(text)
        told = ["# the array of objects in its one object", f"records = {json.dumps(records)}"] if records else []
        return FileFormat(format="jsonl", records=records), [
            "# it begins with a bracket of JSON",
            'format = "jsonl"',
            *told,
        ]
    if text[:1] == "<":
        raise MappingError(f"{path.name} is XML with no message that is read (counterfoil mapping list)")
    delimiter, width = max(((sign, _width(text, sign)) for sign in _DELIMITERS), key=lambda pair: pair[1])
    lines = [
        'format = "csv"',
        f"# it makes {width} columns of each of the first lines",
        f"delimiter = {json.dumps(delimiter)}",
    ]
    lines += [why, f"encoding = {json.dumps(encoding)}"] if why else []
    skipped = _lines_above(whole, delimiter)
    lines += [
        "# UNSURE: the lines above have few cells, so they seem to be no table",
        f"skip_lines = {skipped}",
    ] * bool(skipped)
    return FileFormat(delimiter=delimiter, encoding=encoding, skip_lines=skipped), lines


def _array_in(text: str) -> str:
    """The dotted path of the first array of objects, if the text is one object, or the begin of one; else nothing."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError:
        end = len(text)
    if text[end:].strip() or usual_wrapper(text) is not None:
        return ""
    keys = [found[1] for found in _KEY_OF_AN_ARRAY.finditer(text)]
    outer = [found[1] for found in _KEY_OF_AN_OBJECT.finditer(text)][:_KEYS_TO_TRY]
    paths = [*keys[:1], *(f"{one}.{key}" for key in keys[:1] for one in outer)]
    return next((path for path in paths if wrapper_at(path).begin.match(text)), "")


def _lines_above(text: str, delimiter: str) -> int:
    """The number of lines above the first row that has a name for each cell of most rows."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    ends = [(rows.line_num, _filled(row)) for row in itertools.islice(rows, _ROWS_TO_LOOK_AT)]
    widths = [len(row) for _, row in ends if row]
    most = max(set(widths), key=widths.count, default=0)
    place = next((place for place, (_, row) in enumerate(ends) if len(row) >= most), 0)
    above = [row for _, row in ends[:place] if row]
    # A line that names the delimiter is passed over anyway, as blank lines are.
    if not above or text.lstrip().lower().startswith("sep=") or any(map(_IS_VALUE.fullmatch, ends[place][1])):
        return 0
    return ends[place - 1][0]


def _filled(row: list[str]) -> list[str]:
    """The row up to its last cell that holds something."""
    return row[: max((place for place, cell in enumerate(row, 1) if cell.strip()), default=0)]


def _width(text: str, delimiter: str) -> int:
    """The number of columns, if most of the first lines have as many; else 1."""
    lines = text.splitlines()[:-1][:50] or text.splitlines()
    widths = [len(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter) if row]
    most = max(set(widths), key=widths.count, default=1)
    return most if widths.count(most) * 2 > len(widths) else 1


def _is_text(start: bytes, encoding: str) -> bool:
    try:
        start.decode(encoding)
    except UnicodeDecodeError as error:
        return error.start > len(start) - 4  # a character that goes on after these bytes
    return True
