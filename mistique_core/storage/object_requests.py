"""Requests to an S3-compatible server, repeated until they succeed or cannot."""

from __future__ import annotations

import importlib
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

from mistique_core.errors import InvalidInputError, StorageError
from mistique_core.storage.object_address import S3_ENDPOINT_VARIABLE, ObjectAddress, ObjectOptions
from mistique_core.storage.object_failure import Failure, RequestFailed
from mistique_core.storage.retries import Retries

log = logging.getLogger(__name__)

T = TypeVar("T")
_WRITER = "mistique-writer"
_PAGE = 1000
_first_process: int | None = None


class StoredObject(NamedTuple):
    """One object of a listing: its key below the prefix, its length, and its time in Unix seconds."""

    path: str
    bytes: int
    modified_at: float


class ObjectRequests:
    """One prefix of a bucket. Safe to use from several threads.

    Parameters
    ----------
    address
        The prefix.
    options
        How to reach it.

    Raises
    ------
    InvalidInputError
        If obstore is not installed, or an option is wrong.
    """

    def __init__(self, address: ObjectAddress, options: ObjectOptions) -> None:
        self.address = address
        self.endpoint = options.resolved_endpoint()
        self._obstore = _import_obstore()
        self._retries = Retries(options.tries, options.first_wait_seconds, options.total_seconds)
        errors = importlib.import_module("obstore.exceptions")
        self._exists: type[Exception] = errors.AlreadyExistsError
        self._errors: tuple[type[Exception], ...] = (errors.BaseError, OSError, ValueError)
        self._store = self._connect(options)

    def create(self, path: str, data: bytes) -> bool:
        """Store an object unless there is one; return whether this call did.

        An attempt whose answer is lost may have stored it. Each call marks its object, so that a
        repeated attempt which is told that the object exists finds out whose it is.
        """
        mark = secrets.token_hex(16)
        is_unsure = False

        def put() -> bool:
            nonlocal is_unsure
            try:
                self._obstore.put(
                    self._store, path, data, mode="create", use_multipart=False, attributes={_WRITER: mark}
                )
            except self._exists as error:
                # 409 says that another request is in progress, which may yet fail.
                if not is_unsure and Failure.of(error).status != 409:
                    return False
                found = self._mark_of(path)
                if found is None:
                    raise
                return found == mark
            except self._errors:
                is_unsure = True
                raise
            return True

        return self._repeat(f"write {len(data)} bytes to", path, put)

    def read_range(self, path: str, offset: int, size: int) -> bytes:
        """Return ``[offset, offset + size)`` of an object, or fewer bytes where it ends earlier."""
        try:
            return self._repeat(
                "read",
                path,
                lambda: bytes(self._obstore.get_range(self._store, path, start=offset, length=size)),
            )
        except RequestFailed as error:
            if error.failure.is_past_end:
                return b""
            raise

    def read(self, path: str) -> bytes | None:
        """Return a whole object, or ``None`` if there is none."""
        return self._or_none("read", path, lambda: bytes(self._obstore.get(self._store, path).bytes()))

    def size(self, path: str) -> int | None:
        """Return an object's length in bytes, or ``None`` if there is none."""
        return self._or_none("look at", path, lambda: int(self._obstore.head(self._store, path)["size"]))

    def delete(self, path: str) -> None:
        """Remove an object; one that is already gone is not an error."""
        self._or_none("delete", path, lambda: self._obstore.delete(self._store, path))

    def list(self, folder: str) -> Iterator[StoredObject]:
        """Yield every object below `folder`, each once; a listing that breaks off starts again."""
        seen: set[str] = set()
        pages: Any = None

        def next_page() -> Any:
            nonlocal pages
            if pages is None:
                pages = self._obstore.list(self._store, folder, chunk_size=_PAGE)
            try:
                return next(pages, None)
            except self._errors:
                pages = None
                raise

        while (page := self._repeat("list", folder, next_page)) is not None:
            for item in page:
                if item["path"] not in seen:
                    seen.add(item["path"])
                    yield StoredObject(item["path"], item["size"], item["last_modified"].timestamp())

    def _connect(self, options: ObjectOptions) -> Any:
        given = {
            "endpoint": self.endpoint,
            "region": options.region,
            "access_key_id": options.access_key_id,
            "secret_access_key": options.secret_access_key,
            "session_token": options.session_token,
        }
        if os.environ.get(S3_ENDPOINT_VARIABLE):
            # It would otherwise win over the endpoint that was given and checked.
            given["aws_endpoint_url_s3"] = self.endpoint
        config: Any = {name: value for name, value in given.items() if value is not None}
        try:
            return self._obstore.store.S3Store(
                self.address.bucket,
                prefix=self.address.prefix or None,
                config={**config, "conditional_put": "etag"},
                client_options={
                    "allow_http": self.endpoint is not None and self.endpoint.startswith("http://"),
                    "connect_timeout": timedelta(seconds=options.connect_timeout_seconds),
                    "timeout": timedelta(seconds=options.timeout_seconds),
                },
                retry_config={"max_retries": 0},
            )
        except self._errors as error:
            kind = type(error).__name__
        raise InvalidInputError(f"the settings of {self.address} cannot be used ({kind}); check the $AWS_* variables")

    def _mark_of(self, path: str) -> str | None:
        """Return who wrote an object, or ``None`` if there is none."""
        try:
            found = self._obstore.get(self._store, path, options={"head": True})
        except FileNotFoundError:
            return None
        return str(found.attributes.get(_WRITER, ""))

    def _or_none(self, action: str, path: str, request: Callable[[], T]) -> T | None:
        try:
            return self._repeat(action, path, request)
        except RequestFailed as error:
            if error.failure.is_missing:
                return None
            raise

    def _repeat(self, action: str, path: str, request: Callable[[], T]) -> T:
        _refuse_fork()
        failure = None
        for attempt in self._retries.attempts():
            if failure is not None:
                log.warning("attempt %d to %s %s/%s: %s", attempt + 1, action, self.address, path, failure.reason)
            try:
                return request()
            except self._errors as error:
                failure = Failure.of(error)
            if not failure.is_transient:
                break
        assert failure is not None
        # Raised here and not while handling: obstore's own error quotes addresses that may carry tokens.
        raise self._failed(action, path, failure)

    def _failed(self, action: str, path: str, failure: Failure) -> RequestFailed:
        return RequestFailed(f"cannot {action} {self.address}/{path}: {failure.reason}; {failure.remedy}", failure)


def _import_obstore() -> Any:
    try:
        module = importlib.import_module("obstore")
        importlib.import_module("obstore.store")
    except ImportError as error:
        raise InvalidInputError(
            "object storage needs a package that is not installed; run pip install 'mistique-airflow[s3]'"
        ) from error
    return module


def _refuse_fork() -> None:
    """Its worker threads do not survive a fork, and a request from the child would wait for them for ever."""
    global _first_process
    if _first_process is None:
        _first_process = os.getpid()
    elif _first_process != os.getpid():
        raise StorageError(
            f"object storage was used in process {_first_process} before it was forked into {os.getpid()}; fork before "
            "the first use, or start processes with 'spawn'"
        )
