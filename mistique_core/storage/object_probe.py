"""Find out, once in a process, whether a server keeps what the contract builds on."""

from __future__ import annotations

import logging
import secrets
import threading

from mistique_core.errors import InvalidInputError, StorageError
from mistique_core.storage.object_failure import RequestFailed
from mistique_core.storage.object_requests import ObjectRequests

PROBES = "probes"
"""Folder of the objects that are written to find out, and deleted at once."""

log = logging.getLogger(__name__)

_DATA = bytes(range(64))
_lock = threading.Lock()
_passed: set[tuple[str | None, str]] = set()


def check_server(requests: ObjectRequests) -> bool:
    """Write, read and delete a small object; remember in this process what passed.

    Returns
    -------
    bool
        False if the credentials may not write, so that nothing could be found out; reading does not depend on it.

    Raises
    ------
    InvalidInputError
        If the server overwrites an object that a conditional put must leave alone, or does not
        honour ranges.
    StorageError
        If it does not answer, or refuses the credentials.
    """
    place = (requests.endpoint, requests.address.bucket)
    with _lock:
        if place not in _passed:
            try:
                _probe(requests)
            except RequestFailed as error:
                if not error.failure.is_forbidden:
                    raise
                log.info("%s is opened for reading only: %s", requests.address, error)
                return False
            _passed.add(place)
    return True


def clock_seconds(requests: ObjectRequests) -> float:
    """Return Unix seconds now by the server's clock: when it says that a small object was written.

    Raises
    ------
    StorageError
        If the credentials may not write, or the server does not answer.
    """
    path = f"{PROBES}/{secrets.token_hex(16)}"
    try:
        requests.create(path, _DATA)
        for item in requests.list(PROBES):
            if item.path == path:
                return item.modified_at
        raise StorageError(f"{requests.address} does not list an object that was just put; it is not consistent")
    finally:
        requests.delete(path)


def _probe(requests: ObjectRequests) -> None:
    path = f"{PROBES}/{secrets.token_hex(16)}"
    try:
        requests.create(path, _DATA)
        try:
            _check(requests, path)
        finally:
            requests.delete(path)
    except RequestFailed as error:
        if error.failure.is_unsupported:
            raise _refusal(requests, f"does not know conditional puts or ranges ({error.failure.reason})") from error
        raise


def _check(requests: ObjectRequests, path: str) -> None:
    if requests.create(path, _DATA[::-1]):
        raise _refusal(requests, "ignores If-None-Match: writers could overwrite each other's files")
    if requests.read_range(path, 3, 5) != _DATA[3:8]:
        raise _refusal(requests, "ignores the range of a read")


def _refusal(requests: ObjectRequests, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"the server of {requests.address} {why}; use one that has conditional writes, or a local folder"
    )
