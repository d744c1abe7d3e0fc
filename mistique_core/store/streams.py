"""The facade's calls that give rows some at a time, and answers to SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mistique_core.engine.row_windows import map_shape
from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean
from mistique_core.frames import ROW_ID
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.store.row_sources import RowSources
from mistique_core.store.row_stream import RowStream
from mistique_core.store.selection import Selection
from mistique_core.store.sql import SqlResult, run_sql
from mistique_core.store.where_filter import WhereFilter


class StreamsRows:
    """How :class:`Mistique` hands rows to other programs."""

    _row_sources: RowSources

    def stream(
        self,
        key: str | IntermediateKey,
        columns: Sequence[str] | None = None,
        *,
        where: Any = None,
        batch_rows: int | None = None,
    ) -> RowStream:
        """Return the rows of an intermediate some row blocks at a time, in memory that its length does not change.

        Only the row blocks that a predicate may hold in are read, first the columns that it names, and then those rows
        of the others that are wanted. What is not stored is made again by windows, where all stages on the way declare
        that rows come from rows. Streaming does not count as a query: it changes nothing about what is kept.

        Parameters
        ----------
        key
            ``project.model[@version].intermediate``, or the key of one column.
        columns
            Names of columns; default all, or the one of the key.
        where
            One or several predicates (column, operator, value) with ``== != < <= > >= in``; a column may be
            ``row_id``.
        batch_rows
            Most rows of a batch, from 1; default those of a row block. No batch holds rows of two row blocks.

        Raises
        ------
        InvalidInputError
            If an argument is malformed.
        NotFoundError
            If a project, model, version, intermediate or column does not exist.
        NotMaterializedError
            If it is not stored and can be made only as a whole, or not at all.

        Examples
        --------
        >>> for frame in store.stream("zillow.P1.interm9", ["taxamount"]):  # doctest: +SKIP
        ...     model.partial_fit(frame)
        """
        parsed = IntermediateKey.parse(key)
        if isinstance(columns, str):
            raise InvalidInputError(f"columns={columns!r} is one string; give a list of names, such as [{columns!r}]")
        if columns is None and parsed.column != ALL_COLUMNS:
            columns = [parsed.column]
        if batch_rows is not None and (not isinstance(batch_rows, int) or batch_rows < 1):
            raise InvalidInputError(f"batch_rows={batch_rows!r} is not a number of rows; give an integer of at least 1")
        predicates = Selection.of(None, where, None).where
        asked = None if columns is None else [name for name in dict.fromkeys(columns) if name != ROW_ID]
        tested = [name for name, _, _ in predicates]
        source = self._row_sources.find(parsed, None if asked is None else [*asked, *tested])
        for name in tested:
            if name not in source.columns:
                raise NotFoundError(
                    f"where names the column {name!r}, which {parsed} has not; {did_you_mean(name, source.columns)}"
                )
            if map_shape(source.columns[name]):
                raise InvalidInputError(f"where names {name!r}, whose values are maps; compare a column of numbers")
        names = [name for name in source.columns if name != ROW_ID] if asked is None else asked
        return RowStream(source, names, WhereFilter(predicates) if predicates else None, batch_rows)

    def sql(self, query: str) -> SqlResult:
        """Return the answer to one SELECT over intermediates, which DuckDB computes.

        A table is a key in quotes, ``'project.model[@version].intermediate'``; its columns are those of the
        intermediate and ``row_id``. Only the columns that the query names are read, and of them only the row blocks in
        which its comparisons with constants may hold. Missing values, NaN included, are NULL. The query reaches nothing
        but the keys that it names: no files, no network, no extensions.

        Parameters
        ----------
        query
            One SELECT in DuckDB's dialect.

        Raises
        ------
        InvalidInputError
            If DuckDB is not installed, it is no SELECT, or DuckDB refuses it.
        NotFoundError
            If a table is not an intermediate.
        NotMaterializedError
            As :meth:`stream`.

        Examples
        --------
        >>> store.sql("SELECT avg(taxamount) FROM 'zillow.P1@3.interm9' WHERE row_id < 1000").df()     # doctest: +SKIP
        """
        return run_sql(self._row_sources, query)
