"""Clients of AWS services, and their failures in words."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from counterfoil.errors import StoreUnavailableError, UsageError

ATTEMPTS = 6
"""How often a call is tried before a throttled or unreachable service is an error, with growing pauses."""
CONNECT_SECONDS = 3
READ_SECONDS = 8
GONE_SECONDS = 4.0
GONE_ATTEMPTS = 3
"""A service that cannot be reached at all is given up sooner than one that throttles: its user waits 10 s at most."""

_BEGAN = "counterfoil_began"
_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
}
_BAD_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}


def aws_client(service: str, region: str | None = None) -> Any:
    """Return a boto3 client, which threads may share; `region` overrides the environment's.

    Raises UsageError if boto3 is not installed, StoreUnavailableError if no region is set.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise UsageError(f"AWS's {service} was asked for and boto3 is not here: install counterfoil[aws]") from None
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    with aws_reported(service):
        # A session of its own: boto3's default one may not be made by two threads at once.
        client = boto3.session.Session().client(service, region_name=region, config=config)
        client.meta.events.register("before-call", _begin)
        client.meta.events.register("needs-retry", _give_up)
        return client


def _begin(params: dict[str, Any], **_: Any) -> None:
    """Remember when a call began."""
    params["context"][_BEGAN] = time.monotonic()


def _give_up(attempts: int, caught_exception: Exception | None, request_dict: dict[str, Any], **_: Any) -> None:
    """Raise what went wrong on the way to a service that has not been reached for long; botocore would try on."""
    began = request_dict["context"].get(_BEGAN, time.monotonic())
    if caught_exception is not None and (attempts >= GONE_ATTEMPTS or time.monotonic() - began > GONE_SECONDS):
        raise caught_exception


@contextmanager
def aws_reported(what: str, missing: str = "it does not exist") -> Iterator[None]:
    """Turn a failed call into StoreUnavailableError that names `what`, the reason and a way out.

    `missing` is the reason and the way out where AWS has no such thing.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        # Some answers quote the request with its session token, so no traceback shows them as the cause.
        raise StoreUnavailableError(f"{what} is not available ({_refusal(error, missing)})") from None
    except BotoCoreError as error:
        reason = " ".join(str(error).split())
        raise StoreUnavailableError(f"{what} is not available ({reason}): {_cure(error)}") from error


def error_code(error: Any) -> str:
    """Return the code of a ClientError, e.g. 'ResourceNotFoundException'."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _refusal(error: Any, missing: str) -> str:
    """Say why AWS refused; of its own words only those about rights, which name the action and the role."""
    code = error_code(error)
    if code == "ResourceNotFoundException":
        return missing
    if code in _THROTTLED:
        return f"{code}, tried {ATTEMPTS} times: raise its limits or try again later"
    if code.startswith("AccessDenied"):
        return f"{code}: {error.response['Error'].get('Message', '')}: let this role do that"
    if code in _BAD_CREDENTIALS:
        return f"{code}: log in to AWS again, or correct the credentials in the environment"
    return f"{code}: see the service's status and the settings"


def _cure(error: Any) -> str:
    from botocore import exceptions as known

    if isinstance(error, known.NoCredentialsError | known.PartialCredentialsError | known.CredentialRetrievalError):
        return "log in to AWS, or run with a role"
    if isinstance(error, known.NoRegionError):
        return "set AWS_REGION or the profile's region"
    return "check the network, the region and the endpoint in the environment"
