"""Statements of made-up accounts, written as banks write them: their closing balance is known before any is read."""

from dataclasses import dataclass, field
from datetime import date

DIGITS = {"EUR": 2, "JPY": 0, "KWD": 3}
OWN = "NL91ABNA0417164300"
OTHER = "DE89370400440532013000"
_INNER = {"BkToCstmrStmt": "Stmt", "BkToCstmrAcctRpt": "Rpt", "BkToCstmrDbtCdtNtfctn": "Ntfctn"}


@dataclass(frozen=True)
class Entry:
    """An entry of a statement; `amount` and `parts` are in minor units, the parts signed as the account sees them.

    `reference` is the bank's own of the entry.
    """

    amount: int
    credit: bool = True
    reversal: bool = False
    booked: date = date(2025, 12, 31)
    valued: date = date(2025, 12, 31)
    status: str = "BOOK"
    parts: tuple[int, ...] = ()
    reference: str = ""

    @property
    def signed(self) -> int:
        """What it adds to the account."""
        return self.amount if self.credit else -self.amount


@dataclass(frozen=True)
class Statement:
    """A statement of one account in one currency."""

    currency: str = "EUR"
    opening: int = 0
    entries: tuple[Entry, ...] = field(default=())

    @property
    def closing(self) -> int:
        """The opening balance with all that is booked: what is pending counts in no balance."""
        return self.opening + sum(entry.signed for entry in self.entries if entry.status == "BOOK")


def written(amount: int, currency: str, mark: str = ".") -> str:
    """Write an amount above zero with as many decimals as its currency has."""
    digits = DIGITS[currency]
    text = f"{amount:0{digits + 1}d}"
    return f"{text[:-digits]}{mark}{text[-digits:]}" if digits else f"{text}{mark if mark == ',' else ''}"


def as_camt(statement: Statement, *, message: str = "BkToCstmrStmt", true: str = "true", new: bool = True) -> str:
    """Write a statement as camt.053 (or a day's report, or a notification).

    By the rules of 2019 if `new`, else by those of 2009.
    """
    inner = _INNER[message]
    entries = "".join(_camt_entry(entry, statement.currency, true, new=new) for entry in statement.entries)
    servicer = "<Svcr><FinInstnId><BIC>ABNANL2A</BIC></FinInstnId></Svcr>"
    account = f"<Acct><Id><IBAN>{OWN}</IBAN></Id><Ccy>{statement.currency}</Ccy>{servicer}</Acct>"
    balances = _balance("OPBD", statement.opening, statement.currency) + _balance(
        "CLBD", statement.closing, statement.currency
    )
    header = "<GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-01-03T06:00:00+01:00</CreDtTm></GrpHdr>"
    body = f"<{inner}><Id>S1</Id><ElctrncSeqNb>1</ElctrncSeqNb>{account}{balances}{entries}</{inner}>"
    return f"<Document><{message}>{header}{body}</{message}></Document>"


def _balance(code: str, amount: int, currency: str) -> str:
    direction = "CRDT" if amount >= 0 else "DBIT"
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_amount(abs(amount), currency)}"
        f"<CdtDbtInd>{direction}</CdtDbtInd><Dt><Dt>2026-01-02</Dt></Dt></Bal>"
    )


def _amount(amount: int, currency: str) -> str:
    return f'<Amt Ccy="{currency}">{written(amount, currency)}</Amt>'


def _camt_entry(entry: Entry, currency: str, true: str, *, new: bool) -> str:
    status = f"<Sts><Cd>{entry.status}</Cd></Sts>" if new else f"<Sts>{entry.status}</Sts>"
    reversal = f"<RvslInd>{true}</RvslInd>" if entry.reversal else ""
    details = "".join(_camt_part(part, currency, entry, new=new) for part in entry.parts or (entry.signed,))
    reference = f"<AcctSvcrRef>{entry.reference}</AcctSvcrRef>" if entry.reference else ""
    return (
        f"<Ntry>{_amount(entry.amount, currency)}<CdtDbtInd>{_direction(entry.signed)}</CdtDbtInd>{reversal}{status}"
        f"<BookgDt><Dt>{entry.booked}</Dt></BookgDt><ValDt><Dt>{entry.valued}</Dt></ValDt>{reference}"
        "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
        f"<NtryDtls>{details}</NtryDtls></Ntry>"
    )


def _camt_part(part: int, currency: str, entry: Entry, *, new: bool) -> str:
    amount = _amount(abs(part), currency)
    direction = f"<CdtDbtInd>{_direction(part)}</CdtDbtInd>"
    told = f"{amount}{direction}" if new else f"<AmtDtls><TxAmt>{amount}</TxAmt></AmtDtls>"
    came = (part >= 0) != entry.reversal  # parties are those of the payment that is reversed
    debtor, creditor = (OTHER, OWN) if came else (OWN, OTHER)
    parties = (
        f"<DbtrAcct><Id><IBAN>{debtor}</IBAN></Id></DbtrAcct><CdtrAcct><Id><IBAN>{creditor}</IBAN></Id></CdtrAcct>"
    )
    return f"<TxDtls><Refs><EndToEndId>E</EndToEndId></Refs>{told}<RltdPties>{parties}</RltdPties></TxDtls>"


def _direction(signed: int) -> str:
    return "CRDT" if signed >= 0 else "DBIT"


def as_mt940(statement: Statement) -> str:
    """Write a statement as MT940; a pending entry has the mark of one that is expected."""
    lines = [
        "{1:F01ABNANL2AXXXX0000000000}{2:I940ABNANL2AXXXXN}{4:", ":20:STARTUMS", f":25:{OWN}", ":28C:1/1",
        f":60F:{_mt_balance(statement.opening, statement.currency)}",
    ]  # fmt: skip
    for entry in statement.entries:
        lines += _mt_entry(entry, statement.currency)
    lines += [f":62F:{_mt_balance(statement.closing, statement.currency)}", ":86:told of the statement", "-}"]
    return "\r\n".join(lines) + "\r\n"


def as_mt942(statement: Statement) -> str:
    """Write a statement's entries as an interim report, which has no opening balance."""
    lines = [
        "{1:F01ABNANL2AXXXX0000000000}{2:I942ABNANL2AXXXXN}{4:", ":20:INTERIM", f":25:{OWN}", ":28C:7/1",
        f":34F:{statement.currency}0,", ":13D:2601021200+0100",
    ]  # fmt: skip
    for entry in statement.entries:
        lines += _mt_entry(entry, statement.currency)
    return "\r\n".join([*lines, f":90C:{len(statement.entries)}{statement.currency}1,", "-}"]) + "\r\n"


def _mt_balance(amount: int, currency: str) -> str:
    return f"{'C' if amount >= 0 else 'D'}251231{currency}{written(abs(amount), currency, ',')}"


def _mt_entry(entry: Entry, currency: str) -> list[str]:
    came = entry.credit != entry.reversal
    mark = f"{'R' if entry.reversal else ''}{'C' if came else 'D'}"
    mark = f"E{mark[-1]}" if entry.status != "BOOK" else mark
    amount = written(entry.amount, currency, ",")
    head = f":61:{entry.valued:%y%m%d}{entry.booked:%m%d}{mark}{amount}NTRFREF1//{entry.reference or 'BANK1'}"
    return [head, "more", f":86:166?00TRANSFER?20EREF+E-1?21SVWZ+rent?30COBADEFF?31{OTHER[:12]}", f"{OTHER[12:]}?32ANN"]
