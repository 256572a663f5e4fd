"""Pictures of the analyst's desk: from an alert to a case, a ring, a label and another decision, and rules in shadow.

    python tests/browser/desk_pictures.py WORKSPACE FOLDER

WORKSPACE is a copy of one that `counterfoil demo` made: payments of it are scored, and words are said. The pictures
come in three looks each (`ring-wide.png`, `ring-narrow.png`, `ring-dark.png`).
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
from in_chromium import LOOKS, chromium, faults, opened, overflows, picture

from counterfoil.service.access import new_token
from counterfoil.service.app import create_app
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

sys.path.insert(0, str(Path(__file__).parents[1] / "planted"))
from served import listening

AT_ONCE, SCORED = 500, 7_000
RULES = """name = "cards"

[[rule]]
id = "early-electronics"
when = "amount > 100.0 && hour_sin > 0.5 && category in ['electronics', 'gift cards', 'jewellery']"
effect = "review"
owner = "fraud desk"
reason = "the ring of March bought what is sold on"

[[rule]]
id = "known-bakery"
when = "merchant_id.contains('Bakery') && amount < 50.0"
effect = "allow"
owner = "fraud desk"
reason = "nobody sells bread on"
"""


class Desk:
    """A running service, and pictures of its pages."""

    def __init__(self, address: str, token: str, browser: Any, folder: Path) -> None:
        self.client = httpx2.Client(
            base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False
        )
        self._address, self._token, self._browser, self._folder = address, token, browser, folder

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = self.client.get(path) if body is None else self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def score(self, *payments: Mapping[str, str]) -> list[dict[str, Any]]:
        return list(self.ask("/v1/score", {"layout": "source", "payments": payments})["scores"])

    def case_of(self, name: str) -> str:
        """The open case of a payment's alert, once the service has made it."""
        for _ in range(300):
            for case in self.ask("/v1/cases?limit=500")["cases"]:
                whole = self.ask(f"/v1/cases/{case['case_id']}")
                if name in [alert["transaction_id"] for alert in whole["alerts"]]:
                    return str(case["case_id"])
            time.sleep(0.2)
        raise AssertionError(f"no case of {name}")

    def picture(self, name: str, path: str) -> None:
        for look in LOOKS:
            with opened(self._browser, self._address, self._address, look) as (page, _):
                page.get_by_label("Token").fill(self._token)
                with page.expect_navigation():
                    page.keyboard.press("Enter")
                page.goto(f"{self._address}{path}")
                print(f"{name} {look.name}: {overflows(page)} {faults(page)}")
                picture(page, self._folder / f"{name}-{look.name}.png")


@contextmanager
def desk(workspace: Path, folder: Path) -> Iterator[Desk]:
    """The service of a workspace, with an operator's token."""
    place = Workspace(Settings(workspace=workspace, service_deadline_ms=60_000, service_profile_deadline_ms=20_000))
    with listening(create_app(place)) as address, chromium() as browser:
        yield Desk(address, new_token(place.tokens, "operator", "Ada"), browser, folder)


def main() -> None:
    """Tell the story, and take a picture of each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    with (given.workspace / "raw" / "new" / "payments.csv").open(encoding="utf-8", newline="") as file:
        payments = [given_cells(row) for row in islice(csv.DictReader(file), SCORED)]
    with desk(given.workspace, given.folder) as one:
        version = one.ask("/v1/policy/proposals", {"rules": RULES, "reason": "tried on March", "by": "Ada"})["version"]
        found: list[dict[str, Any]] = []
        for first in range(0, len(payments), AT_ONCE):
            found += one.score(*payments[first : first + AT_ONCE])
        alerts = [(score, row) for score, row in zip(found, payments, strict=True) if score["decision"] != "allow"]
        print(f"{len(found):,} scored, {len(alerts)} alerts")
        one.picture("shadow", f"/policy/shadow/{version}")
        one.picture("policy", "/policy")
        score, row = max(alerts, key=lambda alert: alert[0]["anomaly_signal"])
        tell(one, score, row)


def given_cells(row: Mapping[str, str]) -> dict[str, str]:
    """A row of the file as a request has it: without the cells that are empty."""
    return {name: value for name, value in row.items() if value}


def tell(one: Desk, score: Mapping[str, Any], row: Mapping[str, str]) -> None:
    """Accounts that share a device become a ring; and a label changes what is decided on the next payment like it."""
    mates = [plain(row, payment_id=f"ring-{number}", account=f"A90000{number}") for number in (1, 2)]
    ring = [mate for mate, of in zip(mates, one.score(*mates), strict=True) if of["decision"] != "allow"]
    led = one.case_of(str(score["transaction_id"]))
    for mate in ring:
        other = one.case_of(mate["payment_id"])
        one.ask(f"/v1/cases/{other}/ring", {"case": led, "reason": "one device", "by": "Ada"})
    print(f"a ring of {len(ring) + 1}")
    one.picture("ring", f"/cases?case={led}")
    alert, before = last_alert(one, row)
    case = one.case_of(alert)
    one.picture("case", f"/cases?case={case}")
    one.picture("before", f"/?transaction={before['transaction_id']}")
    one.ask(f"/v1/cases/{case}/notes", {"words": "the card's holder was at home", "by": "Ada"})
    one.ask(f"/v1/cases/{case}/close", {"outcome": "fraud", "reason": "the holder called", "by": "Ada"})
    one.picture("closed", f"/cases?case={case}&closed=true")
    [after] = one.score({**before["row"], **nobody("after"), "payment_id": "next-payment"})
    for name, found in (("before", before), ("after", after)):
        print(f"{name}: {found['decision']}, signal {found['anomaly_signal']:.4f}")
    one.picture("after", "/?transaction=next-payment")


def last_alert(one: Desk, row: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """The id of the smallest payment like `row` that is alerted on, and the next smaller one, which is allowed.

    Each is of an account, a device and an address that nothing is known of.
    """
    alert = ""
    for number in range(60):
        amount = f"{float(row['amount']) * 0.93**number:.2f}"
        tried = {**plain(row, payment_id=f"step-{number}", amount=amount), **nobody(str(number))}
        [score] = one.score(tried)
        if score["decision"] == "allow" and alert:
            return alert, {**score, "row": tried}
        alert = tried["payment_id"] if score["decision"] != "allow" else ""
    raise AssertionError("none is allowed")


def nobody(name: str) -> dict[str, str]:
    """An account, a device and an address of nobody else."""
    number = int(sha256(name.encode()).hexdigest()[:4], 16)
    return {
        "account": f"A-{name}", "device": f"dev-{name}", "ip_address": f"198.51.{number >> 8}.{number & 255}",
        "email": f"{name}@example.com",
    }  # fmt: skip


def plain(row: Mapping[str, str], **changes: str) -> dict[str, str]:
    """A row of the file without its label, changed."""
    return {name: value for name, value in {**row, **changes}.items() if name not in ("is_fraud", "labelled_at")}


if __name__ == "__main__":
    main()
