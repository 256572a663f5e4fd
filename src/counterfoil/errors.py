"""Errors that name the thing, the value and the way out.

One base class; each subclass is also the builtin that it means, so that callers who know nothing of
Counterfoil can still catch it. The CLI prints the message of a `CounterfoilError` and no traceback.
"""


class CounterfoilError(Exception):
    """Something that the user can put right; the message says how."""

    def __str__(self) -> str:
        # KeyError would show its message in quotes.
        return Exception.__str__(self) if len(self.args) != 1 else str(self.args[0])


class UsageError(CounterfoilError, ValueError):
    """A command or function was called with values that make no sense together (exit code 2)."""


class ConflictError(UsageError):
    """What is asked for makes no sense any more: somebody else, or the same person, has done something before."""


class MappingError(CounterfoilError, ValueError):
    """A source mapping is wrong in itself or does not fit the file."""


class InputFileError(CounterfoilError, OSError):
    """An input file is missing, unreadable or of an unknown format."""


class MissingEvidenceError(CounterfoilError, KeyError):
    """Evidence that a release or step needs is not in the table."""


class TrainingError(CounterfoilError, ValueError):
    """The training window cannot give a usable release."""


class CollapsedEncoderError(TrainingError):
    """The encoder puts nearly all payments in one place, or one block drowns the others."""


class ReleaseMismatchError(CounterfoilError, ValueError):
    """Vectors, encoder or schema of one release were about to be used with another's."""


class OlderFormatError(ReleaseMismatchError):
    """A release was written by an older version and cannot be read by this one."""


class ReferenceConflictError(CounterfoilError, FileExistsError):
    """A base reference set with this id exists and its content differs."""


class NotFoundError(CounterfoilError, LookupError):
    """A named thing (mapping, release, reference set, table) does not exist."""


class StoreUnavailableError(CounterfoilError, ConnectionError):
    """A store could not be reached; the message says which and what to do."""


class BusyError(CounterfoilError, BlockingIOError):
    """Another process is at work on the same thing; the message says on which."""


class ChangedError(BusyError):
    """A table was changed by another process between being read and being published."""


class PipelineError(CounterfoilError, RuntimeError):
    """A pipeline cannot be built, started or finished; the message names the step and the reason."""


class EvaluationWindowError(CounterfoilError, ValueError):
    """Two releases cannot be compared on a window that one of them learned from."""
