"""Rows for Hugging Face: a ``datasets.IterableDataset`` with features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mistique_core.datasets.stored_rows import BATCH_ROWS, StoredRows
from mistique_core.errors import InvalidInputError
from mistique_core.model import IntermediateKey
from mistique_core.store import Mistique


def huggingface_rows(
    store: Mistique,
    key: str | IntermediateKey,
    columns: Sequence[str] | None = None,
    *,
    where: Any = None,
    shards: int = 1,
) -> Any:
    """Return a ``datasets.IterableDataset`` of examples, ``row_id`` among their features.

    Parameters
    ----------
    store
        Where the rows are; it is not needed any more afterwards.
    key, columns, where
        As of :meth:`Mistique.stream`. Columns may be of any type that Arrow has; categories become text.
    shards
        Parts that workers of a loader may divide among them, from 1.

    Raises
    ------
    InvalidInputError
        If the package ``datasets`` is not installed, or an argument is malformed.
    NotFoundError
        If there is no such intermediate or column.
    """
    try:
        from datasets import Features, IterableDataset
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            "this needs the package datasets; install it with: pip install 'mistique-airflow[huggingface]'"
        ) from error
    if shards < 1:
        raise InvalidInputError(f"shards={shards!r} is not a number of parts; give an integer of at least 1")
    rows = StoredRows.of(store, key, columns, where=where, batch_rows=BATCH_ROWS)
    with rows.stream() as stream:
        features = Features.from_arrow_schema(plain_schema(stream.schema))
    parts = [rows.shared(number, shards) for number in range(shards)]
    return IterableDataset.from_generator(examples, features=features, gen_kwargs={"parts": parts})


def examples(parts: Sequence[StoredRows]) -> Iterator[dict[str, Any]]:
    """Yield one mapping a row of some parts, of plain Python values."""
    for part in parts:
        with part.stream() as stream:
            schema = plain_schema(stream.schema)
            for batch in stream.to_batches():
                yield from plain_batch(batch, schema).to_pylist()


def plain_schema(schema: Any) -> Any:
    """Return a schema of Arrow without dictionaries, and with maps as lists of lists."""
    import pyarrow as pa

    return pa.schema([field.with_type(_plain(field.type)) for field in schema])


def plain_batch(batch: Any, schema: Any) -> Any:
    """Return a record batch as a table of :func:`plain_schema`."""
    import pyarrow as pa

    columns = []
    for name, field in zip(batch.schema.names, schema, strict=True):
        column = batch.column(name)
        if isinstance(column, pa.FixedShapeTensorArray):
            column = pa.array(column.to_numpy_ndarray().tolist(), field.type)
        columns.append(column.cast(field.type))
    return pa.table(columns, schema=schema)


def _plain(kind: Any) -> Any:
    import pyarrow as pa

    if isinstance(kind, pa.FixedShapeTensorType):
        nested = kind.value_type
        for size in reversed(kind.shape):
            nested = pa.list_(nested, size)
        return nested
    return kind.value_type if pa.types.is_dictionary(kind) else kind
