"""Rows for TensorFlow: a ``tf.data.Dataset`` that streams row blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mistique_core.datasets.stored_rows import BATCH_ROWS, StoredRows
from mistique_core.errors import InvalidInputError
from mistique_core.model import IntermediateKey
from mistique_core.store import Mistique


def tensorflow_rows(
    store: Mistique,
    key: str | IntermediateKey,
    columns: Sequence[str] | None = None,
    *,
    where: Any = None,
    batch_rows: int = BATCH_ROWS,
    share: tuple[int, int] = (0, 1),
) -> Any:
    """Return a ``tf.data.Dataset`` of batches of tensors by name, ``row_id`` among them.

    Every batch holds rows of one row block, at most `batch_rows`; ``.unbatch().batch(n)`` makes batches of one size.

    Parameters
    ----------
    store
        Where the rows are; it is not needed any more afterwards.
    key, columns, where, batch_rows
        As of :meth:`Mistique.stream`.
    share
        (number, of): which of several processes, each with a data set, this one is.

    Raises
    ------
    InvalidInputError
        If TensorFlow is not installed, a column holds neither numbers nor categories, or an argument is malformed.
    NotFoundError
        If there is no such intermediate or column.

    Examples
    --------
    >>> rows = tensorflow_rows(store, "homes.P1.scaled", ["rooms", "price"], batch_rows=512)  # doctest: +SKIP
    >>> model.fit(rows.map(lambda batch: (batch["rooms"], batch["price"])).prefetch(2))      # doctest: +SKIP
    """
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        raise InvalidInputError("this needs TensorFlow; install 'mistique-airflow[dnn]'") from error
    rows = StoredRows.of(store, key, columns, where=where, batch_rows=batch_rows, share=share)
    signature = {
        name: tf.TensorSpec((None, *values.shape[1:]), tf.as_dtype(values.dtype))
        for name, values in rows.example().items()
    }
    return tf.data.Dataset.from_generator(rows.batches, output_signature=signature)
