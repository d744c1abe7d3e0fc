"""Whether a request to the cluster's S3 server was signed with its key (AWS Signature Version 4)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/(?P<scope>(?P<day>\d{8})/(?P<region>[^/,\s]+)/s3/aws4_request), ?"
    r"SignedHeaders=(?P<headers>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_UNSIGNED = "UNSIGNED-PAYLOAD"


def is_signed(
    method: str, target: str, headers: Mapping[str, str], body: bytes, access_key: str, secret_key: str
) -> bool:
    """Return whether a request is signed with a key, and its body is the one that was signed.

    Parameters
    ----------
    method
        ``GET``, ``PUT`` and so on.
    target
        Path and query as they were sent, still encoded.
    headers
        The request's headers; names in lower case.
    body
        What was sent.
    access_key, secret_key
        The only pair that is accepted.
    """
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if match is None or not hmac.compare_digest(match["key"], access_key):
        return False
    digest = headers.get("x-amz-content-sha256", "")
    if digest not in (_UNSIGNED, hashlib.sha256(body).hexdigest()):
        return False
    path, _, query = target.partition("?")
    parts = sorted(part if "=" in part else f"{part}=" for part in query.split("&") if part)
    lines = [f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in match["headers"].split(";")]
    request = "\n".join((method, path, "&".join(parts), "".join(lines), match["headers"], digest))
    text = "\n".join(
        (
            "AWS4-HMAC-SHA256",
            headers.get("x-amz-date", ""),
            match["scope"],
            hashlib.sha256(request.encode()).hexdigest(),
        )
    )
    key = f"AWS4{secret_key}".encode()
    for part in (match["day"], match["region"], "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), match["signature"])
