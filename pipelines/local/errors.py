"""Why a job failed, in the words of SageMaker: its step's reason is '<class>: <message>'."""

from counterfoil.errors import CounterfoilError


class JobError(CounterfoilError, RuntimeError):
    """A job failed. `log_tail` holds the last lines of the log of the instance that failed first."""

    def __init__(self, message: str, log_tail: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.log_tail = log_tail


class AlgorithmError(JobError):
    """The container's process ended with another code than 0, or was killed."""


class ClientError(JobError):
    """SageMaker would refuse the request, or an input is not there."""


class MaxRuntimeExceededError(JobError):
    """The job took longer than its StoppingCondition allows."""


REASONS: dict[type[JobError], str] = {MaxRuntimeExceededError: "MaxRuntimeExceeded"}
"""Names in reasons where they are not the class's own."""
