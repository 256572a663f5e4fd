"""What AWS and the SDK raise, said in words that name the thing and the way out."""

from collections.abc import Iterator
from contextlib import contextmanager

from counterfoil.errors import CounterfoilError, NotFoundError, PipelineError, StoreUnavailableError
from counterfoil.workspace.settings import PipelineSettings

_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_LOGIN = {
    "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "InvalidSignatureException",
    "SignatureDoesNotMatch", "UnrecognizedClientException",
}  # fmt: skip
_BUSY = {"RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException"}
_LONGEST = 400


@contextmanager
def aws_call(doing: str, settings: PipelineSettings) -> Iterator[None]:
    """Turn errors of botocore into ours. `doing` completes "cannot ...", without a value that is private.

    Raises NotFoundError for a pipeline that is not there, PipelineError for what AWS refuses, and
    StoreUnavailableError where it cannot be reached or does not know who asks.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        yield
    except ClientError as error:
        raise _refusal(doing, settings, error.response) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StoreUnavailableError(
            f"cannot {doing}: boto3 finds no credentials; log in (aws sso login), or set AWS_PROFILE or the AWS_ keys"
        ) from error
    except BotoCoreError as error:
        raise StoreUnavailableError(
            f"cannot {doing}: {_short(str(error))}; check the network, COUNTERFOIL_PIPELINE_REGION "
            f"({settings.region}) and AWS_ENDPOINT_URL"
        ) from error


def _refusal(doing: str, settings: PipelineSettings, response: dict[str, dict[str, str]]) -> CounterfoilError:
    code, reason = response["Error"].get("Code", ""), _short(response["Error"].get("Message", ""))
    if code == "ResourceNotFound" or "Could not find pipeline" in reason:
        return NotFoundError(
            f"cannot {doing}: SageMaker in {settings.region} has no such pipeline ({reason}); "
            "make it with 'counterfoil pipeline upsert'"
        )
    if code in ("NoSuchBucket", "404"):
        return NotFoundError(f"cannot {doing}: there is no such bucket; check its name")
    if code in _LOGIN:
        return StoreUnavailableError(f"cannot {doing}: AWS does not accept the credentials ({code}): log in again")
    if code in _DENIED:
        return PipelineError(f"cannot {doing}: not allowed ({reason}); ask for this permission")
    if code in _BUSY or code.isdigit():
        return StoreUnavailableError(f"cannot {doing}: AWS is not able to answer now ({code}): try again later")
    return PipelineError(f"cannot {doing}: AWS refuses it ({code}: {reason})")


def _short(text: str) -> str:
    """One line."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
