"""A SageMaker processing job as its container sees it: channels are folders, and the exit message is a file.

SageMaker's contract: https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

import json
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import typer
from typer._click.exceptions import ClickException  # typer brings its own click and names it nowhere else

from counterfoil.adapters.sagemaker.tables import ProcessingTables
from counterfoil.cores import settle_threads
from counterfoil.errors import CounterfoilError, UsageError
from counterfoil.workspace.settings import load_settings
from counterfoil.workspace.wiring import Workspace, open_workspace

DONE = "_done.json"
"""In every output channel: an S3 prefix without objects would fail the job that reads it."""

_MESSAGE_BYTES = 1024  # what SageMaker keeps of an exit message


@dataclass(frozen=True)
class Job:
    """The folders of one job, and the stores that are reached over the network."""

    root: Path
    workspace: Workspace

    @classmethod
    def here(cls) -> "Job":
        """The job of this process, from the settings."""
        return cls(load_settings().ml_root, open_workspace())

    @property
    def inputs(self) -> Path:
        """The folder of the input channels."""
        return self.root / "processing" / "input"

    @property
    def outputs(self) -> Path:
        """The folder of the output channels."""
        return self.root / "processing" / "output"

    @property
    def tables(self) -> ProcessingTables:
        """The tables in the channels."""
        return ProcessingTables(self.inputs, self.outputs)

    def input(self, channel: str) -> Path:
        """The folder of an input channel. Raises UsageError if the job has none of that name."""
        folder = self.inputs / channel
        if not folder.is_dir():
            there = ", ".join(sorted(path.name for path in self.inputs.glob("*"))) or "none"
            raise UsageError(f"the job has no input channel '{channel}' (channels: {there}): give it in the pipeline")
        return folder

    def output(self, channel: str) -> Path:
        """The folder of an output channel, made."""
        folder = self.outputs / channel
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def source_uri(self, channel: str) -> str:
        """Where SageMaker got an input channel from; a file is known by that place, not by the job's folder."""
        for entry in self._configured("processingjobconfig.json").get("ProcessingInputs", []):
            if entry["InputName"] == channel:
                return str(entry["S3Input"]["S3Uri"]).rstrip("/")
        return f"channel:{channel}"

    def shard(self) -> int:
        """This instance's place among the job's instances, from 0."""
        hosts = self._configured("resourceconfig.json")
        return sorted(hosts["hosts"]).index(hosts["current_host"]) if hosts else 0

    def write_json(self, channel: str, name: str, content: Any) -> None:
        """Write a property file."""
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False, default=str)
        (self.output(channel) / name).write_text(text + "\n", encoding="utf-8")

    def read_json(self, channel: str, name: str) -> Any:
        """Read a file of an input channel."""
        return json.loads((self.input(channel) / name).read_text(encoding="utf-8"))

    def finish(self, step: str) -> None:
        """Mark every declared output channel as written, so that none is empty."""
        config = self._configured("processingjobconfig.json")
        declared = [o["OutputName"] for o in config.get("ProcessingOutputConfig", {}).get("Outputs", [])]
        for channel in {*declared, *(path.name for path in self.outputs.glob("*") if path.is_dir())}:
            (self.output(channel) / DONE).write_text(json.dumps({"step": step}) + "\n", encoding="utf-8")

    def fail(self, message: str) -> None:
        """Leave the reason where SageMaker looks for it."""
        path = self.root / "output" / "message"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(message.encode()[:_MESSAGE_BYTES])

    def _configured(self, name: str) -> dict[str, Any]:
        path = self.root / "config" / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def log() -> Any:
    """The log of a step: one JSON object a line, with counts and names, never a personal value."""
    return structlog.get_logger()


def main(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a container's command. Returns 0 done, 1 failed, 2 wrong usage, and leaves the reason of a failure."""
    settle_threads()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
    )
    return _guarded(lambda: _invoke(app, arguments))


def _invoke(app: typer.Typer, arguments: Sequence[str] | None) -> None:
    command = typer.main.get_command(app)
    command.main(args=None if arguments is None else list(arguments), standalone_mode=False)


def _guarded(work: Callable[[], None]) -> int:
    try:
        work()
    except ClickException as error:
        return _failed(error.format_message(), 2)
    except UsageError as error:
        return _failed(str(error), 2)
    except (CounterfoilError, OSError) as error:
        return _failed(str(error), 1)
    except Exception as error:  # noqa: BLE001 the last place to say what happened
        traceback.print_exc()
        # Its text may hold anything: only the log, which is ours to protect, gets it.
        return _failed(f"unexpected {type(error).__name__}: see the log", 1)
    return 0


def _failed(message: str, code: int) -> int:
    print(message, file=sys.stderr)  # noqa: T201 the container's own voice
    Job(load_settings().ml_root, open_workspace()).fail(message)
    return code
