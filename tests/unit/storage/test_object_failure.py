"""What a failed request means, told from the words of obstore."""

import pytest

from mistique_core.storage.object_failure import Failure

ANSWER = (
    "Generic S3 error: Error performing GET https://sts.example/?WebIdentityToken=secret in 2ms - "
    "Server returned non-2xx status code: {status} Some Text: <?xml version='1.0'?>\n<Error><Code>{code}</Code>"
    "<Message>What\n happened</Message><AWSAccessKeyId>secret</AWSAccessKeyId></Error>\n\nDebug source:\n secret"
)
NO_ANSWER = (
    "Generic S3 error: Error performing PUT https://host/secret in 1ms - HTTP error: error sending request\n\n"
    "Debug source:\nGeneric {{ inner: Http( HttpError {{\n   kind: {kind},\n  source: secret"
)


@pytest.mark.parametrize(
    ("status", "code", "transient", "remedy"),
    [
        (500, "InternalError", True, "repeat later"),
        (503, "SlowDown", True, "repeat later"),
        (429, "TooManyRequests", True, "repeat later"),
        (409, "ConditionalRequestConflict", True, "repeat later"),
        (400, "RequestTimeout", True, "check the endpoint, the region and the bucket"),
        (400, "AuthorizationHeaderMalformed", False, "check the endpoint, the region and the bucket"),
        (501, "NotImplemented", False, "use a server that knows it"),
        (403, "SignatureDoesNotMatch", False, "set $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY"),
        (404, "NoSuchBucket", False, "create the bucket"),
        (404, "NoSuchKey", False, "check the endpoint, the region and the bucket"),
    ],
)
def test_answers(status: int, code: str, transient: bool, remedy: str) -> None:
    failure = Failure.of(RuntimeError(ANSWER.format(status=status, code=code)))
    assert (failure.status, failure.code, failure.is_transient) == (status, code, transient)
    assert failure.reason == f"HTTP status {status}, {code}: What happened"
    assert failure.remedy.startswith(remedy)
    assert failure.is_missing == (code == "NoSuchKey")
    assert "secret" not in repr(failure)


@pytest.mark.parametrize("kind", ["Connect", "Timeout", "Request", "Interrupted"])
def test_no_answer(kind: str) -> None:
    failure = Failure.of(RuntimeError(NO_ANSWER.format(kind=kind)))
    assert (failure.status, failure.is_transient, failure.reason) == (None, True, f"no answer ({kind.lower()})")
    assert "secret" not in repr(failure)


def test_an_answer_without_a_body() -> None:
    """A HEAD has none."""
    failure = Failure.of(RuntimeError("Error performing HEAD - Server returned non-2xx status code: 404 Not Found: "))
    assert (failure.reason, failure.is_missing) == ("HTTP status 404", True)


def test_no_credentials() -> None:
    text = "Error performing PUT http://169.254.169.254/latest/api/token - Server returned non-2xx status code: 500 x"
    failure = Failure.of(RuntimeError(text))
    assert (failure.reason, failure.is_transient) == ("there are no credentials", False)
