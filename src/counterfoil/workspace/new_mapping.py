"""Guess a mapping for a file from its first rows."""

import csv
import io
import json
import re
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.input_streams import parts_of
from counterfoil.domain.intake.mapping_guess import guess_mapping
from counterfoil.domain.intake.mapping_model import Evidence, Fields, FileFormat, SourceMapping
from counterfoil.domain.intake.mapping_times import TimeFormat
from counterfoil.domain.intake.parsing import text_of
from counterfoil.errors import InputFileError, MappingError
from counterfoil.workspace.settings import load_settings

_START = 1 << 16
_ROWS = 5_000
_DELIMITERS = ",;\t|"


def new_mapping(path: Path) -> str:
    """Return the TOML of a mapping to start from. Raises InputFileError, MappingError."""
    reader = InputFiles(load_settings().unpack_limits)
    style, lines = _style_of(path)
    if style.format == "iso20022":
        raise MappingError("the file is XML: of ISO 20022 there are mappings already (counterfoil mapping list)")
    probe = SourceMapping(name="probe", file=style, fields=Fields(event_time="-"), time=TimeFormat())
    names = [name for name in dict.fromkeys(reader.columns(path, probe)) if name]
    own = {f"c{place}": name for place, name in enumerate(names)}
    mapping = SourceMapping(name="probe", file=style, fields=Fields(), evidence=Evidence(textual=own))
    batch = next(iter(reader.batches(path, mapping)), None)
    if batch is None or not batch.table.num_rows:
        raise InputFileError(f"{path.name} has no rows to guess from")
    table = batch.table.slice(0, _ROWS)
    columns = {name: _texts(table[name], name) for name in names}
    name = re.sub(r"[^a-z0-9]+", "-", path.name.split(".")[0].lower()).strip("-") or "new"
    return guess_mapping(name, lines, {name: values for name, values in columns.items() if values is not None})


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
    text = start.decode(encoding, "replace").removeprefix("\ufeff").lstrip()
    if text[:1] in ("{", "["):
        return FileFormat(format="jsonl"), ["# it begins with a bracket of JSON", 'format = "jsonl"']
    if text[:1] == "<":
        return FileFormat(format="iso20022"), []
    delimiter, width = max(((sign, _width(text, sign)) for sign in _DELIMITERS), key=lambda pair: pair[1])
    lines = [
        'format = "csv"',
        f"# it makes {width} columns of each of the first lines",
        f"delimiter = {json.dumps(delimiter)}",
    ]
    lines += [why, f"encoding = {json.dumps(encoding)}"] if why else []
    return FileFormat(delimiter=delimiter, encoding=encoding), lines


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
