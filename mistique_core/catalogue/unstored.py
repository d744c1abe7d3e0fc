"""The columns of an intermediate that is not kept: what they were, so that a re-run can be checked against it."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass

from mistique_core.errors import CatalogueError

_ADDRESS_BYTES = 32


@dataclass(frozen=True)
class UnstoredColumn:
    """What is known of a column whose values are not kept.

    Attributes
    ----------
    address
        Content address of its column version, 32 bytes.
    logical_type
        Canonical JSON of its type.
    logical_bytes
        Bytes of its values.
    """

    address: bytes
    logical_type: str
    logical_bytes: int


@dataclass(frozen=True)
class Unstored:
    """The columns of an intermediate that is not kept.

    Attributes
    ----------
    columns
        One item a column version, in order.
    gamma_min
        The gamma (seconds saved per GB) from which on a re-run result is to be kept; ``None`` for never.
    """

    columns: tuple[UnstoredColumn, ...]
    gamma_min: float | None


def pack_unstored(item: Unstored) -> bytes:
    """Return it as one value: compressed JSON of types and sizes, each once, then the addresses."""
    kinds = list(dict.fromkeys((column.logical_type, column.logical_bytes) for column in item.columns))
    numbers = [kinds.index((column.logical_type, column.logical_bytes)) for column in item.columns]
    head = zlib.compress(json.dumps([item.gamma_min, kinds, numbers], separators=(",", ":")).encode())
    return len(head).to_bytes(4, "little") + head + b"".join(column.address for column in item.columns)


def unpack_unstored(packed: bytes) -> Unstored:
    """Return what :func:`pack_unstored` was given.

    Raises
    ------
    CatalogueError
        If the value cannot be read.
    """
    try:
        size = int.from_bytes(packed[:4], "little")
        gamma_min, kinds, numbers = json.loads(zlib.decompress(packed[4 : 4 + size]))
        addresses = packed[4 + size :]
        if len(addresses) != _ADDRESS_BYTES * len(numbers):
            raise ValueError(f"{len(addresses)} bytes of addresses for {len(numbers)} columns")
        columns = (
            UnstoredColumn(addresses[_ADDRESS_BYTES * place :][:_ADDRESS_BYTES], *kinds[number])
            for place, number in enumerate(numbers)
        )
        return Unstored(tuple(columns), gamma_min)
    except (ValueError, TypeError, IndexError, zlib.error) as error:
        raise CatalogueError(f"a list of columns cannot be read ({error}); run 'mistique check'") from error
