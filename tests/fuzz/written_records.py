"""JSON and ISO 20022 files of hostile values, whose records are known since their writer counts them."""

import json
from dataclasses import dataclass
from random import Random
from xml.sax.saxutils import escape

from hostile_values import pick

_ROWS = 12
_NO_XML = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 65534, 65535))


@dataclass(frozen=True)
class Written:
    """What was written, and in how many records."""

    content: bytes
    records: int


def write_json(names: tuple[str, ...], rng: Random) -> Written:
    """Write objects on lines of their own or on several, in arrays, or one after another, with or without escapes."""
    rows = [{name: pick(rng) for name in names} | {"id": f"p{place}"} for place in range(rng.randint(1, _ROWS))]
    plain = rng.random() < 0.5
    texts = [json.dumps(row, ensure_ascii=not plain) for row in rows]
    layout = rng.choice(["lines", "blank lines", "array", "nothing between", "spread", "arrays"])
    if layout == "array":
        text = "[" + rng.choice([",", ",\n", " , "]).join(texts) + "]"
    elif layout == "arrays":
        text = "[]\n" * rng.randint(0, 1) + "\n".join(f"[{one}]" for one in texts)
    elif layout == "spread":
        spread = (json.dumps(row, ensure_ascii=not plain, indent=rng.randint(0, 4)) for row in rows)
        text = rng.choice(["", "\n", "\r\n"]).join(spread)
    else:
        end = rng.choice(["\n", "\r\n"])
        text = "".join(f"{one}{ {'lines': end, 'blank lines': end + end}.get(layout, '') }" for one in texts)
    mark = "\ufeff" if rng.random() < 0.2 else ""
    return Written((mark + text).encode("utf-8", "replace"), len(rows))


def write_pacs008(rng: Random) -> Written:
    """Write messages of transfers with names of hostile signs; the documents stand one after another."""
    counts = [rng.randint(1, 4) for _ in range(rng.randint(1, 3))]
    prefix = rng.choice(["", "p:"])
    documents = "".join(_document(prefix, [_transfer(prefix, rng) for _ in range(count)]) for count in counts)
    return Written(f'<?xml version="1.0" encoding="utf-8"?>{documents}'.encode("utf-8", "replace"), sum(counts))


def _document(prefix: str, transfers: list[str]) -> str:
    text = "<Document><FIToFICstmrCdtTrf><GrpHdr><MsgId>M</MsgId><CreDtTm>2026-01-01T10:00:00Z</CreDtTm></GrpHdr>"
    text = f"{text}{{}}</FIToFICstmrCdtTrf></Document>"
    return _prefixed(text, prefix).format("".join(transfers))


def _transfer(prefix: str, rng: Random) -> str:
    text = (
        '<CdtTrfTxInf><PmtId><EndToEndId>{}</EndToEndId></PmtId><IntrBkSttlmAmt Ccy="EUR">1.00</IntrBkSttlmAmt>'
        "<Dbtr><Nm>{}</Nm></Dbtr><RmtInf><Ustrd>{}</Ustrd></RmtInf></CdtTrfTxInf>"
    )
    return _prefixed(text, prefix).format(*(_value(rng) for _ in range(3)))


def _value(rng: Random) -> str:
    text = pick(rng).translate(_NO_XML)
    if rng.random() < 0.3 and "]]>" not in text:
        return f"<![CDATA[{text}]]><!-- <CdtTrfTxInf> -->"
    return escape(text)


def _prefixed(text: str, prefix: str) -> str:
    return text.replace("</", "\0").replace("<", f"<{prefix}").replace("\0", f"</{prefix}")
