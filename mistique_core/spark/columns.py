"""Which columns of a Spark DataFrame are stored, and as what.

Spark says of nearly every column that it may hold nulls, so integers and booleans are written with room for them; the
column is one of plain integers in the end if none came. A vector becomes one column an element, because people ask for
``features[AGE]``, and names come from what Spark's own assemblers note.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean
from mistique_core.frames import ROW_ID

log = logging.getLogger(__name__)

Kind = Literal["integer", "float", "bool", "string", "date", "timestamp", "timestamp_ntz", "decimal", "vector"]
MOST_ELEMENTS = 1_000
"""A vector with more elements is left out: of hashed words there are hundreds of thousands."""
_KINDS: dict[str, tuple[Kind, str]] = {
    "tinyint": ("integer", "Int8"),
    "smallint": ("integer", "Int16"),
    "int": ("integer", "Int32"),
    "bigint": ("integer", "Int64"),
    "float": ("float", "float32"),
    "double": ("float", "float64"),
    "boolean": ("bool", "boolean"),
    "string": ("string", "str"),
    "date": ("date", "datetime64[s]"),
    "timestamp": ("timestamp", "datetime64[us]"),
    "timestamp_ntz": ("timestamp_ntz", "datetime64[us]"),
}


_TEXTS = ("string collate ", "char(", "varchar(")


@dataclass(frozen=True)
class StoredColumn:
    """A column of Spark, and what it becomes.

    Attributes
    ----------
    source
        Its name in the DataFrame.
    kind, dtype
        How its values are read, and the dtype of what is stored.
    names
        Of the columns that are stored: one, or one an element of a vector.
    """

    source: str
    kind: Kind
    dtype: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class StoredColumns:
    """The columns of a DataFrame that are stored.

    Attributes
    ----------
    columns
        In order, the row ids' among them where one is named.
    left_out
        Name -> why it is not stored.
    """

    columns: tuple[StoredColumn, ...]
    left_out: Mapping[str, str]

    @property
    def sources(self) -> tuple[str, ...]:
        """Their names in the DataFrame."""
        return tuple(column.source for column in self.columns)


def stored_columns(
    frame: Any, columns: Sequence[str] | None, row_id: str | None, what: str, most_elements: int = MOST_ELEMENTS
) -> StoredColumns:
    """Return which columns of a DataFrame are stored; the sizes of vectors that Spark does not know are looked up.

    Parameters
    ----------
    frame
        The Spark DataFrame.
    columns
        Names of those that are wanted; ``None`` for all that can be stored.
    row_id
        The column of row ids, which is among them in any case; ``None`` where there is none.
    what
        What is logged, for error messages.
    most_elements
        Of a vector that is stored.

    Raises
    ------
    NotFoundError
        If there is no such column.
    InvalidInputError
        If a name is there twice, the row ids are no integers or beside others, or a column that was asked for cannot
        be stored.
    """
    names = [field.name for field in frame.schema.fields]
    _check_apart(frame, names, what)
    for name in [*(columns or ()), *([row_id] if row_id else ())]:
        if name not in names:
            raise NotFoundError(f"{what} has no column {name!r}; {did_you_mean(name, names)}")
    wanted = set(names if columns is None else columns) | ({row_id} if row_id else set())
    found: list[StoredColumn] = []
    left_out: dict[str, str] = {}
    for field in frame.schema.fields:
        if field.name not in wanted:
            continue
        column = _stored(frame, field, most_elements)
        if isinstance(column, StoredColumn):
            found.append(column)
        elif columns is not None and field.name in columns:
            raise InvalidInputError(f"column {field.name!r} of {what} cannot be stored: {column}")
        else:
            left_out[field.name] = column
    if row_id is not None and next((item.kind for item in found if item.source == row_id), None) != "integer":
        raise InvalidInputError(
            f"row_id of {what} is {row_id!r}, which holds no integers; name a column of unique ones"
        )
    if row_id is not None and row_id != ROW_ID and ROW_ID in {column.source for column in found}:
        raise InvalidInputError(
            f"{what} has a column {ROW_ID!r} beside its row ids in {row_id!r}, and a table has one set of them; "
            f"rename or drop one, or give row_id={ROW_ID!r}"
        )
    if not [column for column in found if column.source != ROW_ID]:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise InvalidInputError(f"{what} has no column that can be stored ({reasons or 'it has none'})")
    _check_names(found, what)
    for name, reason in left_out.items():
        log.warning("column %r of %s is not stored: %s", name, what, reason)
    return StoredColumns(tuple(found), left_out)


def compared(frame: Any, names: Sequence[str]) -> list[str]:
    """Return what Spark compares of columns' names: capitals count only if the session says so."""
    is_exact = str(frame.sparkSession.conf.get("spark.sql.caseSensitive", "false")).lower() == "true"
    return list(names) if is_exact else [name.lower() for name in names]


def _check_apart(frame: Any, names: Sequence[str], what: str) -> None:
    """Refuse columns that Spark cannot tell apart."""
    seen: dict[str, str] = {}
    for name, key in zip(names, compared(frame, names), strict=True):
        before = seen.get(key)
        if before == name:
            raise InvalidInputError(f"{what} has two columns named {name!r}; rename or drop one")
        if before is not None:
            raise InvalidInputError(
                f"{what} has the columns {before!r} and {name!r}, which Spark takes for one unless "
                "spark.sql.caseSensitive is true; rename or drop one"
            )
        seen[key] = name


def _check_names(columns: Sequence[StoredColumn], what: str) -> None:
    seen: set[str] = set()
    for column in columns:
        for name in column.names:
            if name in seen:
                raise InvalidInputError(
                    f"an element of the vector {column.source!r} of {what} would be named {name!r}, as another column "
                    "is; rename that"
                )
            seen.add(name)


def _stored(frame: Any, field: Any, most_elements: int) -> StoredColumn | str:
    """Return what a column becomes, or why it cannot be stored."""
    kind_of = field.dataType.simpleString()
    if kind_of.startswith(_TEXTS):
        return StoredColumn(field.name, "string", "str", (field.name,))
    if kind_of in _KINDS:
        kind, dtype = _KINDS[kind_of]
        return StoredColumn(field.name, kind, dtype, (field.name,))
    if kind_of.startswith("decimal("):
        return StoredColumn(field.name, "decimal", "float64", (field.name,))
    if type(field.dataType).__name__ == "VectorUDT":
        elements = _element_names(field)
        size = _size_of_first(frame, field.name) if elements is None else len(elements)
        if size is None:
            return "no row has a vector that would say how many elements they have"
        if size == 0:
            return "its vectors have no elements"
        if size > most_elements:
            return f"its vectors have {size:,} elements, more than {most_elements:,}"
        named = elements or [str(place) for place in range(size)]
        return StoredColumn(field.name, "vector", "float64", tuple(f"{field.name}[{name}]" for name in named))
    return f"{kind_of} is no type of numbers, texts, times or vectors of numbers"


def _element_names(field: Any) -> list[str] | None:
    """Return the names of a vector's elements as far as Spark notes them, their numbers else; ``None`` if it does not.

    A name that two elements have would say nothing, so that these keep their numbers. Where any does, names that look
    like the number of an element are none.
    """
    noted = (field.metadata or {}).get("ml_attr") or {}
    groups = [item for group in (noted.get("attrs") or {}).values() for item in group]
    size = noted.get("num_attrs") or (len(groups) or None)
    if size is None:
        return None
    count_of = Counter(item.get("name") for item in groups)
    numbers = {str(place): place for place in range(size)}
    named = {
        item["idx"]: item["name"]
        for item in groups
        if item.get("name") and count_of[item["name"]] == 1 and item.get("idx") in range(size)
    }
    if len(named) < size:
        named = {place: name for place, name in named.items() if name not in numbers}
    return [named.get(place, number) for number, place in numbers.items()]


def _size_of_first(frame: Any, name: str) -> int | None:
    column = frame[quoted(name)]
    first = frame.select(column).where(column.isNotNull()).first()
    return None if first is None else int(first[0].size)


def quoted(name: str) -> str:
    """Return a column's name as Spark's SQL takes it, dots included."""
    return "`" + name.replace("`", "``") + "`"


def selected(frame: Any, columns: Sequence[StoredColumn]) -> Any:
    """Return the DataFrame of these columns, named c0, c1 ...; vectors as arrays of doubles."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions

    chosen = []
    for place, column in enumerate(columns):
        values = frame[quoted(column.source)]
        if column.kind == "vector":
            values = functions.when(values.isNotNull(), vector_to_array(values))
        elif column.kind == "decimal":
            values = values.cast("double")
        elif column.kind == "string":
            values = values.cast("string")
        chosen.append(values.alias(f"c{place}"))
    return frame.select(*chosen)
