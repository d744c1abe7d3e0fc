"""The rows of an intermediate as a Parquet file that any program reads, in memory that its length does not change."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mistique_core.errors import StorageError
from mistique_core.frames.arrow import require_pyarrow
from mistique_core.store.row_stream import RowStream

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 65_536
_GROUP_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class ParquetFile:
    """A file that was written.

    Attributes
    ----------
    path
        Where it is.
    rows, bytes
        Its rows, and its size.
    sha256
        Checksum of its bytes, in hexadecimal digits.
    schema
        Its schema in Arrow, with ``row_id`` first.
    """

    path: Path
    rows: int
    bytes: int
    sha256: str
    schema: pa.Schema


def write_parquet(stream: RowStream, path: Path) -> ParquetFile:
    """Write the rows of a stream, ``row_id`` first; a file of that name is replaced when all rows are written.

    Categories become their values, durations integers in their unit, and maps nested lists of fixed size.

    Parameters
    ----------
    stream
        The rows.
    path
        Of the file, in a folder that exists.

    Raises
    ------
    InvalidInputError
        If pyarrow is not installed.
    UnsupportedColumnError
        If Arrow has no type for a column.
    StorageError
        If the file cannot be written.
    """
    require_pyarrow("Parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = plain_schema(stream.schema)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    rows = 0
    try:
        try:
            with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
                for group in _groups(stream):
                    rows += sum(batch.num_rows for batch in group)
                    writer.write_table(pa.Table.from_batches([_plain_batch(batch, schema) for batch in group], schema))
            with unfinished.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        return ParquetFile(path, rows, path.stat().st_size, digest, schema)
    except OSError as error:
        raise StorageError(f"cannot write {str(path)!r}: {error.strerror or error}; choose another folder") from error


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema of Arrow with types only that Parquet itself has."""
    import pyarrow as pa

    return pa.schema([field.with_type(_plain(field.type)) for field in schema])


def _groups(stream: RowStream) -> Iterator[list[Any]]:
    group: list[Any] = []
    rows = size = 0
    for batch in stream.to_batches():
        if group and (rows + batch.num_rows > GROUP_ROWS or size + batch.nbytes > _GROUP_BYTES):
            yield group
            group, rows, size = [], 0, 0
        group.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
    if group:
        yield group


def _plain_batch(batch: Any, schema: Any) -> Any:
    import pyarrow as pa

    columns = [_plain_array(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _plain_array(column: Any, kind: Any) -> Any:
    import pyarrow as pa

    if not isinstance(column, pa.FixedShapeTensorArray):
        return column.cast(kind)
    made = pa.array(column.to_numpy_ndarray().reshape(-1))
    for size in reversed(column.type.shape):
        made = pa.FixedSizeListArray.from_arrays(made, size)
    return made.cast(kind)


def _plain(kind: Any) -> Any:
    import pyarrow as pa

    if isinstance(kind, pa.FixedShapeTensorType):
        nested = kind.value_type
        for size in reversed(kind.shape):
            nested = pa.list_(nested, size)
        return nested
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    return pa.int64() if pa.types.is_duration(kind) else kind
