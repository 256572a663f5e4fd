"""A container for tests: what it does is its first argument. Nothing but the standard library, so that it is quick."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ML = Path(os.environ["COUNTERFOIL_ML_ROOT"])
INPUT, OUTPUT = ML / "processing" / "input", ML / "processing" / "output"
HOST = json.loads((ML / "config" / "resourceconfig.json").read_text())["current_host"]


def copy(options):
    """Copy the input's files, in capitals where asked to, and sum up."""
    files = [path for path in sorted((INPUT / "in").rglob("*")) if path.is_file()]
    for path in files:
        target = OUTPUT / "out" / path.relative_to(INPUT / "in")
        target.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text()
        target.write_text(text.upper() if options.get("--case") == "upper" else text)
    passed = options.get("--passed", "yes") == "yes"
    summary = {"passed": passed, "files": len(files), "why": f"{len(files)} files are not enough"}
    (OUTPUT / "summary").mkdir(parents=True, exist_ok=True)
    (OUTPUT / "summary" / "summary.json").write_text(json.dumps(summary))


def show(options):
    """Write down what this process sees."""
    files = sorted(path.relative_to(ML).as_posix() for path in ML.rglob("*") if path.is_file())
    folders = sorted(path.relative_to(ML).as_posix() for path in ML.rglob("*") if path.is_dir())
    seen = {
        "host": HOST,
        "environment": dict(os.environ),
        "arguments": sys.argv[1:],
        "files": files,
        "folders": folders,
        "inputs": {path.name: path.read_text() for path in INPUT.rglob("*") if path.is_file()},
        "config": {path.name: json.loads(path.read_text()) for path in (ML / "config").iterdir()},
        "processors": len(os.sched_getaffinity(0)),
        "started": time.time(),
    }
    time.sleep(float(options.get("--seconds", 0)))
    seen["ended"] = time.time()
    (OUTPUT / "out" / f"{HOST}.json").write_text(json.dumps(seen))


def spoil(_):
    """Change every input in place."""
    for path in INPUT.rglob("*"):
        if path.is_file():
            path.write_text("spoiled")
    (OUTPUT / "out" / "done").write_text("")


def crash(options):
    """Fail after some output, with the given exit message or none."""
    (OUTPUT / "out" / "half").write_text("half")
    for number in range(30):
        sys.stdout.write(f"line {number}\n")
    if "--message" in options:
        (ML / "output" / "message").write_text(options["--message"])
    if options.get("--only", HOST) != HOST:
        time.sleep(60)
    sys.exit(3)


def die(_):
    """Be killed."""
    (OUTPUT / "out" / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)


def hang(options):
    """Take a child, tell its number and ours, and never end."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    if "--deaf" in options:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(os.environ["COUNTERFOIL_WORKSPACE"], "pids").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    sys.stdout.write(f"{name} on {HOST}\n")
    {"copy": copy, "show": show, "spoil": spoil, "crash": crash, "die": die, "hang": hang}[name](
        dict(zip(rest[::2], rest[1::2], strict=True))
    )
