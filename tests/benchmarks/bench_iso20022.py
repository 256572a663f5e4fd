"""pacs.008 with a million transfers: our reader beside the fastest public Python reader that was found, pyiso20022.

The peer builds all objects at once, so it reads a sample (`--sample`); it gets an environment of its own from the
package index. Each reads in a process of its own: the rate is by CPU time and by the clock, the peak is of the process.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from report import arguments, print_machine, print_table, verdict, write_json

LEAST = 5.0
"""Times as many rows a second as the peer."""
MOST_MEMORY = 300e6
PEER = ("pyiso20022==1.6.2", "xsdata[lxml]==26.10")

_PEER_CODE = """
import sys
from pyiso20022.pacs.pacs_008_001_08 import Document
from xsdata.formats.dataclass.parsers import XmlParser

def read(path):
    with open(path, "rb") as file:
        document = XmlParser().from_bytes(file.read(), Document)
    return len(document.fito_ficstmr_cdt_trf.cdt_trf_tx_inf)
"""
_OUR_CODE = """
import sys
from pathlib import Path
from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping

def read(path):
    return sum(batch.records for batch in InputFiles().batches(Path(path), load_mapping("iso20022-pacs008")))
"""
_MEASURED = """
import json, resource, time
wall, cpu = time.perf_counter(), time.process_time()
rows = read(sys.argv[1])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({"rows": rows, "wall_s": wall, "cpu_s": cpu, "peak_bytes": peak}))
"""
_HEADER = (
    '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08">'
    "<FIToFICstmrCdtTrf><GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-01-02T09:00:00Z</CreDtTm><NbOfTxs>{}</NbOfTxs>"
    "<SttlmInf><SttlmMtd>CLRG</SttlmMtd></SttlmInf></GrpHdr>"
)
_TRANSFER = (
    "<CdtTrfTxInf><PmtId><InstrId>I{0}</InstrId><EndToEndId>E{0}</EndToEndId><TxId>T{0}</TxId>"
    '<UETR>00000000-0000-4000-8000-{0:012d}</UETR></PmtId><IntrBkSttlmAmt Ccy="EUR">{0}.10</IntrBkSttlmAmt>'
    "<IntrBkSttlmDt>2026-01-02</IntrBkSttlmDt><AccptncDtTm>2026-01-02T09:00:00Z</AccptncDtTm><ChrgBr>SLEV</ChrgBr>"
    "<Dbtr><Nm>Debtor {0}</Nm><PstlAdr><Ctry>NL</Ctry></PstlAdr></Dbtr>"
    "<DbtrAcct><Id><IBAN>NL91ABNA0417164300</IBAN></Id></DbtrAcct>"
    "<DbtrAgt><FinInstnId><BICFI>ABNANL2A</BICFI></FinInstnId></DbtrAgt>"
    "<CdtrAgt><FinInstnId><BICFI>COBADEFF</BICFI></FinInstnId></CdtrAgt><Cdtr><Nm>Creditor {0}</Nm></Cdtr>"
    "<CdtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></CdtrAcct>"
    "<RmtInf><Ustrd>invoice {0}</Ustrd></RmtInf></CdtTrfTxInf>"
)


def main() -> None:
    """Write both files, read them in turns, print the table."""
    options = _options()
    print_machine("start")
    with tempfile.TemporaryDirectory(prefix="iso-") as name:
        folder = Path(name)
        python = _peer_in(folder / "peer")
        whole, sample = _write(folder / "whole.xml", options.rows), _write(folder / "sample.xml", options.sample)
        laps: dict[str, list[dict[str, Any]]] = {"pyiso20022": [], "counterfoil": []}
        for _ in range(options.repeat):
            laps["pyiso20022"].append(_measured(python, _PEER_CODE, sample))
            laps["counterfoil"].append(_measured(sys.executable, _OUR_CODE, whole))
    best = {way: min(found, key=lambda lap: lap["cpu_s"] / lap["rows"]) for way, found in laps.items()}
    table = [
        [way, lap["rows"], lap["rows"] / lap["wall_s"], lap["rows"] / lap["cpu_s"], lap["peak_bytes"] / 1e6]
        for way, lap in best.items()
    ]
    print_table("pacs.008", ["", "transfers", "a second", "a CPU second", "peak, MB"], table)
    ratio = table[1][3] / table[0][3]
    print(f"\ntimes as fast, by CPU time: {ratio:.1f} (at least {LEAST:g}): {verdict(ratio >= LEAST)}")
    print(f"peak at most {MOST_MEMORY / 1e6:g} MB: {verdict(best['counterfoil']['peak_bytes'] <= MOST_MEMORY)}")
    print_machine("\nend")
    write_json(options.json, {"benchmark": "iso20022", "peer": PEER, "laps": laps})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="transfers that our reader reads")
    parser.add_argument("--sample", type=int, default=20_000, help="transfers that the peer reads")
    parser.add_argument("--repeat", type=int, default=3, help="laps of each")
    return parser.parse_args()


def _peer_in(folder: Path) -> str:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER], check=True)
    return python


def _write(path: Path, rows: int) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEADER.format(rows))
        file.writelines(_TRANSFER.format(number) for number in range(1, rows + 1))
        file.write("</FIToFICstmrCdtTrf></Document>")
    return path


def _measured(python: str, code: str, path: Path) -> dict[str, Any]:
    result = subprocess.run([python, "-c", code + _MEASURED, str(path)], check=True, capture_output=True, text=True)
    return dict(json.loads(result.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
