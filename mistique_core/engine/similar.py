"""Approximate dedup in the write path: new chunks as differences to stored ones that are nearly equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.partition import EncodedChunk

Array = npt.NDArray[Any]


class Found(NamedTuple):
    """What approximate dedup made of a chunk.

    Attributes
    ----------
    chunk
        Its encoding: as it was, or as a difference where that is smaller.
    base
        Address of the chunk that it is a difference to, or ``None``.
    bands
        Keys under which later chunks shall find it; none for a difference.
    """

    chunk: EncodedChunk
    base: bytes | None
    bands: tuple[int, ...]


class SimilarChunks(Protocol):
    """Finds similar chunks."""

    differences: Callable[[sa.Connection, Mapping[bytes, Array], Sequence[EncodedChunk]], Mapping[bytes, Found]]
