"""What AWS answers becomes one line with a way out, and quotes no request."""

import sys
import traceback

import pytest
from botocore.exceptions import ClientError

from counterfoil.adapters.aws.clients import aws_client, aws_reported
from counterfoil.errors import StoreUnavailableError, UsageError


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ResourceNotFoundException", "make it"),
        ("ThrottlingException", "6 times: raise its limits or try again later"),
        ("AccessDeniedException", "role x may not do y: let this role do that"),
        ("ExpiredTokenException", "log in to AWS again"),
        ("InvalidSignatureException", "log in to AWS again"),
        ("InternalServerError", "InternalServerError: see the service's status"),
    ],
)
def test_an_answer_becomes_words(code: str, words: str) -> None:
    message = "role x may not do y" if code.startswith("AccessDenied") else "x-amz-security-token:hunter2"
    with pytest.raises(StoreUnavailableError) as caught, aws_reported("the thing", missing="make it"):
        raise ClientError({"Error": {"Code": code, "Message": message}}, "DoIt")
    assert str(caught.value).startswith("the thing is not available (")
    assert words in str(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_without_boto3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(UsageError, match=r"dynamodb.*install counterfoil\[aws\]"):
        aws_client("dynamodb")
