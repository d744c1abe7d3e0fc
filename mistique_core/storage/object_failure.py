"""What went wrong with a request to object storage, told from what obstore says, without its secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mistique_core.errors import StorageError

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([^<]{1,80})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,200})</Message>")
_KIND = re.compile(r"HttpError \{\s*kind: (\w+)")
_DETAIL = re.compile(r"HTTP error: ([a-z ]{1,80})")
_BUSY_STATUS = (408, 409, 412, 425, 429)
_BUSY_CODES = ("InternalError", "OperationAborted", "RequestTimeout", "ServiceUnavailable", "SlowDown")
_METADATA_SERVICE = "169.254."
_NO_BUCKET = "NoSuchBucket"
_DENIED = "AccessDenied"
_BUILDER = "Builder"
_NOT_PARTIAL = "NotPartial"
_CREDENTIALS = "set $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY"


@dataclass(frozen=True)
class Failure:
    """One failed attempt.

    Attributes
    ----------
    status
        HTTP status, or ``None`` when no answer came.
    code
        Error code of S3, or an empty string.
    reason
        What to tell a person: at most one line, taken from known parts of the answer only.
    remedy
        What to do about it.
    """

    status: int | None
    code: str
    reason: str
    remedy: str

    @property
    def is_transient(self) -> bool:
        """Whether another attempt may succeed."""
        if self.status is None:
            return self.code not in (_BUILDER, _NOT_PARTIAL)
        return (self.status >= 500 and self.status != 501) or self.status in _BUSY_STATUS or self.code in _BUSY_CODES

    @property
    def is_forbidden(self) -> bool:
        """Whether the credentials are known, and may not do this."""
        return self.status == 403 and self.code == _DENIED

    @property
    def is_missing(self) -> bool:
        """Whether the object, rather than its bucket, is not there."""
        return self.status == 404 and self.code != _NO_BUCKET

    @property
    def is_unsupported(self) -> bool:
        """Whether the server does not know what was asked of it."""
        return self.status == 501 or self.code == _NOT_PARTIAL

    @property
    def is_past_end(self) -> bool:
        """Whether a range starts where the object ends, or later."""
        return self.status == 416

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Return what an error of obstore says.

        Its text quotes the whole request and answer, whose addresses may carry tokens: only status, code
        and message of the answer, and the kind of a failure to connect, are taken over.
        """
        text = str(error)
        if _METADATA_SERVICE in text:
            return cls(403, "NoCredentials", "there are no credentials", _CREDENTIALS)
        status = _STATUS.search(text)
        if status is None and _NOT_PARTIAL in text:
            return cls(None, _NOT_PARTIAL, "the answer is the whole object", "use a server that honours ranges")
        if status is None:
            detail, kind = _DETAIL.search(text), _KIND.search(text)
            if detail is not None and detail[1].startswith("builder"):
                return cls(None, _BUILDER, "the address cannot be used", "check the endpoint")
            reason = f"no answer ({kind[1].lower()})" if kind is not None else f"no answer ({type(error).__name__})"
            return cls(None, "", reason, "check the endpoint and the network")
        code, message = _CODE.search(text), _MESSAGE.search(text)
        number = int(status[1])
        said = [part for part in (code[1] if code else "", " ".join(message[1].split()) if message else "") if part]
        reason = f"HTTP status {number}" + (f", {': '.join(said)}" if said else "")
        name = code[1] if code else ""
        return cls(number, name, reason, _remedy(number, name))


def _remedy(status: int, code: str) -> str:
    if code == _NO_BUCKET:
        return "create the bucket"
    if status in (401, 403):
        return f"{_CREDENTIALS} to a key that may read, write, list and delete there"
    if status == 501:
        return "use a server that knows it"
    if status >= 500 or status in _BUSY_STATUS:
        return "repeat later"
    return "check the endpoint, the region and the bucket"


class RequestFailed(StorageError):
    """A request to object storage failed for good.

    Attributes
    ----------
    failure
        Its last attempt.
    """

    def __init__(self, message: str, failure: Failure) -> None:
        super().__init__(message)
        self.failure = failure
