"""Figures of a benchmark: a Markdown table on the screen, JSON in a file, and the machine they are from."""

import argparse
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser


def machine() -> dict[str, Any]:
    """Cores that this process may use, their kind, and the load average over 1, 5 and 15 minutes."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def print_machine(moment: str) -> None:
    """Say what the machine is and how busy."""
    found = machine()
    load = ", ".join(f"{value:.2f}" for value in found["load_average"])
    print(f"{moment}: {found['cores']} cores ({found['processor']}), Python {found['python']}, load average {load}")


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print what `markdown_table` gives."""
    print(f"\n{markdown_table(title, header, rows)}")


def markdown_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A titled table; floats get three significant digits, or none after the point when they are large."""
    lines = [title, "", f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(_cell, row))} |" for row in rows)])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def verdict(met: bool) -> str:
    """How a target fared."""
    return "met" if met else "MISSED"


def write_json(path: Path | None, figures: dict[str, Any]) -> None:
    """Write the figures and the machine, if a file was asked for."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"machine": machine(), **figures}, indent=1, default=str) + "\n")
        print(f"\nfigures: {path}")
