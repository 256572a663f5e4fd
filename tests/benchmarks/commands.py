"""The command line as its users have it: each command a process of its own, with its time."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COUNTERFOIL = Path(sys.executable).with_name("counterfoil")
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True)
class Took:
    """Seconds on the clock and CPU seconds of the command and of what it waited for; a database server's are not in."""

    wall: float
    cpu: float


def counterfoil(workspace: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> Took:
    """Run a command of Counterfoil in a workspace; end the program with its output if it fails."""
    return _run([str(COUNTERFOIL), *arguments, "--workspace", str(workspace)], arguments, settings or {})


def run_python(code: str, *arguments: str, settings: Mapping[str, str]) -> Took:
    """Run a line of Python with these arguments, as `counterfoil` does a command."""
    return _run([sys.executable, "-c", code, *arguments], arguments, settings)


def _run(command: Sequence[str], shown: Sequence[str], settings: Mapping[str, str]) -> Took:
    print(f"  {' '.join(shown[:3])} ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=_environment(settings))
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{output.read().decode(errors='replace')}")
    return Took(wall, used.ru_utime + used.ru_stime)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """What the local session lets a step see of its machine: variables that tune BLAS would give another release."""
    return {**{name: os.environ[name] for name in _KEPT if name in os.environ}, **settings}


def warm_up() -> None:
    """Let the system read what every command imports, so that the first one measured has no colder disk."""
    names = "duckdb, mlflow, psycopg, pyarrow.parquet, sentence_transformers, sklearn.ensemble, torch, typer"
    sdk = "from pipelines.telemetry import silence_sdk; silence_sdk(); import sagemaker.mlops.workflow.pipeline"
    subprocess.run([sys.executable, "-W", "ignore", "-c", f"import {names}; {sdk}"], check=True, capture_output=True)
