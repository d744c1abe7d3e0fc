"""Where pages come from: byte ranges of partitions, or open files that compiled code reads by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mistique_core.native.pages import Frame
from mistique_core.partition.location import Extent
from mistique_core.storage import StorageBackend

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mistique_core.engine.chunk_reader import ReadTally

Fetch = Callable[[str, list[Extent]], Sequence[Frame]]


@runtime_checkable
class HasFiles(Protocol):
    """A backend whose partitions are files of this host."""

    def opened(self, name: str) -> AbstractContextManager[int]:
        """Return a descriptor that is open for reading while the context lasts; raises OSError."""


class PageSource:
    """Fetches byte ranges of partitions, and counts them; one thread at a time may ask.

    Parameters
    ----------
    backend
        Where partitions live.
    files
        The same, where they are files of this host.
    tally
        Counts the bytes.
    """

    def __init__(self, backend: StorageBackend, files: HasFiles | None, tally: ReadTally) -> None:
        self._backend = backend
        self._files = files
        self._tally = tally

    def __call__(self, name: str, extents: list[Extent]) -> Sequence[Frame]:
        """Return the bytes of extents of a partition; raises as :meth:`StorageBackend.get_ranges`."""
        self._tally.stored_bytes += sum([size for _, size in extents])
        return self._backend.get_ranges(name, extents)

    def opened(self, name: str, extents: list[Extent], until: ExitStack) -> int | None:
        """Return a descriptor from which the caller reads `extents` by itself, or ``None`` where it has to call.

        Parameters
        ----------
        name
            The partition.
        extents
            What is counted.
        until
            The file stays open until it closes.
        """
        if self._files is None:
            return None
        try:
            descriptor = until.enter_context(self._files.opened(name))
        except OSError:
            return None
        self._tally.stored_bytes += sum([size for _, size in extents])
        return descriptor
