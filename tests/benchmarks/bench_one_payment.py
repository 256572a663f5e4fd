"""One payment in process: its features from seven profiles, in memory and from stored bytes.

Each profile keeps 1,000 payments of its entity over the last 30 days. Single thread; beside the clock stands the
thread's own CPU time, which other work on the machine disturbs less.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from report import arguments, print_machine, print_table, verdict, write_json

from counterfoil.domain.features.payments import DAY
from counterfoil.domain.features.profile import Payment, Profile, Program
from counterfoil.domain.features.spec import DEFAULT_SPECS

KEPT = 1_000
MOST_P50, MOST_P99 = 50.0, 200.0
"""Microseconds for the features of all seven entities in memory."""
WARM_UP = 100


def main() -> None:
    """Fill the profiles, time each way, print the table."""
    options = _options()
    print_machine("start")
    profiles = [_filled(program) for program in _programs()]
    states = [profile.to_bytes() for profile in profiles]
    payments = [_payment(30 * DAY + second * 1_000_000, second) for second in range(options.payments + WARM_UP)]
    ways: dict[str, Callable[[Payment], Any]] = {
        "features, profiles in memory": lambda one: [profile.features(one) for profile in profiles],
        "the same, from stored bytes": lambda one: [
            Profile.from_bytes(state, profile.program).features(one)
            for state, profile in zip(states, profiles, strict=True)
        ],
        "profiles to bytes": lambda _: [profile.to_bytes() for profile in profiles],
        "the payment added": lambda one: [profile.add(one) for profile in profiles],
    }
    found = {name: _quantiles(way, payments) for name, way in ways.items()}
    table = [[name, *quantiles] for name, quantiles in found.items()]
    title = f"Microseconds for one payment of {len(profiles)} entities, {KEPT:,} payments kept of each"
    print_table(title, ["", "p50", "p99", "CPU p50", "CPU p99"], table)
    p50, p99, *_ = found["features, profiles in memory"]
    print(f"\nin memory at most {MOST_P50:g} and {MOST_P99:g}: {verdict(p50 <= MOST_P50 and p99 <= MOST_P99)}")
    print(f"bytes of the profiles: {sum(map(len, states)):,}")
    print_machine("\nend")
    write_json(options.json, {"benchmark": "one payment", "microseconds": found})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--payments", type=int, default=2_000, help="payments to time each way with")
    return parser.parse_args()


def _programs() -> list[Program]:
    """One for each kind of entity of the default evidence."""
    entities = dict.fromkeys(spec.entity for spec in DEFAULT_SPECS)
    return [
        Program(tuple(spec for spec in DEFAULT_SPECS if spec.entity is entity), 7 * DAY, by_currency=True)
        for entity in entities
    ]


def _filled(program: Program) -> Profile:
    profile = Profile(program)
    ticks = np.sort(np.random.default_rng(0).integers(0, 30 * DAY, KEPT))
    for number, tick in enumerate(ticks):
        profile.add(_payment(int(tick), number, before="old"))
        if number % 50 == 0:
            profile.add_label(int(tick) + 7 * DAY, fraud=True)
    return profile


def _payment(tick: int, number: int, before: str = "new") -> Payment:
    return Payment(f"{before}-{number}", tick, 10_000 + number, "EUR", f"a{number % 200}", f"m{number % 100}")


def _quantiles(way: Callable[[Payment], object], payments: Sequence[Payment]) -> tuple[float, ...]:
    """The median and the 99th percentile of what a payment takes, in microseconds, by the clock and of CPU time."""
    took = []
    for one in payments:
        wall, cpu = time.perf_counter(), time.thread_time()
        way(one)
        took.append((time.perf_counter() - wall, time.thread_time() - cpu))
    return tuple(1e6 * np.quantile(took[WARM_UP:], [0.5, 0.99], axis=0).T.ravel())


if __name__ == "__main__":
    main()
