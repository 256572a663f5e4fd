"""How many records files of the field's standards have, counted with nothing of what is fuzzed.

Each function returns None where it cannot tell.
"""

import re
from collections import Counter
from decimal import Decimal, InvalidOperation
from xml.etree import ElementTree

from record_counts import TRANSACTIONS

_TAG = re.compile(rb":(\d\d[A-Z]?|NS):(.*)", re.DOTALL)
_MOST_TEXT = 64 << 10
"""Longer texts cost their entry."""
_HASH_MODULUS = 10**10
_ODD_STARTS = (b"\xef\xbb\xbf", b"\x01", b"$")


def mt940_entries(content: bytes) -> int | None:
    """Lines that begin with :61:."""
    lines = content.split(b"\n")
    if any(line.startswith(_ODD_STARTS) or (b"{" in line and b":61:" in line) for line in lines):
        return None
    return sum(line.startswith(b":61:") for line in lines)


def mt103_messages(content: bytes) -> int | None:
    """Blocks with fields after them, or fields that begin with :20: once more."""
    found, is_open, has_reference = 0, False, False
    for line in content.split(b"\n"):
        if line.startswith(_ODD_STARTS) or (b"{" in line and not line.startswith((b"{1:", b"-}{1:", b"{4:"))):
            return None
        if line.startswith((b"{1:", b"-}{1:", b"{4:")):
            is_open = False
            line = (
                line.partition(b"{4:")[2].decode("utf-8", "surrogateescape").lstrip().encode("utf-8", "surrogateescape")
            )
        tag = _TAG.match(line)
        if tag is None:
            continue
        if not is_open or (tag[1] == b"20" and has_reference):
            found, is_open, has_reference = found + 1, True, False
        has_reference = has_reference or tag[1] == b"20"
    return found


def nacha_entries(content: bytes) -> int | None:
    """Records that begin with 6, with a 7 that follows none, or with what is no record, and totals that differ."""
    lines = content.split(b"\n")
    if len(lines[0].rstrip(b"\r")) > 94 or b"\r" in lines[0][:-1] or any(len(line) >= 4_095 for line in lines):
        return None
    found, is_open = 0, False
    for line in lines:
        kind = line[:1]
        if not line.strip():
            continue
        found += kind == b"6" or kind not in b"156789" or (kind == b"7" and not is_open)
        is_open = kind in b"67" and (is_open or kind == b"6")
    return found + _differing_totals(lines)


def _differing_totals(lines: list[bytes]) -> int:
    """How many controls of a batch that is open (8), or of a file (9), tell other totals than its records make."""
    differing, batches, whole, made = 0, 0, [0, 0, 0, 0], [0, 0, 0, 0]
    is_batch, is_file, known = False, False, {"batch": True, "file": True}
    for line in filter(bytes.strip, lines):
        text, bad = _text_or_bad(line)
        kind = text[0]
        made[0] += kind == "7"
        if kind == "1":
            is_batch, is_file, batches, whole, made = False, True, 0, [0, 0, 0, 0], [0, 0, 0, 0]
            known = {"batch": True, "file": True}
        elif kind == "5":
            is_batch, made, known["batch"] = True, [0, 0, 0, 0], text[1:4] != "280"
        elif kind == "6" and is_batch and is_file:
            numbers = [text[3:11], text[29:39]]
            if bad or text[2] not in "123456789" or not all(one.isascii() and one.isdigit() for one in numbers):
                known["batch"] = False
            else:
                made[0], made[1] = made[0] + 1, made[1] + int(numbers[0])
                made[3 if text[2] in "1234" else 2] += int(numbers[1])
        elif kind == "8" and is_batch:
            told = [text[4:10], text[10:20], text[20:32], text[32:44]]
            differing += not bad and known["batch"] and text[1:4] != "280" and _differs(told, _hashed(made))
            known["file"] = known["file"] and known["batch"]
            whole = [one + more for one, more in zip(whole, made, strict=True)]
            is_batch, batches = False, batches + 1
        elif kind == "9" and is_file:
            told = [text[1:7], text[13:21], text[21:31], text[31:43], text[43:55]]
            differing += not bad and known["file"] and _differs(told, [batches, *_hashed(whole)])
            is_file = False
    return differing


def _hashed(made: list[int]) -> list[int]:
    return [made[0], made[1] % _HASH_MODULUS, *made[2:]]


def _text_or_bad(line: bytes) -> tuple[str, bool]:
    """The text of a record, and whether it is none or too long."""
    bare = line.rstrip(b"\r\n")
    try:
        text = bare.decode()
    except UnicodeDecodeError:
        return bare.decode("latin-1").ljust(94), True
    return text.ljust(94), len(text) > 94


def _differs(told: list[str], made: list[int]) -> bool:
    pairs = zip(told, made, strict=True)
    return any(one.isascii() and one.isdigit() and int(one) != value for one, value in pairs)


def camt_bookings(content: bytes) -> int | None:
    """Entries, and transactions of batches that make them up; None where an entry of several is written oddly.

    None also where a transaction of another message stands among them.
    """
    root = _root(content)
    if root is None or any(_local(one) in TRANSACTIONS and _local(one) != "Ntry" for one in root.iter()):
        return None
    messages = _outermost(root)
    told = [_of_entry(entry) for message in messages for entry in _children(message, "Stmt", "Ntry")]
    counts = [count for count in told if count is not None]
    if len(counts) < len(told) or (any(_is_doubled(message) for message in messages) and sum(counts) > len(counts)):
        return None
    return sum(counts)


def report_entries(content: bytes) -> int | None:
    """Entries of reports and statements, each one record; None where a message of another kind stands between them."""
    root = _root(content)
    if root is None:
        return None
    if _local(root) != "Document" or [_local(one) for one in root] != ["BkToCstmrAcctRpt"]:
        return None
    return len(_children(root[0], "Stmt", "Ntry"))


def _root(content: bytes) -> ElementTree.Element | None:
    """The document, or None where the text is not one that is counted."""
    if b"<!DOCTYPE" in content or len(content) > _MOST_TEXT:
        return None
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError):
        return None


def _is_doubled(message: ElementTree.Element) -> bool:
    """Whether something is told twice of the message or of a statement, which then costs its entries."""
    outer = [_children(message, "GrpHdr"), _children(message, "Stmt")]
    paths = [[path for path in _paths(one) if not path.startswith(("Ntry", "Bal"))] for part in outer for one in part]
    return len(outer[0]) > 1 or any(len(set(told)) < len(told) for told in paths)


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2].rpartition(":")[2]


def _outermost(element: ElementTree.Element) -> list[ElementTree.Element]:
    if _local(element) == "BkToCstmrStmt":
        return [element]
    return [found for child in element for found in _outermost(child)]


def _children(element: ElementTree.Element, *path: str) -> list[ElementTree.Element]:
    found = [element]
    for name in path:
        names = ("Stmt", "Rpt", "Ntfctn") if name == "Stmt" else (name,)
        found = [child for parent in found for child in parent if _local(child) in names]
    return found


def _of_entry(entry: ElementTree.Element) -> int | None:
    details = _children(entry, "NtryDtls", "TxDtls")
    if len(details) < 2:
        return 1
    amounts = [_plain_amount(one) for one in (entry, *details)]
    if any(amount is None for amount in amounts) or len(entry.findall(".//*")) > 200:
        return None
    whole, *parts = (amount or Decimal(0) for amount in amounts)
    return len(details) if sum(parts) == whole else 1


def _plain_amount(element: ElementTree.Element) -> Decimal | None:
    """The signed amount of an entry or transaction that is written as the good file writes it."""
    texts = {_local(child): (child.text or "") for child in element}
    is_entry = "NtryDtls" in texts
    paths = Counter(path for path in _paths(element) if not path.startswith("NtryDtls"))
    known = max(paths.values(), default=0) == 1 and (not is_entry or _is_booked(texts, element))
    currencies = [child.get("Ccy") for child in element if _local(child) == "Amt"]
    if not known or currencies != ["EUR"] or texts.get("CdtDbtInd") not in ("CRDT", "DBIT"):
        return None
    try:
        amount = Decimal(texts["Amt"][:99])
    except InvalidOperation:
        return None
    if not amount.is_finite():
        return None
    return amount if texts["CdtDbtInd"] == "CRDT" else -amount


def _is_booked(texts: dict[str, str], entry: ElementTree.Element) -> bool:
    is_last = _local(entry[-1]) == "NtryDtls"
    return is_last and texts.get("Sts") == "BOOK" and texts.get("RvslInd", "true") in ("true", "1")


def _paths(element: ElementTree.Element, before: str = "") -> list[str]:
    found = []
    for child in element:
        path = f"{before}{_local(child)}"
        found += [path, *_paths(child, f"{path}/")]
    return found
