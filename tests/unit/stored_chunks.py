"""Chunks in a partition of a folder's backend, as the catalogue would know them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.dedup import bytes_hash
from mistique_core.partition import EncodedChunk, build_partition
from mistique_core.storage import LocalBackend


@contextmanager
def empty_backend() -> Iterator[LocalBackend]:
    """Yield the backend of an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        made = LocalBackend(Path(folder))
        yield made
        made.close()


def store(backend: LocalBackend, chunks: list[EncodedChunk]) -> list[StoredChunk]:
    """Write chunks into a partition."""
    data, locations = build_partition(chunks)
    name = f"{bytes_hash(data).hex()}.h5"
    backend.put_if_absent(name, data)
    return [StoredChunk(number, name, location) for number, location in enumerate(locations, 1)]
