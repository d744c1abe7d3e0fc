"""Which new chunks are stored as deltas, and against which base (thesis 5.4.2).

A base is never itself a delta, so a chunk is read with at most one other. The first of a family of
similar chunks is stored whole and indexed; the others become deltas against it and are not indexed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from mistique_core.dedup.bands import DEFAULT_TAU, band_keys, needed_values, ranked
from mistique_core.dedup.delta import delta_scale, make_delta
from mistique_core.dedup.similarity import signature, worth_trying
from mistique_core.dedup.words import Array
from mistique_core.errors import InvalidInputError

LEAST_SAVED_SHARE = 0.05


class Encoded(Protocol):
    """Anything that knows its size, such as an ``EncodedChunk``."""

    @property
    def stored_bytes(self) -> int:
        """Bytes that it takes in a partition."""


EncodedT = TypeVar("EncodedT", bound=Encoded)


@dataclass(frozen=True)
class NewChunk:
    """A chunk that the store does not hold yet.

    Attributes
    ----------
    address
        Its content address.
    array
        Its values.
    encoded_bytes
        Bytes of its own lossless encoding.
    """

    address: bytes
    array: Array
    encoded_bytes: int


@dataclass(frozen=True)
class DeltaChunk(Generic[EncodedT]):
    """A chunk as a delta.

    Attributes
    ----------
    base
        Address of the chunk that :func:`~mistique_core.dedup.delta.apply_delta` needs.
    scale
        The scale that it needs.
    encoded
        The encoded delta.
    """

    base: bytes
    scale: int
    encoded: EncodedT


@dataclass(frozen=True)
class DeltaChoice(Generic[EncodedT]):
    """What to store instead of some of the new chunks, and what to index.

    Attributes
    ----------
    deltas
        Address -> delta, for the chunks that it makes smaller.
    keys
        Address -> band keys, for the chunks that stay whole and may serve as bases.
    tried
        Number of deltas that were encoded, kept or not.
    """

    deltas: Mapping[bytes, DeltaChunk[EncodedT]]
    keys: Mapping[bytes, tuple[int, ...]]
    tried: int


@dataclass
class Bases:
    """Chunks of one write that stay whole, which the next chunks of the same write may be differences to.

    Attributes
    ----------
    index
        Band key -> addresses.
    arrays
        Address -> values.
    """

    index: defaultdict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    arrays: dict[bytes, Array] = field(default_factory=dict)


def choose_deltas(
    chunks: Sequence[NewChunk],
    stored: Callable[[Sequence[int]], Iterable[tuple[int, bytes]]],
    read: Callable[[bytes], Array | None],
    encode: Callable[[NewChunk, bytes, Array, int], EncodedT],
    *,
    tau: float = DEFAULT_TAU,
    tries: int = 1,
    bases: Bases | None = None,
) -> DeltaChoice[EncodedT]:
    """Choose the new chunks that become deltas against stored chunks or against each other.

    Parameters
    ----------
    chunks
        New chunks, no address twice, in the order in which they are to be considered.
    stored
        Takes band keys; returns (key, address) of every indexed chunk with one of them. Called at
        most once, not at all if no chunk is worth trying.
    read
        Returns the values of an indexed chunk, or ``None`` if they cannot be read.
    encode
        Takes a chunk, the address of its base, the delta (unsigned integers) and its scale; returns the
        delta, losslessly encoded.
    tau
        Jaccard similarity from which chunks should be found.
    tries
        Most bases to try for one chunk.
    bases
        What earlier calls for the same write have left; the new chunks that stay whole are added.

    Returns
    -------
    DeltaChoice
        Deltas that are at least 5 % smaller than the chunk's own encoding; nothing about chunks that
        were not worth trying.

    Raises
    ------
    InvalidInputError
        If `tries` is below 1, or as :func:`~mistique_core.dedup.bands.banding`.
    """
    if tries < 1:
        raise InvalidInputError(f"tries={tries!r} leaves no base to try; give at least 1")
    needed = needed_values(tau)
    keys = {
        chunk.address: found
        for chunk in chunks
        if worth_trying(chunk.array, chunk.encoded_bytes) and (found := band_keys(signature(chunk.array, needed), tau))
    }
    index: defaultdict[int, list[bytes]] = defaultdict(list)
    if keys:
        for key, address in stored(sorted({key for found in keys.values() for key in found})):
            index[key].append(address)
    own = Bases() if bases is None else bases
    deltas: dict[bytes, DeltaChunk[EncodedT]] = {}
    tried = 0
    for chunk in (chunk for chunk in chunks if chunk.address in keys):
        best: DeltaChunk[EncodedT] | None = None
        most = (1 - LEAST_SAVED_SHARE) * chunk.encoded_bytes
        similar = (base for key in keys[chunk.address] for base in (*index[key], *own.index[key]))
        for base in ranked(similar)[:tries]:
            values = own.arrays[base] if base in own.arrays else read(base)
            if values is None:
                continue
            scale = delta_scale(values, chunk.array)
            delta = make_delta(values, chunk.array, scale)
            if delta is None:
                continue
            tried += 1
            encoded = encode(chunk, base, delta, scale)
            if encoded.stored_bytes <= most:
                best, most = DeltaChunk(base, scale, encoded), encoded.stored_bytes - 1
        if best is None:
            own.arrays[chunk.address] = chunk.array
            for key in keys[chunk.address]:
                own.index[key].append(chunk.address)
        else:
            deltas[chunk.address] = best
    whole = {address: found for address, found in keys.items() if address not in deltas}
    return DeltaChoice(deltas, whole, tried)
