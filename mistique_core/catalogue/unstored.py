"""The columns of an intermediate that is not kept: what they were, so that a re-run can be checked against it."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any

from mistique_core.errors import CatalogueError

_ADDRESS_BYTES = 32


@dataclass(frozen=True)
class UnstoredColumn:
    """What is known of a column whose values are not kept, or not by this intermediate.

    Attributes
    ----------
    address
        Content address of its column version, 32 bytes.
    logical_type
        Canonical JSON of its type.
    logical_bytes
        Bytes of its values.
    stored_bytes
        Encoded bytes that it took when it was let go; ``None`` where that was not recorded.
    chunks
        Chunks that these were.
    users
        Intermediates that held it then: its amortised size (thesis 5.5.2) is ``stored_bytes / users``.
    """

    address: bytes
    logical_type: str
    logical_bytes: int
    stored_bytes: int | None = None
    chunks: int = 1
    users: int = 1


@dataclass(frozen=True)
class Unstored:
    """The columns of an intermediate that is not kept, or of which some are.

    Attributes
    ----------
    columns
        One item a column version, in order.
    gamma_min
        The gamma (seconds saved per GB) from which on a re-run result is to be kept; ``None`` for never, but for what
        fits into a budget.
    kept
        Positions of the columns that the intermediate still refers to, in the order of ``intermediate.columns``.
    codec
        Of a layer: how its units are cut and quantized (:meth:`UnitCodec.to_bytes`); else empty.
    """

    columns: tuple[UnstoredColumn, ...]
    gamma_min: float | None
    kept: tuple[int, ...] = ()
    codec: bytes = b""


def pack_unstored(item: Unstored) -> bytes:
    """Return it as one value: compressed JSON of types and sizes, each type once; the addresses; the codec."""
    kinds = list(dict.fromkeys(_kind(column) for column in item.columns))
    places = {kind: number for number, kind in enumerate(kinds)}
    numbers = [places[_kind(column)] for column in item.columns]
    sizes = [column.stored_bytes for column in item.columns]
    document = [item.gamma_min, kinds, numbers, sizes, list(item.kept)]
    head = zlib.compress(json.dumps(document, separators=(",", ":")).encode())
    return len(head).to_bytes(4, "little") + head + b"".join(column.address for column in item.columns) + item.codec


def unpack_unstored(packed: bytes) -> Unstored:
    """Return what :func:`pack_unstored` was given, by this version or one before.

    Raises
    ------
    CatalogueError
        If the value cannot be read.
    """
    try:
        document, rest = _head(packed)
        gamma_min, kinds, numbers, *later = document
        sizes, kept = later or ([None] * len(numbers), [])
        end = _ADDRESS_BYTES * len(numbers)
        if len(rest) < end or (not later and len(rest) > end):
            raise ValueError(f"{len(rest)} bytes of addresses for {len(numbers)} columns")
        columns = []
        for place, (number, size) in enumerate(zip(numbers, sizes, strict=True)):
            logical_type, logical_bytes, *counts = kinds[number]
            address = rest[_ADDRESS_BYTES * place :][:_ADDRESS_BYTES]
            columns.append(UnstoredColumn(address, logical_type, logical_bytes, size, *counts))
        return Unstored(tuple(columns), gamma_min, tuple(kept), rest[end:])
    except (ValueError, TypeError, IndexError, zlib.error) as error:
        raise CatalogueError(f"a list of columns cannot be read ({error}); run 'mistique check'") from error


def unpack_threshold(packed: bytes) -> tuple[float | None, frozenset[int]]:
    """Return :attr:`Unstored.gamma_min` and :attr:`Unstored.kept` alone; raises like :func:`unpack_unstored`."""
    try:
        document = _head(packed)[0]
        return document[0], frozenset(document[4] if len(document) > 4 else ())
    except (ValueError, TypeError, IndexError, zlib.error) as error:
        raise CatalogueError(f"a list of columns cannot be read ({error}); run 'mistique check'") from error


def _kind(column: UnstoredColumn) -> tuple[str, int, int, int]:
    return column.logical_type, column.logical_bytes, column.chunks, column.users


def _head(packed: bytes) -> tuple[Any, bytes]:
    size = int.from_bytes(packed[:4], "little")
    return json.loads(zlib.decompress(packed[4 : 4 + size])), packed[4 + size :]
