"""Content addresses (BLAKE3, 32 bytes) of chunks, column versions and frames: a Merkle tree.

A chunk's address covers its dtype and shape and the raw bytes before encoding, so that the codec
can change without changing any address.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from blake3 import blake3


def chunk_hash(array: npt.NDArray[Any]) -> bytes:
    """Return the address of a contiguous little-endian array."""
    hasher = blake3(f"chunk\0{array.dtype.str}\0{array.shape}\0".encode())
    hasher.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return hasher.digest()


def column_hash(
    logical_json: str,
    rows: int,
    block_rows: int,
    chunks: Sequence[tuple[str, int, bytes]],
    categories: bytes | None,
    scheme: str | None = None,
) -> bytes:
    """Return the address of a column version.

    Parameters
    ----------
    logical_json
        Canonical JSON of the logical type.
    rows, block_rows
        Length of the column and of its row blocks.
    chunks
        (part, block number from 0, chunk address) in storage order.
    categories
        Address of the categories' column version, if any.
    scheme
        Canonical JSON of the lossy scheme, if any: equal codes of other schemes are other values.
    """
    hasher = blake3(f"column\0{logical_json}\0{rows}\0{block_rows}\0".encode())
    for part, block, address in chunks:
        hasher.update(f"{part}\0{block}\0".encode())
        hasher.update(address)
    hasher.update(categories or b"")
    if scheme is not None:
        hasher.update(f"scheme\0{scheme}".encode())
    return hasher.digest()


def frame_hash(row_id: bytes, columns: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the address of a frame: its row ids and its named columns, in order."""
    hasher = blake3(b"frame\0" + row_id)
    for name, address in columns:
        hasher.update(f"{len(name)}\0{name}\0".encode("utf-8", "surrogatepass"))
        hasher.update(address)
    return hasher.digest()


def json_hash(document: Any) -> str:
    """Return the hex address of a JSON document, whatever the order of its keys."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=True)
    return blake3(text.encode("utf-8", "surrogatepass")).hexdigest()


def bytes_hash(data: bytes) -> bytes:
    """Return the address of plain bytes."""
    return blake3(data).digest()
