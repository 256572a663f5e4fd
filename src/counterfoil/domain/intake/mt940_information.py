"""What field 86 of an MT940 statement tells of an entry, in the two forms that most banks write.

Germany's has a code of three digits and then parts such as `?20`; the Netherlands' has words between slashes such as
`/IBAN/`. Whatever else stands there is `information` only.
"""

import re
from collections.abc import Mapping, Sequence

_GERMAN = re.compile(r"(?P<code>\d{3})(?P<mark>[^\w\s/])(?=\d\d)")
_SEPA_WORDS = {
    "EREF": "end_to_end_id",
    "MREF": "mandate_id",
    "IBAN": "counterparty_account",
    "BIC": "counterparty_bank",
}
_SEPA = re.compile(r"(EREF|KREF|MREF|CRED|DEBT|COAM|OAMT|SVWZ|ABWA|ABWE|IBAN|BIC)\+")
_REMITTANCE = (*(str(number) for number in range(20, 30)), *(str(number) for number in range(60, 64)))
_WORDS = {
    "EREF": "end_to_end_id", "MARF": "mandate_id", "IBAN": "counterparty_account", "BIC": "counterparty_bank",
    "NAME": "counterparty_name", "REMI": "remittance", "USTD": "remittance",
}  # fmt: skip
_OTHER_WORDS = {"TRTP", "CNTP", "ORDP", "BENM", "RTRN", "CSID", "PREF", "KREF", "ISDT", "PURP", "ULTD", "ULTC", "ADDR"}
_COUNTERPARTY = ("counterparty_account", "counterparty_bank", "counterparty_name")
_NOT_PROVIDED = ("NOTPROVIDED", "NONREF", "")


def read_information(lines: Sequence[str]) -> dict[str, str]:
    """Return the columns that field 86 fills; it breaks lines anywhere, so they are joined without a blank."""
    text = "".join(line.rstrip("\r\n") for line in lines).strip()
    german = _GERMAN.match(text)
    found = _of_parts(text, german) if german is not None else _of_words(text)
    told = {name: value.strip() for name, value in found.items() if value.strip() not in _NOT_PROVIDED}
    return told | {"information": text}


def _of_parts(text: str, german: re.Match[str]) -> dict[str, str]:
    pieces = re.split(re.escape(german["mark"]) + r"(\d\d)", text[german.end("code") :])
    parts: dict[str, str] = {}
    for code, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        parts[code] = parts.get(code, "") + piece
    remittance = "".join(parts.get(code, "") for code in _REMITTANCE)
    found = {
        "business_code": german["code"],
        "remittance": remittance,
        "counterparty_bank": parts.get("30", ""),
        "counterparty_account": parts.get("38") or parts.get("31", ""),
        "counterparty_name": parts.get("32", "") + parts.get("33", ""),
    }
    return _with_sepa_words(remittance) | {name: value for name, value in found.items() if value}


def _with_sepa_words(remittance: str) -> dict[str, str]:
    pieces = _SEPA.split(remittance)
    return {
        _SEPA_WORDS[word]: text for word, text in zip(pieces[1::2], pieces[2::2], strict=True) if word in _SEPA_WORDS
    }


def _of_words(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    counterparty = list[str]()
    word = ""
    for piece in text.split("/"):
        if piece in _WORDS or piece in _OTHER_WORDS:
            word = piece
        elif word == "CNTP":
            counterparty.append(piece)
        elif word in _WORDS and piece:
            found.setdefault(_WORDS[word], piece)
    return found | _filled(dict(zip(_COUNTERPARTY, counterparty, strict=False)))


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
