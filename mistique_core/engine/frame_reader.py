"""Reading columns and rows of intermediates, and fitted objects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.chunks import VersionRecord, chunks_by_id, column_chunks
from mistique_core.catalogue.intermediates import (
    UNSTORED,
    ColumnRecord,
    IntermediateRecord,
    VersionKey,
    columns_of,
)
from mistique_core.catalogue.stages import FittedRecord
from mistique_core.engine.block_places import BlockPlaces
from mistique_core.engine.block_positions import by_block, wanted_rows
from mistique_core.engine.block_reader import BlockRequest, end_to_end, read_blocks
from mistique_core.engine.block_zones import BlockZones, MatchingBlocks
from mistique_core.engine.chunk_reader import ChunkReader, ChunkRequest, ReadTally, Rows
from mistique_core.engine.chunk_writer import Array
from mistique_core.engine.frame_builder import FrameBuilder
from mistique_core.engine.lru import LruCache
from mistique_core.engine.row_places import row_places
from mistique_core.engine.stored_block import StoredBlock
from mistique_core.engine.unit_reader import UnitBlock, read_parts, read_quantizer, read_units
from mistique_core.engine.version_records import VersionRecords
from mistique_core.errors import CorruptPartitionError, InvalidInputError, NotMaterializedError
from mistique_core.fitted import load_fitted
from mistique_core.frames import (
    ROW_ID,
    EncodedColumn,
    LogicalType,
    RowIndex,
    decode_column,
    join_blocks,
    take_rows,
)
from mistique_core.quantizers import FittedQuantizer

RowIds = npt.NDArray[np.int64]
_ROW_INDEXES_KEPT = 32
_CATEGORIES_KEPT = 256
_BLOCKS_KEPT = 32_768


class FrameReader:
    """Reads what the catalogue points to.

    Parameters
    ----------
    chunks
        Fetches and verifies chunks.
    fresh
        Opens a connection that sees what is committed now: where chunks lie may have changed since the
        caller's snapshot was taken.
    blocks_kept
        Row blocks of which it remembers where they lie.

    Attributes
    ----------
    versions
        What it remembers about column versions.
    """

    def __init__(
        self,
        chunks: ChunkReader,
        fresh: Callable[[], AbstractContextManager[sa.Connection]],
        blocks_kept: int = _BLOCKS_KEPT,
    ) -> None:
        self._chunks = chunks
        self._fresh = fresh
        self._row_indexes: LruCache[VersionKey, RowIndex] = LruCache(_ROW_INDEXES_KEPT)
        self._categories: LruCache[VersionKey, EncodedColumn] = LruCache(_CATEGORIES_KEPT)
        self.versions = VersionRecords()
        self._places = BlockPlaces(fresh, blocks_kept)
        self._frames = FrameBuilder()

    def row_index(
        self, connection: sa.Connection, record: IntermediateRecord, tally: ReadTally | None = None
    ) -> RowIndex:
        """Return the row ids of an intermediate, in stored order, ready to be searched."""
        version = record.row_id_version
        index = self._row_indexes.get(version)
        if index is None:
            values = decode_column(self.columns(connection, [version], tally=tally)[version])
            index = RowIndex(np.asarray(values, dtype=np.int64))
            self._row_indexes.put(version, index)
        return index

    def knows_row_ids(self, record: IntermediateRecord) -> bool:
        """Whether the row ids of an intermediate are kept in memory."""
        return self._row_indexes.get(record.row_id_version) is not None

    def locate(self, connection: sa.Connection, versions: Iterable[VersionKey]) -> None:
        """Look up where the chunks of those column versions lie that are stored."""
        stored = [version for version in dict.fromkeys(versions) if version.id != UNSTORED]
        records = self.versions.find(connection, stored)
        categories = {record.categories for record in records.values() if record.categories is not None}
        records |= self.versions.find(connection, [VersionKey(*version) for version in categories])
        blocks = {key: range(-(-record.rows // record.block_rows)) for key, record in records.items()}
        self._places.find(connection, [(key, number) for key, numbers in blocks.items() for number in numbers])

    def columns(
        self,
        connection: sa.Connection,
        versions: Sequence[VersionKey],
        positions: npt.NDArray[np.intp] | None = None,
        tally: ReadTally | None = None,
    ) -> dict[VersionKey, EncodedColumn]:
        """Read column versions, or only the rows at `positions` (from 0, in that order).

        Only the row blocks that hold a wanted row are read, and of those only the pages where few are wanted.
        """
        if any(version.id == UNSTORED for version in versions):
            raise NotMaterializedError("a column is not stored any more; use strategy='rerun' or 'auto'")
        records = self.versions.find(connection, list(dict.fromkeys(versions)))
        if len(records) < len(set(versions)):
            raise NotMaterializedError("a column was let go a moment ago; use strategy='rerun' or 'auto'")
        found: dict[VersionKey, EncodedColumn] = {}
        for block_rows in {record.block_rows for record in records.values()}:
            group = {key: record for key, record in records.items() if record.block_rows == block_rows}
            rows = order = None
            if positions is not None:
                for key, parts in self._read_rows(connection, group, positions, block_rows, tally).items():
                    logical, categories = self._logical(connection, group.pop(key), tally)
                    found[key] = EncodedColumn(logical, len(positions), parts, categories)
                if not group:
                    continue
                rows, order = by_block(positions, block_rows)
            for key, blocks in self._read_blocks(connection, group, rows, tally).items():
                logical, categories = self._logical(connection, group[key], tally)
                column = join_blocks(logical, blocks, categories)
                found[key] = column if order is None else take_rows(column, order)
        return found

    def _logical(
        self, connection: sa.Connection, record: VersionRecord, tally: ReadTally | None
    ) -> tuple[LogicalType, EncodedColumn | None]:
        """Return the type of a column, and its categories if it has any."""
        parent = None if record.categories is None else VersionKey(*record.categories)
        categories = None if parent is None else self._read_categories(connection, parent, tally)
        return LogicalType.from_json(record.logical_type), categories

    def frame(
        self, connection: sa.Connection, record: IntermediateRecord, tally: ReadTally | None = None
    ) -> pd.DataFrame:
        """Return a whole intermediate with its row ids as index named ``row_id``."""
        columns = columns_of(connection, record.ref.id)
        return self.frame_of(connection, columns, self.row_index(connection, record, tally).ids, None, tally)

    def rows(
        self, connection: sa.Connection, record: IntermediateRecord, row_ids: RowIds, tally: ReadTally | None = None
    ) -> pd.DataFrame:
        """Return those of the rows `row_ids` that an intermediate has, in that order, index ``row_id``."""
        positions, found = self.row_index(connection, record, tally).find(row_ids)
        columns = columns_of(connection, record.ref.id)
        return self.frame_of(connection, columns, row_ids[found], positions[found], tally)

    def frame_of(
        self,
        connection: sa.Connection,
        columns: Sequence[ColumnRecord],
        row_ids: RowIds,
        positions: Rows | None,
        tally: ReadTally | None = None,
        among: tuple[str, ...] = (),
    ) -> pd.DataFrame:
        """Return columns as a frame, index ``row_id``.

        Parameters
        ----------
        connection
            A connection.
        columns
            What to read.
        row_ids
            Row ids of the wanted rows.
        positions
            The wanted rows in stored order (from 0), or ``None`` for all.
        tally
            Counts what was fetched.
        among
            Names of all columns of the intermediate, which others may ask for.

        Raises
        ------
        InvalidInputError
            If a column's values are maps, which a frame cannot hold.
        """
        plain = [column.version for column in columns if not is_units(column)]
        encoded = self.columns(connection, plain, positions, tally)
        units = self.units(connection, [column for column in columns if is_units(column)], positions, tally)
        index = pd.Index(row_ids, name=ROW_ID, copy=False)
        data: dict[str, Any] = {}
        given: set[VersionKey] = set()
        for column in columns:
            if not is_units(column):
                values = _values(encoded[column.version])
                # Equal columns are one version: what a caller writes into one must not show in the other.
                data[column.name] = values.copy() if column.version in given else values
                given.add(column.version)
                continue
            values = units[column.version, column.unit or 0]
            if values.ndim > 1:
                raise InvalidInputError(
                    f"the values of {column.name!r} are maps of shape {values.shape[1:]}; ask for them alone"
                )
            data[column.name] = values if values.flags.writeable else values.copy()
        return self._frames.build(data, index, among)

    def units(
        self,
        connection: sa.Connection,
        columns: Sequence[ColumnRecord],
        positions: Rows | None = None,
        tally: ReadTally | None = None,
    ) -> dict[tuple[VersionKey, int], Array]:
        """Return (column version, unit) -> values of shape ``(n_rows, *map_shape)``.

        Parameters
        ----------
        connection
            A connection.
        columns
            Columns that are units.
        positions
            The wanted rows (from 0), in that order, or ``None`` for all.
        tally
            Counts what was fetched.
        """
        wanted: dict[VersionKey, list[int]] = {}
        for column in columns:
            units = wanted.setdefault(column.version, [])
            if (column.unit or 0) not in units:
                units.append(column.unit or 0)
        found: dict[tuple[VersionKey, int], Array] = {}
        for key, record in self.versions.find(connection, list(wanted)).items():
            rows = order = None
            if positions is not None:
                rows, order = by_block(positions, record.block_rows)
            numbers = range(-(-record.rows // record.block_rows)) if rows is None else rows
            needed = sorted({0, *numbers}) if record.rows else []

            def read(
                _: sa.Connection,
                blocks: Sequence[StoredBlock],
                record: VersionRecord = record,
                units: Sequence[int] = wanted[key],
                needed: Sequence[int] = needed,
                rows: Any = rows,
            ) -> Array:
                return read_units(self._chunks, record, dict(zip(needed, blocks, strict=True)), units, rows, tally)

            values = self._places.read(connection, [(key, block) for block in needed], read)
            values = values if order is None else values[:, order]
            found.update(((key, unit), item) for unit, item in zip(wanted[key], values, strict=True))
        return found

    def unit_blocks(
        self,
        connection: sa.Connection,
        version: VersionKey,
        numbers: Sequence[int],
        tally: ReadTally | None = None,
        *,
        margins: bool = True,
    ) -> tuple[FittedQuantizer | None, list[UnitBlock]]:
        """Return the fitted scheme of a group of units, and some of its row blocks as stored.

        Parameters
        ----------
        connection
            A connection.
        version
            The column version.
        numbers
            Row blocks, from 0.
        tally
            Counts what was fetched.
        margins
            Whether to read what only bounds need too.
        """
        record = self.versions.get(connection, version)
        needed = sorted({0, *numbers})

        def read(_: sa.Connection, blocks: Sequence[StoredBlock]) -> tuple[FittedQuantizer | None, list[UnitBlock]]:
            located = dict(zip(needed, blocks, strict=True))
            return read_parts(self._chunks, record, located, numbers, tally, margins=margins)

        return self._places.read(connection, [(version, block) for block in needed], read)

    def quantizer(self, connection: sa.Connection, version: VersionKey) -> FittedQuantizer | None:
        """Return the fitted scheme of a group of units; ``None`` where its values are stored as they are."""
        record = self.versions.find(connection, [version])[version]
        if record.scheme is None:
            return None
        first = {part: chunk for _, part, _, chunk in column_chunks(connection, [version.id], [0])}
        return read_quantizer(self._chunks, record, first, None)

    def matching_blocks(
        self, connection: sa.Connection, column: ColumnRecord, symbol: str, value: Any
    ) -> MatchingBlocks | None:
        """Return which row blocks of a column may satisfy a comparison; ``None`` where zone maps cannot tell.

        Parameters
        ----------
        connection
            A connection.
        column
            Plain or nullable numbers.
        symbol, value
            See :func:`mistique_core.partition.may_match`.
        """
        zones = self.zones(connection, column)
        return None if zones is None else zones.matching(symbol, value)

    def zones(
        self, connection: sa.Connection, column: ColumnRecord, kinds: Collection[str] = ("numeric", "nullable")
    ) -> BlockZones | None:
        """Return the ranges of the row blocks of a column of numbers; ``None`` where there are none.

        Parameters
        ----------
        connection
            A connection.
        column
            The column.
        kinds
            Kinds of logical types whose stored numbers the caller can read.
        """
        if LogicalType.from_json(column.logical_type).kind not in kinds:
            return None
        record = self.versions.find(connection, [column.version]).get(column.version)
        if record is None or not record.rows:
            return None
        places = [(column.version, block) for block in range(-(-record.rows // record.block_rows))]
        chunks = [block.get("values") for block in self._places.find(connection, places)]
        dtypes = {chunk.location.dtype for chunk in chunks if chunk is not None}
        if len(dtypes) != 1:
            return None
        return BlockZones(record.block_rows, dtypes.pop(), [None if chunk is None else chunk.zone for chunk in chunks])

    def stored_size(
        self, connection: sa.Connection, versions: Iterable[VersionKey], numbers: Sequence[int]
    ) -> tuple[int, int]:
        """Return how many chunks some row blocks of column versions have, and their encoded bytes.

        Parameters
        ----------
        connection
            A connection.
        versions
            Column versions of one size of row blocks.
        numbers
            Row blocks, from 0.
        """
        places = [(version, block) for version in dict.fromkeys(versions) for block in numbers]
        chunks = [chunk for block in self._places.find(connection, places) for chunk in block.values()]
        return len(chunks), sum(chunk.location.size for chunk in chunks)

    def fitted(self, connection: sa.Connection, record: FittedRecord) -> Any:
        """Return a fitted object."""
        try:
            data = self._fitted_bytes(connection, record)
        except CorruptPartitionError:
            with self._fresh() as fresh:  # others may have moved it meanwhile
                data = self._fitted_bytes(fresh, record)
        return load_fitted(record.format, data)

    def _fitted_bytes(self, connection: sa.Connection, record: FittedRecord) -> bytes:
        chunk = chunks_by_id(connection, [record.chunk_id]).get(record.chunk_id)
        if chunk is None:
            raise CorruptPartitionError(f"fitted object {record.ref.name!r} has lost its bytes; run its stage again")
        bases = None if chunk.base is None else chunks_by_id(connection, [chunk.base])
        return self._chunks.read([ChunkRequest(chunk)], bases=bases)[0].tobytes()

    def _read_categories(
        self, connection: sa.Connection, version: VersionKey, tally: ReadTally | None
    ) -> EncodedColumn:
        categories = self._categories.get(version)
        if categories is None:
            categories = self.columns(connection, [version], tally=tally)[version]
            self._categories.put(version, categories)
        return categories

    def _read_rows(
        self,
        connection: sa.Connection,
        records: Mapping[VersionKey, VersionRecord],
        positions: Rows,
        block_rows: int,
        tally: ReadTally | None,
    ) -> dict[VersionKey, dict[str, Array]]:
        """Return the parts of the columns of which a few rows are read straight into their places."""
        reader = self._chunks.column_rows
        if reader is None or not len(positions):
            return {}
        wanted = row_places(positions, block_rows)
        for rows in {record.rows for record in records.values()}:
            sizes = [min(block_rows, rows - block * block_rows) for block in wanted.blocks]
            if any(len(some) >= size for some, size in zip(wanted.rows, sizes, strict=True)):
                return {}
        pairs = [(key, block) for key in records for block in wanted.blocks]
        located = self._places.find(connection, pairs)
        count = len(wanted.blocks)
        each = [[block for block in located[start : start + count] if block] for start in range(0, len(pairs), count)]
        columns = {key: blocks for key, blocks in zip(records, each, strict=True) if len(blocks) == count}
        others = [block for blocks in columns.values() for block in blocks if block.alone is None]
        bases = self._places.bases.find(connection, others)
        return reader.read(columns, wanted, bases, tally)

    def _read_blocks(
        self,
        connection: sa.Connection,
        records: dict[VersionKey, VersionRecord],
        rows: dict[int, Rows] | None,
        tally: ReadTally | None,
    ) -> dict[VersionKey, list[dict[str, Array]]]:
        """Return the parts of the wanted rows of each block (all of all blocks where ``None``)."""
        places = {
            key: list(range(-(-record.rows // record.block_rows))) if rows is None else list(rows)
            for key, record in records.items()
        }
        sizes = set() if rows is None else {(record.rows, record.block_rows) for record in records.values()}
        some = {size: wanted_rows(rows or {}, *size) for size in sizes}

        def read(connection: sa.Connection, located: Sequence[StoredBlock]) -> list[dict[str, Array]]:
            left = iter(located)
            wanted: list[BlockRequest] = []
            for key, numbers in places.items():
                blocks = [next(left) for _ in numbers]
                if rows is None:
                    wanted += end_to_end(blocks)
                else:
                    asked = some[records[key].rows, records[key].block_rows]
                    wanted += [BlockRequest(item, asked[number]) for item, number in zip(blocks, numbers, strict=True)]
            return read_blocks(self._chunks, wanted, self._places.bases.find(connection, located), tally)

        pairs = [(key, number) for key, numbers in places.items() for number in numbers]
        parts = iter(self._places.read(connection, pairs, read))
        return {key: [next(parts) for _ in numbers] for key, numbers in places.items()}


def is_units(column: ColumnRecord) -> bool:
    """Return whether a column is one of a group of units, or stored by a lossy scheme."""
    return LogicalType.from_json(column.logical_type).kind == "units"


def _values(column: EncodedColumn) -> Any:
    """Return decoded values in a form whose dtype pandas does not change."""
    values = decode_column(column)
    if isinstance(values, np.ndarray) and not values.flags.writeable:
        values = values.copy()  # cached chunks are shared: what a caller may write into is its own
    return values
