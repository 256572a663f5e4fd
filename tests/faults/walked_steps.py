"""The steps that are walked, in the order of a workspace's life, on small simulated payments."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from service_rounds import SAY
from walked_place import WalkedPlace

from counterfoil.simulation import as_csv, simulate, spoil

MAPPING = ("-m", "counterfoil-simulated")
DECIDED = ("--operator", "ada", "--reason", "a test")
START = date(2024, 1, 20)
HISTORY_DAYS = 40
STREAMED = HISTORY_DAYS + 2
"""The day whose payments come as a stream."""
LABELS = ["is_fraud", "labelled_at"]


@dataclass(frozen=True)
class WalkedStep:
    """A command that is killed. `prepare` comes before it, undisturbed; `releases`: whether these may change.

    `make test` kills at `most` of the points whose names match `sample`.
    """

    name: str
    arguments: Callable[[WalkedPlace], tuple[str, ...]]
    releases: bool = False
    prepare: Callable[[WalkedPlace], object] = lambda _: None
    sample: str = ""
    most: int = 2


@cache
def simulated() -> pa.Table:
    """The payments of all days."""
    return simulate(accounts=45, merchants=60, days=HISTORY_DAYS + 3, start=START, seed=4)


def payments(since: int, until: int) -> pa.Table:
    """Simulated payments of the days from `since` to before `until`."""
    found = simulated()
    moment = pc.strptime(found["paid_at"], "%Y-%m-%dT%H:%M:%SZ", "s")
    day = pc.days_between(pa.scalar(START), pc.cast(moment, pa.date32()))
    return found.filter(pc.and_(pc.greater_equal(day, since), pc.less(day, until)))


def days_file(place: WalkedPlace) -> str:
    """The raw file of a few days."""
    return str(place.raw / "days.csv")


def write_raw(place: WalkedPlace) -> None:
    """Write the raw files: a few days with dirty rows, and the history before them."""
    dirty = spoil(payments(HISTORY_DAYS, HISTORY_DAYS + 2), np.random.default_rng(0))
    Path(days_file(place)).write_bytes(dirty)
    (place.raw / "history.csv").write_bytes(as_csv(payments(0, HISTORY_DAYS)))


def collect_history(place: WalkedPlace) -> None:
    """Collect what came before those days."""
    assert place.run(("collect", str(place.raw / "history.csv"), *MAPPING)).code == 0


def correct(place: WalkedPlace) -> None:
    """Correct the content of the file that has the days: it has other days in it, too."""
    Path(days_file(place)).write_bytes(as_csv(payments(HISTORY_DAYS + 1, HISTORY_DAYS + 3)))


def promote(place: WalkedPlace) -> tuple[str, ...]:
    """Promote the only release."""
    [release] = place.look()["releases"]
    return ("release", "promote", release, "--to", "champion", *DECIDED, "--without-gate")


def forget(_: WalkedPlace) -> tuple[str, ...]:
    """Forget an account that was defrauded, so that references name it."""
    found = payments(0, HISTORY_DAYS)
    return ("forget", str(found.filter(pc.equal(found["is_fraud"], "1"))["account"][0]), *DECIDED)


def stream_file(place: WalkedPlace) -> str:
    """The JSON lines that are watched."""
    return str(place.raw / "payments.jsonl")


def write_stream(place: WalkedPlace) -> None:
    """Write a day's payments, more than a watcher takes at once, with a line that is none and one that comes again."""
    lines = [json.dumps(payment) for payment in payments(STREAMED, STREAMED + 1).drop_columns(LABELS).to_pylist()]
    Path(stream_file(place)).write_text("\n".join([*lines[:2], "{", *lines[2:], lines[0]]) + "\n")


def watch(place: WalkedPlace) -> tuple[str, ...]:
    """Watch them until their end."""
    return ("watch", stream_file(place), "--source-layout", "--no-show")


def say_fraud(_: WalkedPlace) -> tuple[str, ...]:
    """Say of one of them that it was fraud."""
    return (SAY, str(payments(STREAMED, STREAMED + 1)["payment_id"][0]))


STEPS = (
    WalkedStep("collect", lambda place: ("collect", days_file(place), *MAPPING), prepare=write_raw),
    WalkedStep("curate", lambda _: ("curate",), prepare=collect_history),
    WalkedStep("features", lambda _: ("features", *MAPPING)),
    WalkedStep("open the registry", lambda _: ("release", "list")),
    WalkedStep("train", lambda _: ("train", *MAPPING), releases=True),
    WalkedStep("promote", promote, releases=True),
    WalkedStep("score", lambda place: ("score", "--since", "2024-02-20", "--out", f"{place.root}/out/scores.parquet")),
    WalkedStep("watch", watch, prepare=write_stream, sample="INTO profile", most=1),
    WalkedStep("feedback", say_fraud, sample="INTO overlay", most=1),
    WalkedStep("recollect", lambda place: ("recollect", days_file(place), "--corrected"), prepare=correct),
    WalkedStep("forget", forget, releases=True),
    WalkedStep("rotate-key", lambda _: ("rotate-key", *DECIDED)),
)  # fmt: skip
