"""The outputs of a stage, prepared (hashed and durable) and then registered in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mistique_core.catalogue.chunks import ChunksGoneError, NewColumn, known_addresses, register_columns
from mistique_core.catalogue.intermediates import LOSSLESS, register_intermediate
from mistique_core.catalogue.layouts import Layout, frame_address, register_layout
from mistique_core.catalogue.stages import output_name, register_fitted
from mistique_core.catalogue.tables import chunk, column_version
from mistique_core.dedup import chunk_hash
from mistique_core.engine.chunk_writer import Array
from mistique_core.engine.column_hasher import HashedColumn, hash_columns
from mistique_core.engine.column_memo import ColumnMemo
from mistique_core.engine.frame_blocks import AssembledFrame
from mistique_core.engine.stored_frame import StoredFrame
from mistique_core.engine.unit_columns import hash_units
from mistique_core.errors import InvalidInputError
from mistique_core.fitted import dump_fitted, fitted_array, type_name
from mistique_core.frames import ROW_ID, LazyFrame, TextCache, split_row_id
from mistique_core.model import FitFacts
from mistique_core.model.names import check_name
from mistique_core.quantizers import Quantizer


@dataclass(frozen=True)
class PreparedFrame:
    """A hashed frame.

    Attributes
    ----------
    output
        Name of the stage's output; "" for the only one.
    address
        Content address of the frame.
    rows
        Number of rows.
    row_id
        The row ids' column version.
    layout
        Names of its columns.
    versions
        Its column versions: one a column, or one a group of units.
    scheme
        Text of the lossy scheme, or ``lossless``.
    registered_bytes
        Bytes of those chunks that were registered before, bit by bit.
    """

    output: str
    address: bytes
    rows: int
    row_id: NewColumn
    layout: Layout
    versions: tuple[NewColumn, ...]
    scheme: str = LOSSLESS
    registered_bytes: int = 0

    @property
    def logical_bytes(self) -> int:
        """Bytes of the values, the row ids included."""
        return self.row_id.logical_bytes + sum(column.logical_bytes for column in self.versions)


@dataclass(frozen=True)
class PreparedFitted:
    """A fitted object as bytes; `chunk` is the address of the chunk that holds them."""

    output: str
    format: str
    type_name: str
    size: int
    chunk: bytes
    facts: FitFacts | None = None


@dataclass(frozen=True)
class MissingOutputs:
    """What a store does not hold yet.

    Attributes
    ----------
    arrays
        Address -> array of each chunk that may have to be written.
    columns
        The new column versions.
    """

    arrays: dict[bytes, Array]
    columns: tuple[NewColumn, ...]


@dataclass
class OutputSet:
    """All outputs of one stage (or of one logging call).

    Attributes
    ----------
    block_rows
        Rows of a row block.
    texts
        Remembers string columns that consist of the very same Python objects.
    memo
        Remembers the versions of columns that lie unchanged in memory.
    arrays
        Address -> array of every chunk that the outputs need.
    frames, fitted
        The prepared outputs.
    version_ids
        Address -> id of the column versions, where :func:`register_shared` has registered them in this transaction.
    """

    block_rows: int
    texts: TextCache | None = None
    memo: ColumnMemo | None = None
    arrays: dict[bytes, Array] = field(default_factory=dict)
    column_versions: dict[bytes, NewColumn] = field(default_factory=dict)
    frames: list[PreparedFrame] = field(default_factory=list)
    fitted: list[PreparedFitted] = field(default_factory=list)
    version_ids: Mapping[bytes, int] = field(default_factory=dict)
    _unread: set[bytes] = field(default_factory=set)

    def add_frame(
        self,
        output: str,
        frame: pd.DataFrame,
        *,
        row_id: str | npt.ArrayLike | None,
        derived: bool,
        what: str,
        quantizer: Quantizer | None = None,
    ) -> PreparedFrame:
        """Hash a frame; nothing is written yet.

        Parameters
        ----------
        output
            Name of the stage's output; "" for the only one.
        frame
            The data.
        row_id, derived, what
            See :func:`mistique_core.frames.split_row_id`.
        quantizer
            A lossy scheme for the columns of floats; ``None`` stores everything as it is.

        Raises
        ------
        InvalidInputError
            If the frame cannot be stored; the message names the column or the row id.
        """
        if output:
            check_name("output", output)
        keeps_ids = row_id is None and ROW_ID not in getattr(frame, "columns", ())
        ids, frame = split_row_id(frame, row_id, derived=derived, what=what)
        known = _passed_on(frame) if quantizer is None else {}
        if not keeps_ids:
            known.pop(ROW_ID, None)
        items = [] if ROW_ID in known else [(ROW_ID, pd.Series(ids))]
        items += [(str(name), frame[name]) for name in frame.columns if name not in known]
        hashed = hash_columns(items, self.block_rows, self.texts, quantizer, self.memo)
        versions = {name: self._add(column) for (name, _), column in zip(items, hashed, strict=True)}
        versions.update((name, self._refer(column)) for name, column in known.items())
        scheme = LOSSLESS if quantizer is None else quantizer.text()
        layout = Layout(tuple(map(str, frame.columns)))
        return self._keep(output, len(ids), versions[ROW_ID], layout, [versions[name] for name in layout.names], scheme)

    def add_units(
        self,
        output: str,
        values: Array,
        *,
        names: Sequence[str],
        row_ids: npt.NDArray[np.int64],
        quantizer: Quantizer | None,
        block_rows: int,
    ) -> PreparedFrame:
        """Hash an array of units; nothing is written yet.

        Parameters
        ----------
        output
            Name of the stage's output; "" for the only one.
        values
            Shape ``(rows, *map_shape, units)``.
        names
            One name a unit, no two the same.
        row_ids
            int64 (rows,), unique.
        quantizer
            The scheme; ``None`` keeps exactly the values that are given.
        block_rows
            Most rows of a row block.

        Raises
        ------
        InvalidInputError
            If the values cannot be stored by the scheme.
        """
        hashed = hash_units(values, quantizer, block_rows)
        return self.add_columns(
            output,
            hashed.versions,
            names=names,
            members=hashed.members,
            row_ids=row_ids,
            scheme=LOSSLESS if quantizer is None else quantizer.text(),
            arrays=hashed.arrays,
            registered_bytes=0,
        )

    def add_columns(
        self,
        output: str,
        columns: Sequence[NewColumn],
        *,
        names: Sequence[str],
        members: Sequence[tuple[int, int]],
        row_ids: npt.NDArray[np.int64],
        scheme: str,
        arrays: Mapping[bytes, Array],
        registered_bytes: int,
    ) -> PreparedFrame:
        """Take in an array of units that is hashed, and of which some chunks may be registered already.

        Parameters
        ----------
        output
            Name of the stage's output; "" for the only one.
        columns
            Its column versions, one a group of units.
        names, members
            Name of each unit, and (index of its version, position in the group).
        row_ids
            int64 (rows,), unique.
        scheme
            Text of the lossy scheme, or ``lossless``.
        arrays
            Address -> array of those chunks that may not be registered yet.
        registered_bytes
            Bytes of the others, as far as they were new.
        """
        (ids,) = hash_columns([("row_id", pd.Series(row_ids))], self.block_rows, None)
        for version in columns:
            self.column_versions[version.address] = version
        self.arrays.update(arrays)
        layout = Layout(tuple(names), tuple(members))
        return self._keep(output, len(row_ids), self._add(ids), layout, columns, scheme, registered_bytes)

    def add_assembled(self, output: str, frame: AssembledFrame, registered_bytes: int) -> PreparedFrame:
        """Take in a frame all of whose chunks are registered already.

        Parameters
        ----------
        output
            Name of the stage's output; "" for the only one.
        frame
            The frame.
        registered_bytes
            Bytes of its chunks, as far as they were new.
        """
        if output:
            check_name("output", output)
        for version in (*frame.categories, frame.row_id, *frame.versions):
            self.column_versions[version.address] = version
        return self._keep(
            output, frame.rows, frame.row_id, frame.layout, frame.versions, registered_bytes=registered_bytes
        )

    def _keep(
        self,
        output: str,
        rows: int,
        row_id: NewColumn,
        layout: Layout,
        versions: Sequence[NewColumn],
        scheme: str = LOSSLESS,
        registered_bytes: int = 0,
    ) -> PreparedFrame:
        address = frame_address(row_id.address, layout, [version.address for version in versions])
        prepared = PreparedFrame(output, address, rows, row_id, layout, tuple(versions), scheme, registered_bytes)
        self.frames.append(prepared)
        return prepared

    def add_fitted(self, output: str, value: Any, facts: FitFacts | None = None) -> None:
        """Turn a fitted object into bytes.

        Parameters
        ----------
        output
            Its name.
        value
            The object.
        facts
            What ModelDB records of it; ``None`` for its type only.

        Raises
        ------
        InvalidInputError
            If objects of its type cannot be stored without pickle.
        """
        check_name("fitted output", output)
        format_name, data = dump_fitted(value)
        array = fitted_array(format_name, data)
        address = chunk_hash(array)
        self.arrays[address] = array
        self.fitted.append(PreparedFitted(output, format_name, type_name(value), len(data), address, facts))

    def add_stored_fitted(self, output: str, format_name: str, type_of: str, size: int, address: bytes) -> None:
        """Take in a fitted object whose bytes are stored already.

        Parameters
        ----------
        output
            Its name.
        format_name, type_of, size, address
            Codec, import path of its class, bytes, and address of the chunk that holds them.
        """
        check_name("fitted output", output)
        self.fitted.append(PreparedFitted(output, format_name, type_of, size, address))

    def take_fitted(self, other: OutputSet) -> None:
        """Take in the fitted objects of another set, and their bytes."""
        chunks = {item.chunk for item in other.fitted}
        self.arrays.update((address, array) for address, array in other.arrays.items() if address in chunks)
        self.fitted.extend(other.fitted)

    def _add(self, column: HashedColumn) -> NewColumn:
        for version in column.versions:
            self.column_versions[version.address] = version
            self._unread.discard(version.address)
        self.arrays.update(column.arrays)
        return column.versions[-1]

    def _refer(self, column: NewColumn) -> NewColumn:
        """Note a column that is stored and was not read."""
        if column.address not in self.column_versions:
            self.column_versions[column.address] = column
            self._unread.add(column.address)
        return column

    def check_unread(self, connection: sa.Connection) -> None:
        """Make sure that the columns which were passed on unread are still stored.

        Raises
        ------
        ChunksGoneError
            If one has been deleted.
        """
        if len(known_addresses(connection, column_version, self._unread)) < len(self._unread):
            raise ChunksGoneError("columns that a stage passes on unread were deleted while it ran; run it again")

    def missing(
        self, connection: sa.Connection, *, skip_known: bool = True, leave_out: Collection[bytes] = ()
    ) -> MissingOutputs:
        """Return what may have to be written: the columns that are not stored yet and their arrays.

        Parameters
        ----------
        connection
            For looking up what is stored.
        skip_known
            Whether to leave out columns that are stored already.
        leave_out
            Addresses of columns that are left out without a look.

        Raises
        ------
        ChunksGoneError
            If a column that was passed on unread has been deleted.
        """
        self.check_unread(connection)
        wanted = {
            address: column
            for address, column in self.column_versions.items()
            if address not in leave_out and address not in self._unread
        }
        known = known_addresses(connection, column_version, wanted) if skip_known else {}
        columns = [column for address, column in wanted.items() if address not in known]
        needed = {address for column in columns for _, _, address in column.chunks}
        needed.update(item.chunk for item in self.fitted)
        arrays = {address: array for address, array in self.arrays.items() if address in needed}
        return MissingOutputs(arrays, tuple(columns))

    def register(
        self,
        connection: sa.Connection,
        unclaimed: dict[bytes, int],
        *,
        model_version_id: int,
        stage_id: int | None,
        name: str,
    ) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """Make everything visible, as part of the caller's transaction.

        Parameters
        ----------
        connection
            The transaction, in which the chunks are registered already.
        unclaimed
            Address -> bytes of each new chunk that no frame accounts for yet; what is claimed is taken out.
        model_version_id, stage_id, name
            Where the outputs belong.

        Returns
        -------
        tuple
            Output -> intermediate id; output -> fitted id; output -> bytes added by that frame.
        """
        versions = self.version_ids or register_columns(connection, list(self.column_versions.values()))
        intermediates, fitted, added = {}, {}, {}
        for frame in self.frames:
            stored = self._claim(frame, unclaimed)
            added[frame.output] = stored
            intermediates[frame.output] = register_intermediate(
                connection,
                model_version_id=model_version_id,
                name=output_name(name, frame.output),
                stage_id=stage_id,
                output=frame.output,
                address=frame.address,
                rows=frame.rows,
                row_id_version=versions[frame.row_id.address],
                layout=frame.layout,
                versions=[versions[new.address] for new in frame.versions],
                scheme=frame.scheme,
                logical_bytes=frame.logical_bytes,
                stored_bytes=stored,
            )
        chunk_ids = known_addresses(connection, chunk, [item.chunk for item in self.fitted])
        if len(chunk_ids) < len({item.chunk for item in self.fitted}):
            raise ChunksGoneError("a fitted object's bytes were deleted while it was written")
        for item in self.fitted:
            if stage_id is None:
                raise InvalidInputError(f"fitted object {item.output!r} needs a stage that learned it")
            fitted[item.output] = register_fitted(
                connection,
                model_version_id=model_version_id,
                stage_id=stage_id,
                output=item.output,
                format_name=item.format,
                type_name=item.type_name,
                size=item.size,
                chunk_id=chunk_ids[item.chunk],
                facts=item.facts,
            )
        return intermediates, fitted, added

    def _claim(self, frame: PreparedFrame, unclaimed: dict[bytes, int]) -> int:
        """Sum the new bytes of a frame's chunks that no earlier frame of this set accounts for."""
        total = frame.registered_bytes
        for column in (frame.row_id, *frame.versions):
            categories: Mapping[bytes, NewColumn] = self.column_versions
            owners = [column] if column.categories is None else [column, categories[column.categories]]
            for owner in owners:
                total += sum(unclaimed.pop(address, 0) for _, _, address in owner.chunks)
        return total


def _passed_on(frame: pd.DataFrame) -> dict[str, NewColumn]:
    """Return the columns of a frame that are stored already and that nothing has looked at, row ids included."""
    untouched = frame.untouched() if isinstance(frame, LazyFrame) else None
    if untouched is None:
        return {}
    source, handles = untouched
    if not isinstance(source, StoredFrame):
        return {}
    found = {ROW_ID: source.row_ids_passed_on()}
    found.update((name, source.passed_on(handle)) for name, handle in handles.items())
    return {name: column for name, column in found.items() if column is not None}


def register_shared(connection: sa.Connection, outputs: Sequence[OutputSet]) -> None:
    """Register column versions and layouts of several sets, in one order for every writer.

    Two writers that insert the same rows then never wait for each other. A single set is left to
    :meth:`OutputSet.register`, which keeps that order by itself.

    Parameters
    ----------
    connection
        The transaction, in which the chunks are registered already.
    outputs
        The sets that are registered together.
    """
    if len(outputs) < 2:
        return
    ids = register_columns(connection, [column for item in outputs for column in item.column_versions.values()])
    for item in outputs:
        item.version_ids = ids
    layouts = {frame.layout.address: frame.layout for item in outputs for frame in item.frames}
    for address in sorted(layouts):
        register_layout(connection, layouts[address])
