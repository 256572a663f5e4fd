"""Good files of the field's standards."""

import json
from datetime import date

from bank_statements import Entry, Statement, as_camt, as_mt940, as_mt942

STATEMENT = Statement(
    opening=100_000,
    entries=(
        Entry(1000, booked=date(2026, 1, 2), parts=(400, 600)),
        Entry(3000, credit=False, reversal=True, booked=date(2026, 1, 2), valued=date(2026, 1, 2)),
        Entry(99, credit=False, status="PDNG"),
    ),
)


def camt() -> bytes:
    """One entry of two transactions, a reversal and a pending entry: four records."""
    text = as_camt(STATEMENT).replace("<Sts><Cd>", "<Sts>").replace("</Cd></Sts>", "</Sts>")
    return f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode()


def camt_report() -> bytes:
    """The same entries, of which the second has no reference: three records."""
    text = as_camt(STATEMENT, message="BkToCstmrAcctRpt")
    text = text.replace("</ValDt><BkTxCd>", "</ValDt><AcctSvcrRef>R</AcctSvcrRef><BkTxCd>", 1)
    return f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode()


def mt942() -> bytes:
    """An interim report and a statement of three entries each."""
    return (as_mt942(STATEMENT) + as_mt940(STATEMENT)).encode()


def mt940() -> bytes:
    """Two statements of three entries each."""
    return (as_mt940(STATEMENT) + as_mt940(STATEMENT).partition("{4:")[2].lstrip()).encode()


def mt103() -> bytes:
    """Two messages, one with blocks and one without."""
    fields = ":20:REF1\n:23B:CRED\n:32A:260102EUR5,\n:50K:/DE89370400440532013000\nANN\n:59:/123\nBOB\n:71A:SHA\n"
    blocks = "{1:F01COBADEFFAXXX0000000000}{2:I103ABNANL2AXXXXN}{3:{121:u-1}}{4:\n"
    return f"{blocks}{fields}-}}\n{fields}".encode()


def nacha() -> bytes:
    """A file of two entries, one of them with an addendum, what is no record, and totals that agree."""
    header = "101 021000021 0210000212601020930A094101BANK                   COMPANY"
    batch = "5200COMPANY                             1234567890PPDPAYROLL   260105260105   1021000020000001"
    entry = f"622091000019{'1234567890':17}0000012345{'ID':15}{'ANN':22}  0021000020000001"
    returned = f"621091000019{'1234567890':17}0000000500{'ID':15}{'ANN':22}  1021000020000002"
    records = [header, batch, entry, returned, "799R01021000020000001", "X"]
    totals = f"{2 * 9_100_001:010d}{0:012d}{12_845:012d}"
    records += [f"8200{3:06d}{totals}1234567890{'':25}021000020000001", f"9{1:06d}{1:06d}{3:08d}{totals}"]
    return "\n".join(record.ljust(94) for record in records).encode()


def iso8583() -> bytes:
    """An authorisation, its reversal and a message of the network."""
    card = {
        "t": "0100", "2": "4111111111111111", "3": "000000", "4": "000000012345", "7": "1231235959", "11": "1",
        "42": "SHOP ", "49": "978", "received_at": "2026-01-01T00:00:03Z",
    }  # fmt: skip
    messages = [card, card | {"t": "0420"}, card | {"t": "0800"}, {"mti": "0100", "fields": card}]
    return "\n".join(map(json.dumps, messages)).encode()
