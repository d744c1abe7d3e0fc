"""Rows for PyTorch: a data set whose workers each stream row blocks of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mistique_core.datasets.stored_rows import BATCH_ROWS, StoredRows
from mistique_core.errors import InvalidInputError
from mistique_core.model import IntermediateKey
from mistique_core.store import Mistique

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info
except ModuleNotFoundError as error:
    raise InvalidInputError("this needs PyTorch; install it with: pip install 'mistique-airflow[torch]'") from error


class TorchRows(IterableDataset):  # type: ignore[misc]
    """Batches of tensors by name, ``row_id`` among them.

    Every batch holds rows of one row block, at most `batch_rows`; give it to a ``DataLoader`` with
    ``batch_size=None``. Workers of the loader divide the row blocks among them, and each opens the store for itself.

    Parameters
    ----------
    store
        Where the rows are; it is not needed any more afterwards.
    key, columns, where, batch_rows
        As of :meth:`Mistique.stream`.
    share
        (number, of): which of several processes, each with a loader, this one is: rank and world size.

    Raises
    ------
    InvalidInputError
        If a column holds neither numbers nor categories, or an argument is malformed.
    NotFoundError
        If there is no such intermediate or column.

    Examples
    --------
    >>> rows = TorchRows(store, "cifar10.vgg16.fc2", batch_rows=512)                          # doctest: +SKIP
    >>> for batch in DataLoader(rows, batch_size=None, num_workers=2):                      # doctest: +SKIP
    ...     train(batch)
    """

    def __init__(
        self,
        store: Mistique,
        key: str | IntermediateKey,
        columns: Sequence[str] | None = None,
        *,
        where: Any = None,
        batch_rows: int = BATCH_ROWS,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__()
        self._rows = StoredRows.of(store, key, columns, where=where, batch_rows=batch_rows, share=share)
        self._rows.example()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = get_worker_info()
        rows = self._rows if worker is None else self._rows.shared(worker.id, worker.num_workers)
        for batch in rows.batches():
            yield {name: torch.from_numpy(values) for name, values in batch.items()}
