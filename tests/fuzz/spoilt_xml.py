"""Spoil ISO 20022 messages where they have structure: elements, namespaces, entities, documents and encodings."""

import re
from collections.abc import Callable
from random import Random
from xml.sax.saxutils import escape

from hostile_values import pick

_TAG = re.compile(r"</?[^<>!?]+>")
_TEXT = re.compile(r">([^<>]+)<")
_TRANSFER = re.compile(r"<(?:\w+:)?(CdtTrfTxInf|DrctDbtTxInf|TxInf|TxDtls|Ntry)\b.*?</(?:\w+:)?\1>", re.DOTALL)
_DECLARATION = re.compile(r"<\?xml[^>]*\?>")
_LAUGHS = "".join(f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 9))
_TYPES = (
    "<!DOCTYPE x>",
    '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    f'<!DOCTYPE x [<!ENTITY l0 "ha">{_LAUGHS}]>',
    '<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>',
)
_PIECES = (
    "&x;", "&l8;", "&#0;", "&#65;", "&#x10FFFF;", "&#xD800;", "&lt;", "&amp;", "&", "<", ">", "]]>", "<!-- - -->",
    "<!-- -- -->", "<!--", "-->", "<![CDATA[<CdtTrfTxInf>]]>", "<![CDATA[", "<?php x ?>", "<?xml version='1.0'?>", "\0",
    "\x01", "\ufffe", "\ufeff", "<x/>", "<CdtTrfTxInf/>", "<!-- <CdtTrfTxInf> -->", "<x a='>'/>",
    "<CdtTrfTxInf a='/>'/>",
)  # fmt: skip
_ENCODINGS = ("utf-8", "UTF-16", "iso-8859-1", "us-ascii", "windows-1252", "utf-7", "ebcdic-cp-us", "nonsense", "")


def spoil_xml(content: bytes, rng: Random) -> bytes:
    """Return messages with one to four changes made to them."""
    text = content.decode("utf-8", "surrogateescape")
    for _ in range(rng.randint(1, 4)):
        text = rng.choice(_CHANGES)(text, rng)
    return _encoded(text[: 1 << 20], rng)


def _place_between(text: str, rng: Random) -> int:
    """A place next to a tag, where something can be put."""
    ends = [match.end() for match in _TAG.finditer(text)]
    return rng.choice(ends) if ends else 0


def _some(pattern: re.Pattern[str], text: str, rng: Random) -> re.Match[str] | None:
    found = list(pattern.finditer(text))
    return rng.choice(found) if found else None


def _value(text: str, rng: Random) -> str:
    found = _some(_TEXT, text, rng)
    if found is None:
        return text
    value = pick(rng) if rng.random() < 0.3 else escape(pick(rng))
    return text[: found.start(1)] + value + text[found.end(1) :]


def _piece(text: str, rng: Random) -> str:
    place = _place_between(text, rng)
    return text[:place] + rng.choice(_PIECES) + text[place:]


def _doctype(text: str, rng: Random) -> str:
    declared = _DECLARATION.match(text)
    start = declared.end() if declared else 0
    return text[:start] + rng.choice(_TYPES) + text[start:]


def _namespaces(text: str, rng: Random) -> str:
    match rng.randrange(5):
        case 0:
            return text.replace("p:", "")
        case 1:
            return text.replace("<p:Document>", '<p:Document xmlns:p="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08">')
        case 2:
            return text.replace("<p:Document>", '<p:Document xmlns="urn:x" xmlns="urn:y">', 1)
        case 3:
            return re.sub(r"(</?)p:", rf"\1{rng.choice(['q:', 'p:p:', ':', 'é:', 'xml:'])}", text)
        case _:
            return text.replace("<p:", "<", rng.randint(1, 3))


def _transfer_again(text: str, rng: Random) -> str:
    found = _some(_TRANSFER, text, rng)
    if found is None:
        return text
    return text[: found.end()] + found[0] * rng.choice([1, 1, 2, 50]) + text[found.end() :]


def _transfer_within(text: str, rng: Random) -> str:
    found = _some(_TRANSFER, text, rng)
    if found is None:
        return text
    place = text.find(">", found.start()) + 1
    return text[:place] + found[0] + text[place:]


def _tag_lost(text: str, rng: Random) -> str:
    found = _some(_TAG, text, rng)
    return text if found is None else text[: found.start()] + text[found.end() :]


def _attributes(text: str, rng: Random) -> str:
    found = _some(_TAG, text, rng)
    if found is None:
        return text
    added = rng.choice(
        [' Ccy="EUR"', " Ccy=''", ' Ccy="EUR" Ccy="USD"', ' a="&lt;"', ' a="<"', " a", ' a=">"', ' a="&x;"']
    )
    end = found.end() - (2 if found[0].endswith("/>") else 1)
    return text[:end] + added + text[end:]


def _cut(text: str, rng: Random) -> str:
    return text[: _place_between(text, rng) if rng.random() < 0.5 else rng.randint(0, len(text))]


def _another_document(text: str, rng: Random) -> str:
    between = rng.choice(["", "\n", " ", "\ufeff", "<!-- x -->", '<?xml version="1.0"?>', "\0", "x"])
    documents = text.replace("FIToFICstmrCdtTrf", "CstmrCdtTrfInitn") if rng.random() < 0.3 else text
    return text[: 1 << 18] + between + documents[: 1 << 18]


def _deep(text: str, rng: Random) -> str:
    depth, place = rng.choice([90, 99, 101, 5_000]), _place_between(text, rng)
    return text[:place] + "<x>" * depth + "</x>" * depth + text[place:]


def _huge(text: str, rng: Random) -> str:
    found = _some(_TEXT, text, rng)
    return (
        text if found is None else text[: found.start(1)] + "y" * rng.choice([1 << 12, 1 << 17]) + text[found.end(1) :]
    )


_CHANGES: tuple[Callable[[str, Random], str], ...] = (
    _value, _value, _value, _piece, _piece, _doctype, _namespaces, _transfer_again, _transfer_within, _tag_lost,
    _attributes, _cut, _another_document, _deep, _huge,
)  # fmt: skip


def _encoded(text: str, rng: Random) -> bytes:
    if rng.random() < 0.85:
        return text.encode("utf-8", "surrogateescape")
    named = rng.choice(_ENCODINGS)
    text = _DECLARATION.sub(f'<?xml version="1.0" encoding="{named}"?>', text)
    written = rng.choice(["utf-8", "utf-16", "utf-16-le", "latin-1", "utf-8-sig", "utf-32"])
    return text.encode(written, "replace")
