"""An intermediate as DuckDB scans it: a data set of Arrow that reads the columns and row blocks that are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from mistique_core.engine.row_scan import scan
from mistique_core.engine.row_windows import RowSource, ScanTally
from mistique_core.frames import ROW_ID
from mistique_core.store.arrow_filter import ArrowFilter
from mistique_core.store.row_stream import empty_rows
from mistique_core.store.sql_values import sql_schema, sql_table


class KeyDataset(ds.Dataset):  # type: ignore[misc]
    """A table of SQL.

    DuckDB takes any data set of pyarrow, and asks its method `scanner` for the columns and the filter that it needs.

    Parameters
    ----------
    source
        The rows.
    names
        The columns that the table has besides ``row_id``; ``None`` for all.

    Attributes
    ----------
    fetched
        What all its scans have fetched, and what they skipped.
    failure
        What a scan failed with, which DuckDB tells as text only.
    """

    def __init__(self, source: RowSource, names: Sequence[str] | None = None) -> None:
        self._source = source
        shown = list(source.columns) if names is None else list(dict.fromkeys([ROW_ID, *names]))
        self._columns = sql_schema(empty_rows(source, shown))
        self.fetched = ScanTally()
        self.failure: Exception | None = None

    @property
    def schema(self) -> Any:
        """The columns, ``row_id`` first."""
        return self._columns

    def scanner(self, columns: Sequence[str] | None = None, filter: Any = None, **_options: Any) -> KeyScan:
        """Return a scan of some columns of the rows that a filter lets through."""
        return KeyScan(self, self._source, self._columns, self._columns.names if columns is None else columns, filter)


class KeyScan:
    """What DuckDB calls of a scanner of pyarrow.

    Parameters
    ----------
    owner
        Takes the counts.
    source, schema
        The rows, and their columns.
    names
        The columns to give.
    expression
        The filter, or ``None``.
    """

    def __init__(
        self, owner: KeyDataset, source: RowSource, schema: Any, names: Sequence[str], expression: Any
    ) -> None:
        self._owner = owner
        self._source = source
        self._schema = schema
        self._names = list(names)
        self._expression = expression

    @property
    def projected_schema(self) -> Any:
        """The columns that it gives."""
        return pa.schema([self._schema.field(name) for name in self._names])

    def to_reader(self) -> Any:
        """Return the record batches."""
        return pa.RecordBatchReader.from_batches(self.projected_schema, self._batches())

    def _batches(self) -> Iterator[Any]:
        try:
            wanted = None if self._expression is None else ArrowFilter(self._expression, self._schema)
            asked = [*self._names, *(wanted.names if wanted is not None else ())] or [ROW_ID]
            windows = self._source.windows(dict.fromkeys(asked))
            for rows in scan(self._source, self._names, wanted, windows, self._owner.fetched):
                yield from sql_table(rows, self._schema, self._names).to_batches()
        except Exception as error:
            self._owner.failure = error
            raise
