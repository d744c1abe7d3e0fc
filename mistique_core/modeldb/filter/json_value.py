"""Compare what lies at a path of a JSON column, on SQLite and on PostgreSQL, whatever type it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from mistique_core.modeldb.json_path import parse_path

Test = Callable[[sa.ColumnElement[Any]], sa.ColumnElement[bool]]

_NUMBERS = ("integer", "real", "number")
_TEXTS = ("text", "string")


class JsonValue:
    """The value at a path of a JSON column.

    Parameters
    ----------
    column
        A column of type JSON.
    path
        Keys and indices, ``a.b.0``.
    dialect
        ``sqlite`` or ``postgresql``.
    """

    def __init__(self, column: sa.ColumnElement[Any], path: str, dialect: str) -> None:
        keys = parse_path(path)
        found = column
        for key in keys:
            found = found[key]
        if dialect == "sqlite":
            written = "$" + "".join(f"[{key}]" if isinstance(key, int) else f'."{key}"' for key in keys)
            self._type = sa.func.json_type(column, written)
            self._truth = self._type
        else:
            self._type = sa.func.json_typeof(found)
            self._truth = found.as_string()
        self._found = found

    def number(self, test: Test) -> sa.ColumnElement[bool]:
        """Return whether it is a number that passes."""
        value = sa.case((self._type.in_(_NUMBERS), self._found.as_float()))
        return sa.func.coalesce(test(value), sa.false())

    def text(self, test: Test) -> sa.ColumnElement[bool]:
        """Return whether it is a text that passes."""
        value = sa.case((self._type.in_(_TEXTS), self._found.as_string()))
        return sa.func.coalesce(test(value), sa.false())

    def truth(self, test: Test) -> sa.ColumnElement[bool]:
        """Return whether it is ``true`` or ``false`` and passes, as 1 or 0."""
        value = sa.case((self._truth == "true", 1), (self._truth == "false", 0))
        return sa.func.coalesce(test(value), sa.false())

    def is_missing(self) -> sa.ColumnElement[bool]:
        """Return whether there is nothing, or null."""
        return sa.or_(self._type.is_(None), self._type == "null")

    def order_number(self) -> sa.ColumnElement[Any]:
        """Return the number to order by; NULL for anything else."""
        return sa.case((self._type.in_(_NUMBERS), self._found.as_float()))

    def order_text(self) -> sa.ColumnElement[Any]:
        """Return the text to order by; NULL for anything else."""
        return sa.case((self._type.in_(_TEXTS), self._found.as_string()))
