"""The columns of an intermediate, packed: names shared by many intermediates, and version ids in one value.

A row for each column of each intermediate would make a stage that changes one of 58 columns cost
several kilobytes of catalogue. Instead the names are stored once for all intermediates that have the
same ones, and the ids of the column versions are packed into one value.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.driver_statements import find_ids, insert_ignore
from mistique_core.catalogue.tables import intermediate, layout
from mistique_core.dedup import bytes_hash, frame_hash
from mistique_core.errors import CatalogueError

_WIDTHS = {4: "<u4", 8: "<u8"}
_MOST_IN_FOUR_BYTES = 0xFFFFFFFF
_BATCH = 2_000


@dataclass(frozen=True)
class Layout:
    """Names of the columns of an intermediate, and where each one's values are.

    Attributes
    ----------
    names
        Column names in order.
    members
        For each name (index into the intermediate's column versions, unit within that version), where
        a version holds several units; ``None`` when each name has a version of its own.
    """

    names: tuple[str, ...]
    members: tuple[tuple[int, int], ...] | None = None

    def to_bytes(self) -> bytes:
        """Return the canonical JSON, UTF-8."""
        document: dict[str, object] = {"names": list(self.names)}
        if self.members is not None:
            document["members"] = [list(member) for member in self.members]
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")

    @property
    def address(self) -> bytes:
        """Content address, 32 bytes."""
        return bytes_hash(b"layout\0" + self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Layout:
        """Return the layout that :meth:`to_bytes` described."""
        document = json.loads(data.decode("utf-8", "surrogatepass"))
        members = document.get("members")
        packed = None if members is None else tuple((int(version), int(unit)) for version, unit in members)
        return cls(tuple(document["names"]), packed)


def frame_address(row_id: bytes, layout: Layout, versions: Sequence[bytes]) -> bytes:
    """Return the content address of an intermediate.

    Parameters
    ----------
    row_id
        Address of the row ids' column version.
    layout
        Names of its columns.
    versions
        Addresses of its column versions, in the order of ``intermediate.columns``.
    """
    if layout.members is None:
        return frame_hash(row_id, zip(layout.names, versions, strict=True))
    return frame_hash(
        row_id, [(layout.to_bytes().decode("utf-8", "surrogatepass"), b""), *(("", item) for item in versions)]
    )


def pack_versions(ids: Sequence[int]) -> bytes:
    """Return column version ids, in order, as one value: a byte that says their width, then the ids."""
    width = 4 if max(ids, default=0) <= _MOST_IN_FOUR_BYTES else 8
    return bytes([width]) + np.asarray(ids, dtype=_WIDTHS[width]).tobytes()


def unpack_versions(packed: bytes) -> npt.NDArray[np.int64]:
    """Return the ids that :func:`pack_versions` was given, int64 (n,).

    Raises
    ------
    CatalogueError
        If the value is not such a list.
    """
    width = packed[0] if packed else 0
    if width not in _WIDTHS or (len(packed) - 1) % width:
        raise CatalogueError(f"a list of columns of {len(packed)} bytes cannot be read; run 'mistique check'")
    return np.frombuffer(packed, dtype=_WIDTHS[width], offset=1).astype(np.int64)


def register_layout(connection: sa.Connection, item: Layout) -> int:
    """Return the id of a layout, inserting it when it is new."""
    address = item.address
    known = find_ids(connection, layout, "address", [address])
    if not known:
        names = zlib.compress(item.to_bytes())
        insert_ignore(connection, layout, [{"address": address, "n_columns": len(item.names), "names": names}])
        known = find_ids(connection, layout, "address", [address])
    return known[address]


def read_layout(stored: bytes) -> Layout:
    """Return the layout of a row's ``names``."""
    return Layout.from_bytes(zlib.decompress(stored))


def live_versions(connection: sa.Connection) -> npt.NDArray[np.int64]:
    """Return the ids of all column versions that an intermediate refers to, sorted, each once."""
    return np.unique(np.concatenate([np.empty(0, np.int64), *_referred(connection)]))


def _referred(connection: sa.Connection) -> Iterator[npt.NDArray[np.int64]]:
    last = 0
    while True:
        query = (
            sa.select(intermediate.c.id, intermediate.c.row_id_version, intermediate.c.columns)
            .where(intermediate.c.id > last)
            .order_by(intermediate.c.id)
            .limit(_BATCH)
        )
        rows = connection.execute(query).all()
        if not rows:
            return
        yield np.fromiter((row.row_id_version for row in rows), np.int64, len(rows))
        yield np.unique(np.concatenate([unpack_versions(bytes(row.columns)) for row in rows]))
        last = int(rows[-1].id)
