"""Where objects are, and how to reach the server that keeps them."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mistique_core.config import OBJECT_SCHEME
from mistique_core.errors import InvalidInputError

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT = re.compile(r"[A-Za-z0-9!_.*'()=+-]+")
_MOST_PREFIX = 512
S3_ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_S3"
_ENDPOINT_VARIABLES = (S3_ENDPOINT_VARIABLE, "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_HTTP_VARIABLE = "AWS_ALLOW_HTTP"


@dataclass(frozen=True)
class ObjectAddress:
    """A bucket, and the prefix of every key below it.

    Attributes
    ----------
    bucket, prefix
        The prefix has no slash at either end and may be empty.
    """

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, url: str) -> ObjectAddress:
        """Return the parts of ``s3://bucket/prefix``.

        Raises
        ------
        InvalidInputError
            If it is anything else. Characters that need escaping in a URL are refused, so that every
            tool shows a key as it is.
        """
        bucket, _, prefix = url.removeprefix(OBJECT_SCHEME).rstrip("/").partition("/")
        if not url.startswith(OBJECT_SCHEME) or not _BUCKET.fullmatch(bucket):
            raise InvalidInputError(f"{url!r} does not name a bucket; give s3://bucket/prefix")
        segments = prefix.split("/") if prefix else []
        wrong = [part for part in segments if part in (".", "..") or not _SEGMENT.fullmatch(part)]
        if wrong or len(prefix) > _MOST_PREFIX:
            raise InvalidInputError(
                f"the prefix {prefix[:80]!r} cannot be used; give up to {_MOST_PREFIX} letters, digits and "
                "! _ . * ' ( ) = + - in parts between single slashes"
            )
        return cls(bucket, prefix)

    def __str__(self) -> str:
        return f"{OBJECT_SCHEME}{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True)
class ObjectOptions:
    """How to reach the server; what is ``None`` comes from the environment, as AWS tools name it.

    Attributes
    ----------
    endpoint
        URL of the server; default ``$AWS_ENDPOINT_URL_S3``, then ``$AWS_ENDPOINT_URL``, then
        ``$AWS_ENDPOINT``, then AWS itself.
    region
        Default ``$AWS_REGION``, then ``us-east-1``.
    access_key_id, secret_access_key, session_token
        Default ``$AWS_ACCESS_KEY_ID`` and so on, then the role of the machine. Never shown or logged.
    allow_http
        Accept an ``http://`` endpoint that is not on this machine; default ``$AWS_ALLOW_HTTP``. Bytes
        then travel unencrypted.
    tries
        Most attempts at one request, from 1.
    first_wait_seconds
        Longest pause before the second attempt; it doubles with each further one, up to 15 s.
    total_seconds
        No attempt starts later than this after the first one.
    connect_timeout_seconds, timeout_seconds
        Longest time to connect, and for one attempt from start to end; the latter must suffice for the
        largest partition.
    """

    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    allow_http: bool | None = None
    tries: int = 10
    first_wait_seconds: float = 0.1
    total_seconds: float = 180.0
    connect_timeout_seconds: float = 5.0
    timeout_seconds: float = 120.0

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise InvalidInputError(f"tries={self.tries!r} is less than one attempt; give a number from 1")
        for name in ("first_wait_seconds", "total_seconds"):
            if not getattr(self, name) >= 0:
                raise InvalidInputError(f"{name}={getattr(self, name)!r} is not a duration; give a number from 0")
        for name in ("connect_timeout_seconds", "timeout_seconds"):
            if not getattr(self, name) > 0:
                raise InvalidInputError(f"{name}={getattr(self, name)!r} is no time at all; give a number above 0")

    def resolved_endpoint(self) -> str | None:
        """Return the URL of the server, or ``None`` for AWS itself.

        Raises
        ------
        InvalidInputError
            If it is no HTTP URL, holds credentials, or is unencrypted without being allowed to.
        """
        endpoint = self.endpoint or next(filter(None, map(os.environ.get, _ENDPOINT_VARIABLES)), None)
        if endpoint is None:
            return None
        try:
            parts = urlsplit(endpoint)
        except ValueError as error:
            raise InvalidInputError("the endpoint of the object storage is no URL; give https://host:port") from error
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise InvalidInputError(
                "the endpoint of the object storage holds '@', '?' or '#'; give http(s)://host:port, and credentials "
                "by $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInputError(f"the endpoint {_shown(endpoint)} is not a URL; give https://host:port")
        if parts.scheme == "http" and not self._may_use_http(parts.hostname):
            raise InvalidInputError(
                f"the endpoint {endpoint!r} is unencrypted; use https, or set ${_HTTP_VARIABLE}=true if that "
                "network is trusted"
            )
        return endpoint

    def _may_use_http(self, host: str) -> bool:
        if self.allow_http is not None:
            return self.allow_http or _is_this_machine(host)
        return _is_this_machine(host) or os.environ.get(_HTTP_VARIABLE, "").lower() in ("1", "true", "yes", "on")


def _shown(endpoint: str) -> str:
    """Return an endpoint for a message; one that may hold a password, though not where a URL has it, is left out."""
    return "of the object storage" if "@" in endpoint else repr(endpoint)


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
