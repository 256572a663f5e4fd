"""How many records a file has, counted by the standard library or by the footer: never by what is fuzzed.

Each function returns None where it cannot tell: then the file must be refused, or only the reader's own count is known.
"""

import codecs
import csv
import io
import itertools
import json
import re
import zipfile
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
from spoilt_streams import UNPACK

_MOST_CELL = 64 << 20
_OF_A_PAYMENT = 2
"""Delimiters in a line of a cell: with fewer it is no payment by itself."""
_SEVERAL = re.compile(r"\}[\s,]*\{")
_ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[[\s,\[\]]*(?:\{|\Z)")
_OPENING = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[")
_WRAPPER = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"Records"\s*:\s*\[\s*[\{\]]')
_START_BYTES = 1 << 16
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_XML = re.compile(
    r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>"
    r"|<(?P<end>/?)(?:[^\s/>:]*:)*(?P<name>[^\s/>:]+)(?:[^>\"']|\"[^\"]*\"|'[^']*')*?(?P<empty>/?)>",
    re.DOTALL,
)
_ENCODING = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([^\"']*)")
_MESSAGES = ("FIToFICstmrCdtTrf", "CstmrCdtTrfInitn")
_ALONE = ("CstmrCdtTrfInitn",)
"""Without a transfer it is told itself, as one of which the mapping of pacs.008 reads nothing."""
_TRANSFER = "CdtTrfTxInf"
_MOST_DEPTH = 60
"""Values that are deeper are not counted: the reader rejects them from 65 on, the wrapper around records among them."""
TRANSACTIONS = (
    _TRANSFER,
    "DrctDbtTxInf",
    "TxInf",
    "TxInfAndSts",
    "OrgnlPmtInfAndSts",
    "Ntry",
    "PmtInf",
    "CdtInstr",
    "DrctDbt",
)


def csv_records(content: bytes, delimiter: str = ",", encoding: str = "utf-8-sig") -> int | None:
    """Rows that are not blank, but for the header; None where quotes may be read in two ways."""
    text = io.StringIO(content.decode(encoding, "replace"), newline="")
    before = csv.field_size_limit(_MOST_CELL)
    try:
        rows = [row for row in csv.reader(text, delimiter=delimiter, strict=True) if row]
    except csv.Error:
        return None
    finally:
        csv.field_size_limit(before)
    if any(len(row) != len(rows[0]) and any(map(_LINE_BREAK.search, row)) for row in rows):
        return None
    if any(_ends_as_row(row, delimiter, len(rows[0])) for row in rows):
        return None
    later_lines = (line for row in rows for cell in row for line in _LINE_BREAK.split(cell)[1:])
    if any(line.count(delimiter) >= _OF_A_PAYMENT for line in later_lines):
        return None
    return max(len(rows) - 1, 0)


def _ends_as_row(row: list[str], delimiter: str, width: int) -> bool:
    """Whether the last line of some cell, with what follows it, has a whole row's delimiters."""
    lasts = ((place, _LINE_BREAK.split(cell)) for place, cell in enumerate(row))
    ends = (lines[-1].count(delimiter) + len(row) - 1 - place for place, lines in lasts if len(lines) > 1)
    return any(end >= width - 1 for end in ends)


def json_lines(content: bytes) -> int | None:
    """Lines that are not blank; None where a line may hold several objects, several lines one, or the file arrays."""
    lines = [line for line in content.removeprefix(codecs.BOM_UTF8).split(b"\n") if line.strip()]
    if (
        content.startswith(2 * codecs.BOM_UTF8)
        or _ARRAY.match(content[:_START_BYTES])
        or any(_may_hold_several(line) for line in lines)
    ):
        return None
    if lines and lines[0].lstrip().startswith(b"{") and not _is_json(lines[0]) and _begins_with_object(content):
        return None
    return len(lines)


def json_array(content: bytes) -> int | None:
    """Elements of an array; None for any other file."""
    try:
        found = json.loads(content.removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError):
        return None
    is_array = isinstance(found, list) and all(isinstance(one, dict) for one in found)
    return len(found) if is_array and _OPENING.match(content) else None


def json_wrapper(content: bytes) -> int | None:
    """Elements of the array under Records, if that is the first member; None for any other file.

    None also where another member is nested so deeply that the wrapper itself is rejected, too.
    """
    try:
        whole = json.loads(content.removeprefix(codecs.BOM_UTF8))
        found = whole.pop("Records")
        if _depth(whole) > _MOST_DEPTH:
            return None
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, IndexError):
        return None
    is_array = isinstance(found, list) and all(isinstance(one, dict) for one in found)
    return len(found) if is_array and _WRAPPER.match(content) else None


def _depth(value: object) -> int:
    """How many objects and lists are in one another at most."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def json_objects(content: bytes) -> int | None:
    """Objects one after another on one line; None where there is anything else."""
    if b"\n" in content or b"\r" in content or not content.startswith(b"{"):
        return None
    return json_array(b"[" + content.replace(b"}{", b"},{") + b"]")


def _may_hold_several(line: bytes) -> bool:
    return _SEVERAL.search(line.decode("utf-8", "surrogateescape")) is not None and not _is_json(line)


def _begins_with_object(content: bytes) -> bool:
    text = content.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    try:
        return isinstance(json.JSONDecoder().raw_decode(text)[0], dict)
    except (ValueError, RecursionError):
        return False


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def parquet_rows(content: bytes) -> int | None:
    """Rows as the footer tells them."""
    try:
        return int(pq.ParquetFile(io.BytesIO(content)).metadata.num_rows)
    except (pa.ArrowException, OSError):
        return None


def stream_records(content: bytes) -> int | None:
    """Records of the delimited text in a packed stream, whatever it is packed with; zeros may pad it."""
    for unpack, packed in itertools.product(UNPACK.values(), (content, content.rstrip(b"\0"))):
        try:
            return csv_records(unpack(packed))
        except Exception:  # noqa: BLE001  (whatever is wrong with it, it must have been refused)
            continue
    return None


def zip_records(content: bytes) -> int | None:
    """Records of all members that are files of somebody."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [info for info in archive.infolist() if _is_somebodys(info.filename)]
            counts = [csv_records(archive.read(info)) for info in names]
    except Exception:  # noqa: BLE001  (as above)
        return None
    return None if None in counts else sum(count or 0 for count in counts)


def _is_somebodys(name: str) -> bool:
    path = PurePosixPath(name)
    return not (name.endswith("/") or path.parts[:1] == ("__MACOSX",) or path.name.startswith("."))


def transfers(
    content: bytes, record: str = _TRANSFER, messages: tuple[str, ...] = _MESSAGES, alone: tuple[str, ...] = _ALONE
) -> int | None:
    """Outermost transfers within messages, found by their tags; messages that are `alone` count as one without any.

    None where a transaction stands outside: it is another message's, of which the innermost would have to be counted.
    """
    if b"\0" in content or not all(named.lower() == b"utf-8" for named in _ENCODING.findall(content)):
        return None  # UTF-16, or what the declaration says
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    found, before, opened = 0, 0, list[str]()
    for tag in _XML.finditer(text):
        name = tag["name"]
        if name is None:
            continue
        if not tag["end"]:
            inside = any(message in opened for message in messages)
            if name in TRANSACTIONS and not inside:
                return None
            before = before if inside else found
            found += name == record and record not in opened and inside
            opened.append(name)
        if tag["end"] or tag["empty"]:
            closed = opened.pop() if opened else None
            outermost = not any(message in opened for message in messages)
            found += closed in alone and outermost and found == before
    return found
