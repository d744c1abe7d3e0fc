"""Row blocks of a frame that comes bit by bit, and the frame that they make together.

A row block knows the addresses of its chunks and the types of its columns. So blocks which several processes have
stored, in any order, make the very frame that one process would have logged at once: its address is computed from
theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mistique_core.catalogue.captures import CapturedRows
from mistique_core.catalogue.chunks import NewColumn
from mistique_core.catalogue.layouts import Layout
from mistique_core.dedup import column_hash
from mistique_core.errors import CatalogueError, InvalidInputError
from mistique_core.frames import LogicalType

MISSING_PART = "missing"
"""The part that says which values are missing; a row block that has them all has no such chunk."""
_OF_CATEGORIES = "categories:"


@dataclass(frozen=True)
class ColumnBlock:
    """A column in one row block.

    Attributes
    ----------
    name, logical_type
        Of the column; the type as canonical JSON.
    chunks
        (part, address) of each chunk.
    value_bytes
        Bytes of the parts, but for the one that says which values are missing.
    categories
        The categories' column version, if any.
    """

    name: str
    logical_type: str
    chunks: tuple[tuple[str, bytes], ...]
    value_bytes: int
    categories: NewColumn | None = None


@dataclass(frozen=True)
class FrameBlock:
    """A row block of a frame.

    Attributes
    ----------
    number
        From 0.
    rows
        Its rows.
    columns
        The row ids, then the columns in order.
    """

    number: int
    rows: int
    columns: tuple[ColumnBlock, ...]

    @property
    def addresses(self) -> set[bytes]:
        """Addresses of all chunks that it needs."""
        own = {address for column in self.columns for _, address in column.chunks}
        parents = [column.categories for column in self.columns if column.categories is not None]
        return own | {address for parent in parents for _, _, address in parent.chunks}

    def to_captured(self, stored_bytes: int, facts: Mapping[str, Any]) -> CapturedRows:
        """Return it as it is kept in the catalogue until the frame is complete.

        Parameters
        ----------
        stored_bytes
            Bytes that it added to the store.
        facts
            What else is to be kept with it, JSON values.
        """
        chunks = []
        documents = []
        for place, column in enumerate(self.columns):
            chunks += [(place, part, self.number, address) for part, address in column.chunks]
            document: dict[str, Any] = {
                "name": column.name,
                "type": column.logical_type,
                "value_bytes": column.value_bytes,
            }
            parent = column.categories
            if parent is not None:
                chunks += [(place, _OF_CATEGORIES + part, block, address) for part, block, address in parent.chunks]
                document["categories"] = {
                    "address": parent.address.hex(),
                    "type": parent.logical_type,
                    "rows": parent.rows,
                    "block_rows": parent.block_rows,
                    "logical_bytes": parent.logical_bytes,
                }
            documents.append(document)
        own = {"number": self.number, "rows": self.rows, "columns": documents}
        return CapturedRows(tuple(chunks), (), stored_bytes, {**facts, **own})

    @classmethod
    def from_captured(cls, captured: CapturedRows) -> FrameBlock:
        """Return the row block that :meth:`to_captured` described."""
        columns = []
        for place, document in enumerate(captured.facts["columns"]):
            own = [chunk for chunk in captured.chunks if chunk[0] == place]
            parts = tuple((part, address) for _, part, _, address in own if not part.startswith(_OF_CATEGORIES))
            parent = None
            if "categories" in document:
                parent = _categories(document["categories"], own)
            columns.append(ColumnBlock(document["name"], document["type"], parts, document["value_bytes"], parent))
        return cls(captured.facts["number"], captured.facts["rows"], tuple(columns))


def _categories(document: dict[str, Any], chunks: Sequence[tuple[int, str, int, bytes]]) -> NewColumn:
    return NewColumn(
        bytes.fromhex(document["address"]),
        document["type"],
        document["rows"],
        document["block_rows"],
        document["logical_bytes"],
        tuple(
            (part.removeprefix(_OF_CATEGORIES), block, address)
            for _, part, block, address in chunks
            if part.startswith(_OF_CATEGORIES)
        ),
        None,
    )


@dataclass(frozen=True)
class AssembledFrame:
    """A frame put together from its row blocks.

    Attributes
    ----------
    rows
        Number of rows.
    row_id
        The row ids' column version.
    layout
        Names of its columns.
    versions
        Its column versions.
    categories
        Those of categories, which others refer to.
    """

    rows: int
    row_id: NewColumn
    layout: Layout
    versions: tuple[NewColumn, ...]
    categories: tuple[NewColumn, ...]


def assemble(blocks: Sequence[FrameBlock], block_rows: int, what: str) -> AssembledFrame:
    """Put a frame together.

    Parameters
    ----------
    blocks
        All row blocks, at least one, in order; all but the last have `block_rows` rows.
    block_rows
        Rows of a row block.
    what
        What the frame is, for error messages.

    Raises
    ------
    InvalidInputError
        If row blocks differ in their columns or types.
    CatalogueError
        If they are not all row blocks, each once.
    """
    _check_numbers(blocks, block_rows, what)
    first = blocks[0]
    for block in blocks[1:]:
        check_alike(first.columns, block.columns, block.number * block_rows, block.rows, what)
    rows = sum(block.rows for block in blocks)
    made = [_join([block.columns[place] for block in blocks], rows, block_rows) for place in range(len(first.columns))]
    parents = {
        column.categories.address: column.categories for column in first.columns if column.categories is not None
    }
    layout = Layout(tuple(column.name for column in first.columns[1:]))
    return AssembledFrame(rows, made[0], layout, tuple(made[1:]), tuple(parents.values()))


def _check_numbers(blocks: Sequence[FrameBlock], block_rows: int, what: str) -> None:
    """Refuse row blocks of which one is missing, there twice or too short: nothing of them may become visible."""
    for place, block in enumerate(blocks):
        is_last = place == len(blocks) - 1
        if block.number != place or not (0 < block.rows <= block_rows) or (block.rows < block_rows and not is_last):
            raise CatalogueError(
                f"the row blocks of {what} do not follow each other: number {block.number} with {block.rows} rows is "
                f"in place {place}; run it again"
            )


def check_alike(
    before: Sequence[ColumnBlock], now: Sequence[ColumnBlock], first_row: int, rows: int, what: str
) -> None:
    """Raise :class:`InvalidInputError` unless some rows have the columns and types of those before them.

    Parameters
    ----------
    before, now
        The row ids and columns of earlier rows, and of these.
    first_row, rows
        Where these begin, from 0, and how many they are.
    what
        What the frame is.
    """
    names, expected = [column.name for column in now[1:]], [column.name for column in before[1:]]
    place = f"rows {first_row} to {first_row + rows - 1} of {what}"
    if names != expected:
        raise InvalidInputError(
            f"{place} have the columns {', '.join(names)}, and those before them {', '.join(expected)}; "
            "give all row blocks the same columns in the same order"
        )
    for column, other in zip(before, now, strict=True):
        if column.logical_type != other.logical_type:
            old, new = (LogicalType.from_json(item.logical_type).label for item in (column, other))
            raise InvalidInputError(
                f"{place} have {new} in the column {column.name!r}, and those before them {old}; give all row blocks "
                f"one type, for example by .astype({{{column.name!r}: ...}}), or dtype= where a file is read"
            )
        if (column.categories is None) != (other.categories is None) or (
            column.categories is not None
            and other.categories is not None
            and column.categories.address != other.categories.address
        ):
            raise InvalidInputError(
                f"{place} have other categories in the column {column.name!r} than those before them; give all row "
                "blocks one pandas.CategoricalDtype"
            )


def _join(blocks: Sequence[ColumnBlock], rows: int, block_rows: int) -> NewColumn:
    chunks = tuple((part, number, address) for number, block in enumerate(blocks) for part, address in block.chunks)
    parent = blocks[0].categories
    categories = None if parent is None else parent.address
    address = column_hash(blocks[0].logical_type, rows, block_rows, chunks, categories)
    logical_bytes = sum(block.value_bytes for block in blocks) + (0 if parent is None else parent.logical_bytes)
    if any(part == MISSING_PART for part, _, _ in chunks):
        logical_bytes += rows
    return NewColumn(address, blocks[0].logical_type, rows, block_rows, logical_bytes, chunks, categories)
