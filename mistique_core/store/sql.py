"""SQL over intermediates, by DuckDB, which gets the columns and row blocks that it asks for and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd

from mistique_core.engine.row_windows import ScanTally
from mistique_core.errors import InvalidInputError, MistiqueError
from mistique_core.frames.arrow import require_pyarrow
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.store.row_sources import RowSources

if TYPE_CHECKING:
    import pyarrow as pa

    from mistique_core.store.key_dataset import KeyDataset

_SANDBOX: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
}
"""A query reaches neither files, nor the network, nor extensions, nor variables of this process."""


class SqlResult:
    """What a query answered.

    Parameters
    ----------
    table
        The answer.
    by_key
        What was fetched for each key of the query.

    Attributes
    ----------
    fetched
        Chunks and encoded bytes that the query read, and those that it left unread, of all keys together.
    fetched_by_key
        The same by key.
    """

    def __init__(self, table: pa.Table, by_key: Mapping[str, ScanTally]) -> None:
        self._table = table
        self.fetched_by_key = dict(by_key)
        self.fetched = ScanTally()
        for tally in by_key.values():
            for name, value in vars(tally).items():
                setattr(self.fetched, name, getattr(self.fetched, name) + value)

    def __repr__(self) -> str:
        return f"<SqlResult: {self._table.num_rows} rows, {self._table.num_columns} columns>"

    def to_arrow(self) -> pa.Table:
        """Return the answer as an Arrow table."""
        return self._table

    def df(self) -> pd.DataFrame:
        """Return the answer as a DataFrame; sums of integers, which have 128 bits, become int64, or float64."""
        import pyarrow as pa

        table = self._table
        for place, field in enumerate(table.schema):
            if pa.types.is_decimal(field.type):
                try:
                    column = table.column(place).cast(pa.int64() if field.type.scale == 0 else pa.float64())
                except pa.ArrowInvalid:
                    column = table.column(place).cast(pa.float64())
                table = table.set_column(place, field.name, column)
        frame: pd.DataFrame = table.to_pandas()
        return frame


def run_sql(sources: RowSources, query: str) -> SqlResult:
    """Answer a query; see :meth:`mistique_core.store.streams.StreamsRows.sql`."""
    if not isinstance(query, str):
        raise InvalidInputError(f"the query is a {type(query).__name__}; give a string with one SELECT")
    require_pyarrow("store.sql()")
    try:
        import duckdb
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            "store.sql() needs DuckDB; install it with: pip install 'mistique-airflow[sql]'"
        ) from error

    with duckdb.connect(":memory:", config=_SANDBOX) as connection:
        with _explained(duckdb.Error, {}):
            names = _tables(duckdb, connection, query)
        tables = {name: _table(sources, key) for name, key in names.items()}
        with _explained(duckdb.Error, tables):
            for name, table in tables.items():
                connection.register(name, table)
            connection.execute("SET lock_configuration = true")
            answer = connection.sql(query).to_arrow_table()
    return SqlResult(answer, {name: table.fetched for name, table in tables.items()})


def _table(sources: RowSources, key: IntermediateKey) -> KeyDataset:
    from mistique_core.store.key_dataset import KeyDataset  # which needs pyarrow

    names = None if key.column == ALL_COLUMNS else [key.column]
    return KeyDataset(sources.find(key, names), names)


def _tables(duckdb: Any, connection: Any, query: str) -> dict[str, IntermediateKey]:
    """Return the tables that a query names, each with its key.

    Raises
    ------
    InvalidInputError
        If the query is not one SELECT, or a table is no key.
    """
    statements = connection.extract_statements(query)
    parsed: dict[str, Any] = {}
    if len(statements) == 1 and statements[0].type == duckdb.StatementType.SELECT:
        parsed = json.loads(connection.execute("SELECT json_serialize_sql($query)", {"query": query}).fetchall()[0][0])
    if not parsed or parsed.get("error"):
        raise InvalidInputError(
            f"the query {_shown(query)} is not one SELECT; write one, with keys in quotes, such as "
            "'project.model.intermediate'"
        )
    named, own = _table_names(parsed)
    found: dict[str, IntermediateKey] = {}
    for name in sorted(named - own):
        try:
            found[name] = IntermediateKey.parse(name)
        except InvalidInputError as error:
            raise InvalidInputError(
                f"table {name!r} is no key; write 'project.model.intermediate', in quotes"
            ) from error
    same = {name.casefold() for name in found}
    if len(same) < len(found):
        raise InvalidInputError(
            f"the tables {', '.join(map(repr, found))} differ only in upper and lower case, which SQL does not tell "
            "apart; ask for one of them with store.stream()"
        )
    return found


def _table_names(parsed: Any) -> tuple[set[str], set[str]]:
    """Return the tables that a parsed query names, and the names that its WITH clauses give."""
    named: set[str] = set()
    own: set[str] = set()
    waiting = [parsed]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if item.get("type") == "BASE_TABLE":
                parts = (item.get("catalog_name"), item.get("schema_name"), item["table_name"])
                if parts[1]:
                    name = ".".join(part for part in parts if part)
                    raise InvalidInputError(f"table {name} is not in quotes; write '{name}'")
                named.add(item["table_name"])
            own.update(entry["key"] for entry in (item.get("cte_map") or {}).get("map", ()))
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return named, own


def _shown(query: str) -> str:
    text = " ".join(query.split())
    return repr(text if len(text) <= 80 else text[:77] + "...")


@contextmanager
def _explained(refused: type[Exception], tables: Mapping[str, KeyDataset]) -> Iterator[None]:
    """Tell what DuckDB refuses as an error of this project, and what a scan failed with as itself."""
    try:
        yield
    except MistiqueError:
        raise
    except Exception as error:
        for table in tables.values():
            if isinstance(table.failure, MistiqueError):
                raise table.failure from error
        if not isinstance(error, refused):
            raise
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise InvalidInputError(f"DuckDB refuses the query: {lines[0] if lines else error}") from error
