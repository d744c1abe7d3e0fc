"""Reading columns and rows of intermediates, and fitted objects.

What never changes about a column version is remembered under its id and content address together.
Only the place of a chunk can become outdated, when another process moves or deletes its bytes: a
chunk that is not where it was remembered to be is looked up once more before the read fails.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.chunks import StoredChunk, VersionRecord, chunks_by_id, column_chunks, version_records
from mistique_core.catalogue.intermediates import (
    UNSTORED,
    ColumnRecord,
    IntermediateRecord,
    VersionKey,
    columns_of,
)
from mistique_core.catalogue.stages import FittedRecord
from mistique_core.engine.base_places import BasePlaces
from mistique_core.engine.block_positions import by_block, wanted_rows
from mistique_core.engine.block_reader import BlockRequest, end_to_end, read_blocks
from mistique_core.engine.block_zones import BlockZones, MatchingBlocks
from mistique_core.engine.chunk_reader import ChunkReader, ChunkRequest, ReadTally, Rows
from mistique_core.engine.chunk_writer import Array
from mistique_core.engine.frame_builder import FrameBuilder
from mistique_core.engine.lru import LruCache
from mistique_core.engine.row_places import row_places
from mistique_core.engine.stored_block import StoredBlock
from mistique_core.engine.unit_reader import Blocks, UnitBlock, read_parts, read_quantizer, read_units
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
_VERSIONS_KEPT = 8_192
_BLOCKS_KEPT = 32_768
_NUMBERS_IN_QUERY = 256

_Read = TypeVar("_Read")


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
        self._versions: LruCache[VersionKey, VersionRecord] = LruCache(_VERSIONS_KEPT)
        self._blocks: LruCache[tuple[VersionKey, int], StoredBlock] = LruCache(blocks_kept)
        self._bases = BasePlaces()
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
        records = self._version_records(connection, list(dict.fromkeys(versions)))
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
        for key, record in self._version_records(connection, list(wanted)).items():
            rows = order = None
            if positions is not None:
                rows, order = by_block(positions, record.block_rows)
            numbers = range(-(-record.rows // record.block_rows)) if rows is None else rows
            needed = sorted({0, *numbers}) if record.rows else []

            def read(blocks: Blocks, record: VersionRecord = record, key: VersionKey = key, rows: Any = rows) -> Array:
                return read_units(self._chunks, record, blocks, wanted[key], rows, tally)

            values = self._with_blocks(connection, key, needed, read)
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
        record = self.version_record(connection, version)
        return self._with_blocks(
            connection,
            version,
            sorted({0, *numbers}),
            lambda blocks: read_parts(self._chunks, record, blocks, numbers, tally, margins=margins),
        )

    def _with_blocks(
        self, connection: sa.Connection, key: VersionKey, needed: Sequence[int], read: Callable[[Blocks], _Read]
    ) -> _Read:
        """Return what is read from row blocks, which are looked up once more if they are not where they were."""
        blocks: dict[tuple[VersionKey, int], StoredBlock | None] = {
            (key, block): self._blocks.get((key, block)) for block in needed
        }
        self._locate(connection, [place for place, chunks in blocks.items() if chunks is None], blocks)

        def read_located() -> _Read:
            located = {place[1]: chunks or StoredBlock() for place, chunks in blocks.items()}
            _check_listed(located.values())
            return read(located)

        try:
            return read_located()
        except CorruptPartitionError:
            for place in blocks:
                self._blocks.drop(place)
            with self._fresh() as fresh:
                self._locate(fresh, list(blocks), blocks)
        return read_located()

    def quantizer(self, connection: sa.Connection, version: VersionKey) -> FittedQuantizer | None:
        """Return the fitted scheme of a group of units; ``None`` where its values are stored as they are."""
        record = self._version_records(connection, [version])[version]
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
        record = self._version_records(connection, [column.version]).get(column.version)
        if record is None or not record.rows:
            return None
        places = [(column.version, block) for block in range(-(-record.rows // record.block_rows))]
        blocks = {place: self._blocks.get(place) for place in places}
        self._locate(connection, [place for place, chunks in blocks.items() if chunks is None], blocks)
        chunks = [(blocks[place] or StoredBlock()).get("values") for place in places]
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
        found = {place: self._blocks.get(place) for place in places}
        self._locate(connection, [place for place, chunks in found.items() if chunks is None], found)
        chunks = [chunk for place in places for chunk in (found[place] or {}).values()]
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

    def _version_records(
        self, connection: sa.Connection, versions: Sequence[VersionKey]
    ) -> dict[VersionKey, VersionRecord]:
        known = {key: self._versions.get(key) for key in versions}
        unknown = {key.id: key for key, record in known.items() if record is None}
        for record in version_records(connection, list(unknown)) if unknown else ():
            key = unknown[record.id]
            known[key] = record
            self._versions.put(key, record)
        return {key: record for key, record in known.items() if record is not None}

    def version_record(self, connection: sa.Connection, version: VersionKey) -> VersionRecord:
        """Return what never changes about a column version that is stored.

        Raises
        ------
        NotMaterializedError
            If it is not stored any more.
        """
        found = self._version_records(connection, [version]).get(version)
        if found is None:
            raise NotMaterializedError("a column is not stored any more; use strategy='rerun' or 'auto'")
        return found

    def remember_versions(self, connection: sa.Connection, versions: Sequence[VersionKey]) -> None:
        """Look up column versions that :meth:`block_rows` will be asked for."""
        self._version_records(connection, versions)

    def block_rows(self, version: VersionKey) -> int | None:
        """Return the rows of a row block of a column version, or ``None`` when nobody has looked it up lately."""
        record = self._versions.get(version)
        return None if record is None else record.block_rows

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
        located = self._blocks.get_all(pairs)
        if None in located:
            found = dict(zip(pairs, located, strict=True))
            self._locate(connection, [place for place, chunks in found.items() if chunks is None], found)
            located = list(found.values())
        count = len(wanted.blocks)
        each = [[block for block in located[start : start + count] if block] for start in range(0, len(pairs), count)]
        columns = {key: blocks for key, blocks in zip(records, each, strict=True) if len(blocks) == count}
        others = [block for blocks in columns.values() for block in blocks if block.alone is None]
        bases = self._bases.find(connection, others)
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
        pairs = [(key, block) for key, blocks in places.items() for block in blocks]
        remembered = dict(zip(pairs, self._blocks.get_all(pairs), strict=True))
        self._locate(connection, [place for place, chunks in remembered.items() if chunks is None], remembered)
        sizes = set() if rows is None else {(record.rows, record.block_rows) for record in records.values()}
        some = {size: wanted_rows(rows or {}, *size) for size in sizes}
        wanted: list[BlockRequest] = []
        for key, blocks in places.items():
            chunks = [remembered[key, block] or StoredBlock() for block in blocks]
            if rows is None:
                wanted += end_to_end(chunks)
            else:
                asked = some[records[key].rows, records[key].block_rows]
                wanted += [BlockRequest(item, asked[block]) for item, block in zip(chunks, blocks, strict=True)]
        try:
            read = iter(self._read(connection, wanted, tally))
        except CorruptPartitionError:
            read = iter(self._read_moved(connection, list(remembered), wanted, tally))
        return {key: [next(read) for _ in blocks] for key, blocks in places.items()}

    def _read(
        self, connection: sa.Connection, wanted: Sequence[BlockRequest], tally: ReadTally | None
    ) -> list[dict[str, Array]]:
        _check_listed(request.chunks for request in wanted)
        return read_blocks(self._chunks, wanted, self._bases.find(connection, [item.chunks for item in wanted]), tally)

    def _read_moved(
        self,
        connection: sa.Connection,
        places: Sequence[tuple[VersionKey, int]],
        wanted: Sequence[BlockRequest],
        tally: ReadTally | None,
    ) -> list[dict[str, Array]]:
        """Look up once more where the chunks lie: another process may have moved them meanwhile."""
        for place in places:
            self._blocks.drop(place)
        self._bases.forget([item.chunks for item in wanted])
        now: dict[tuple[VersionKey, int], StoredBlock | None] = {}
        with self._fresh() as fresh:
            self._locate(fresh, places, now)
            moved = [
                BlockRequest(now.get(place) or request.chunks, request.rows)
                for place, request in zip(places, wanted, strict=True)
            ]
            return self._read(fresh, moved, tally)

    def _locate(
        self,
        connection: sa.Connection,
        places: Sequence[tuple[VersionKey, int]],
        found: dict[tuple[VersionKey, int], StoredBlock | None],
    ) -> None:
        """Look up where the chunks of row blocks lie, into `found`, and remember it."""
        if not places:
            return
        keys = {key.id: key for key, _ in places}
        numbers = sorted({block for _, block in places})
        located: dict[tuple[VersionKey, int], StoredBlock] = {}
        few = numbers if len(numbers) <= _NUMBERS_IN_QUERY else None
        for version, part, block, chunk in column_chunks(connection, list(keys), few):
            located.setdefault((keys[version], block), StoredBlock())[part] = chunk
        for place in places:
            if place in located:
                found[place] = located[place]
                self._blocks.put(place, located[place])


def _check_listed(blocks: Iterable[Mapping[str, StoredChunk]]) -> None:
    """Refuse row blocks of which the catalogue names no chunk."""
    if not all(blocks):
        raise CorruptPartitionError("the catalogue has lost which chunks a column consists of; run 'mistique rebuild'")


def is_units(column: ColumnRecord) -> bool:
    """Return whether a column is one of a group of units, or stored by a lossy scheme."""
    return LogicalType.from_json(column.logical_type).kind == "units"


def _values(column: EncodedColumn) -> Any:
    """Return decoded values in a form whose dtype pandas does not change."""
    values = decode_column(column)
    if isinstance(values, np.ndarray) and not values.flags.writeable:
        values = values.copy()  # cached chunks are shared: what a caller may write into is its own
    return values
