"""A whole chunk by the compiled reader of pages, straight into its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.dedup.delta import apply_delta
from mistique_core.native import page_kernels
from mistique_core.native.pages import Frame, Piece
from mistique_core.partition import ChunkLocation
from mistique_core.partition.location import Extent
from mistique_core.partition.transform import UNSIGNED

Array = npt.NDArray[Any]


def pieces(extents: Sequence[Extent], checks: Sequence[int]) -> list[Piece]:
    """Return what the compiled reader takes of extents in an open file: with their checksums, if they are known."""
    known = checks or [-1] * len(extents)
    return [(offset, size, check) for (offset, size), check in zip(extents, known, strict=True)]


def decode_natively(
    location: ChunkLocation,
    frames: list[Frame] | list[Piece],
    out: Array | None,
    base: Array | None,
    descriptor: int = -1,
) -> Array | None:
    """Return the array of a chunk, not yet verified against its address.

    Parameters
    ----------
    location
        How it is encoded.
    frames
        The bytes of its extents, or its :func:`pieces`, which are read from an open file.
    out
        Where to write it, if it has that dtype and shape.
    base
        Of a difference: the chunk that it differs from.
    descriptor
        The open file; -1 for bytes.

    Returns
    -------
    ndarray or None
        `out`, or a new array. ``None`` where :func:`mistique_core.partition.decode_chunk` is to decode it: there is no
        compiled reader, it does not know the transform, or something is damaged, which that function tells.
    """
    spec = None if page_kernels is None else location.spec
    codec = location.codec
    if page_kernels is None or spec is None or not frames or codec is None:
        return None
    dtype = np.dtype(location.dtype)
    fits = out is not None and (out.dtype, out.shape) == (dtype, location.shape) and out.flags.c_contiguous
    if codec.transform.kind == "delta":
        words = np.empty(location.shape, UNSIGNED[dtype.itemsize])
        if base is None or not page_kernels.decode(spec, frames, words, descriptor):
            return None
        return apply_delta(base, words, codec.transform.scale)
    array = out if out is not None and fits else np.empty(location.shape, dtype)
    return array if page_kernels.decode(spec, frames, array, descriptor) else None
