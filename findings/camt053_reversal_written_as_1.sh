#!/usr/bin/env bash
# camt053 0.0.23: a reversal that is written as 1 is no reversal.
# Seen: RvslInd is an xs:boolean, whose true is `true` or `1`. camt053 reads <RvslInd>true</RvslInd> as True and
# <RvslInd>1</RvslInd> as False, without a word.
# Expected: True for both.
# What we do: mapping iso20022-camt053 reads both, and rejects what is neither (reversal_unreadable).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet camt053==0.0.23
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import camt053


def statement(true):
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId>'
        "<CreDtTm>2026-01-02T20:00:00Z</CreDtTm></GrpHdr><Stmt><Id>S</Id><CreDtTm>2026-01-02T20:00:00Z</CreDtTm>"
        "<Acct><Id><IBAN>NL91ABNA0417164300</IBAN></Id></Acct>"
        '<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>'
        "<Dt><Dt>2026-01-02</Dt></Dt></Bal>"
        '<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">95.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>'
        "<Dt><Dt>2026-01-02</Dt></Dt></Bal>"
        f'<Ntry><Amt Ccy="EUR">5.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><RvslInd>{true}</RvslInd><Sts><Cd>BOOK</Cd></Sts>'
        "<BookgDt><Dt>2026-01-02</Dt></BookgDt><BkTxCd><Prtry><Cd>X</Cd></Prtry></BkTxCd></Ntry>"
        "</Stmt></BkToCstmrStmt></Document>"
    )


seen = {}
for true in ("true", "1"):
    with open("statement.xml", "w") as file:
        file.write(statement(true))
    with open("statement.xml") as file:
        seen[true] = camt053.parse_document(file.read()).statements[0].entries[0].reversal_indicator
print(f"camt053 {version('camt053')}: the reversal of an entry, by how true is written")
print(f"seen: {seen}")
print("expected: True for both")
print("what we do: both are reversals")
assert seen == {"true": True, "1": False}, "the behaviour changed"
PYTHON
