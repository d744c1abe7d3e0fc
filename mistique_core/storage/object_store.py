"""S3-compatible object storage as storage backend: conditional puts and ranged gets."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.storage.backend import (
    Leftover,
    StoredFile,
    check_document_name,
    check_file_name,
    check_range,
    is_file_name,
)
from mistique_core.storage.object_address import ObjectAddress, ObjectOptions
from mistique_core.storage.object_failure import RequestFailed
from mistique_core.storage.object_probe import PROBES, check_server, clock_seconds
from mistique_core.storage.object_requests import ObjectRequests
from mistique_core.storage.ranges import Span, coalesce

_FILES = "partitions"
_GAP_BYTES = 512 * 1024
_SPAN_BYTES = 8 * 1024 * 1024
_REQUESTS_AT_ONCE = 8
_MOST_BYTES = 5 * 1024**3


class ObjectBackend:
    """Objects below one prefix of a bucket.

    A file is one conditional put, so it appears whole and the first writer wins; the server must
    honour ``If-None-Match: *``, which is asked of it once in a process. What is written is there for
    every later read and listing, as S3 promises since 2020. Its times have whole seconds. Nothing is
    kept open between calls, and a killed writer leaves nothing behind but a probe of a few bytes.

    Requests that may succeed when repeated are repeated, also puts: one whose answer was lost after
    the server stored the object counts as the success that it is.

    Parameters
    ----------
    url
        ``s3://bucket/prefix``.
    options
        How to reach the server; default everything from the environment.

    Raises
    ------
    InvalidInputError
        If the URL or an option is malformed, obstore is not installed, or the server does not honour
        conditional puts or ranges.
    StorageError
        If the server does not answer, has no such bucket, or refuses the credentials; and from every call
        in a process that was forked after object storage was first used in it.
    """

    def __init__(self, url: str, options: ObjectOptions | None = None) -> None:
        self.address = ObjectAddress.parse(url)
        self._requests = ObjectRequests(self.address, options or ObjectOptions())
        self._is_checked = check_server(self._requests)

    def __repr__(self) -> str:
        return f"ObjectBackend({str(self.address)!r})"

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """See :meth:`StorageBackend.put_if_absent`; up to 5 GiB."""
        path = _path(name)
        if len(data) > _MOST_BYTES:
            raise InvalidInputError(
                f"{len(data)} bytes are more than one put takes ({_MOST_BYTES}); write smaller files"
            )
        return self._create(path, data)

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """See :meth:`StorageBackend.get_range`."""
        return self.get_ranges(name, ((offset, size),))[0]

    def get_ranges(self, name: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See :meth:`StorageBackend.get_ranges`; near ranges in one request, up to 8 requests at once."""
        path = _path(name)
        for offset, size in ranges:
            check_range(offset, size)
        spans = coalesce(ranges, _GAP_BYTES, _SPAN_BYTES)
        if len(spans) < 2:
            fetched = [self._fetch(path, span) for span in spans]
        else:
            with ThreadPoolExecutor(min(_REQUESTS_AT_ONCE, len(spans)), "mistique-read") as pool:
                fetched = list(pool.map(lambda span: self._fetch(path, span), spans))
        parts = [b""] * len(ranges)
        for span, data in zip(spans, fetched, strict=True):
            for position in span.members:
                offset, size = ranges[position]
                start = offset - span.start
                part = data[start : start + size]
                if len(part) != size:
                    raise CorruptPartitionError(
                        f"partition {self.address}/{path} ends before byte {offset + size}; run 'mistique check'"
                    )
                parts[position] = part
        return parts

    def size(self, name: str) -> int:
        """See :meth:`StorageBackend.size`."""
        path = _path(name)
        size = self._requests.size(path)
        if size is None:
            raise self._missing(path)
        return size

    def names(self) -> Iterator[str]:
        """See :meth:`StorageBackend.names`."""
        for file in self.files():
            yield file.name

    def files(self) -> Iterator[StoredFile]:
        """See :meth:`StorageBackend.files`."""
        for item in self._requests.list(_FILES):
            name = item.path.removeprefix(f"{_FILES}/")
            if is_file_name(name):
                yield StoredFile(name, item.bytes, item.modified_at)

    def delete(self, name: str) -> None:
        """See :meth:`StorageBackend.delete`."""
        self._requests.delete(_path(name))

    def put_text_if_absent(self, name: str, text: str) -> bool:
        """See :meth:`StorageBackend.put_text_if_absent`."""
        return self._create(check_document_name(name), text.encode())

    def _create(self, path: str, data: bytes) -> bool:
        """Store an object unless there is one; not before it is known that the server tells the two apart."""
        if not self._is_checked:
            # Credentials that may write now may be those of a server that was never asked.
            self._is_checked = check_server(self._requests)
        return self._requests.create(path, data)

    def get_text(self, name: str) -> str | None:
        """See :meth:`StorageBackend.get_text`."""
        data = self._requests.read(check_document_name(name))
        return None if data is None else data.decode()

    def leftovers(self, older_than_seconds: float, *, remove: bool) -> list[Leftover]:
        """See :meth:`StorageBackend.leftovers`; here probes, as a put leaves nothing unfinished."""
        newest = (self.clock_seconds() if remove else time.time()) - older_than_seconds
        found = []
        for item in self._requests.list(PROBES):
            if item.modified_at <= newest:
                found.append(Leftover(f"{self.address}/{item.path}", item.bytes))
                if remove:
                    self._requests.delete(item.path)
        return found

    def clock_seconds(self) -> float:
        """See :meth:`StorageBackend.clock_seconds`."""
        return clock_seconds(self._requests)

    def close(self) -> None:
        """See :meth:`StorageBackend.close`; connections close by themselves."""

    def _fetch(self, path: str, span: Span) -> bytes:
        try:
            return self._requests.read_range(path, span.start, span.end - span.start)
        except RequestFailed as error:
            if error.failure.is_missing:
                raise self._missing(path) from error
            raise

    def _missing(self, path: str) -> CorruptPartitionError:
        return CorruptPartitionError(f"partition {self.address}/{path} is missing; restore it from a backup")


def _path(name: str) -> str:
    return f"{_FILES}/{check_file_name(name)}"
