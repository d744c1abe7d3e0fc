"""Free metadata as JSON, edited by dot paths with checked types."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.model.nesting import is_deeper
from mistique_core.modeldb.edit.targets import TABLES, WITH_METADATA, target_row
from mistique_core.modeldb.json_path import ValueType, set_value, typed_value, value_at, vector_at

_MOST_BYTES = 1_000_000
_MOST_LEVELS = 50


class Metadata:
    """Read and edit the metadata of projects, experiments, runs, models and data frames.

    Calls raise InvalidInputError for any other entity, and NotFoundError for an id that does not exist. A value has
    one of the types ``string``, ``int``, ``double``, ``long``, ``datetime`` and ``bool``, and is refused if it does not
    fit (:func:`mistique_core.modeldb.json_path.typed_value`).

    Parameters
    ----------
    catalogue
        Where it is recorded.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def get(self, entity: str, entity_id: int, path: str | None = None) -> Any:
        """Return the metadata, or what lies at a dot path; NotFoundError if nothing does."""
        with self._catalogue.read() as connection:
            document = _document(connection, entity, entity_id, is_changed=False)
        return document if path is None else value_at(document, path)

    def replace(self, entity: str, entity_id: int, document: Mapping[str, Any]) -> None:
        """Put a whole document in place of the metadata.

        Raises
        ------
        InvalidInputError
            If it is not a JSON object, or too large or too deep.
        """
        if isinstance(document, Mapping) and is_deeper(document, _MOST_LEVELS):
            raise InvalidInputError(f"metadata lie more than {_MOST_LEVELS} levels deep; write them flatter")
        self._change(entity, entity_id, lambda found: _replace(found, document))

    def create_or_update_scalar(
        self, entity: str, entity_id: int, path: str, value: Any, value_type: str | ValueType
    ) -> None:
        """Put a value at a dot path; objects on the way are made.

        Raises
        ------
        InvalidInputError
            If the value is not of its type, or a single value or a vector is in the way.
        """
        read = typed_value(value, value_type)

        def change(document: dict[str, Any]) -> None:
            try:
                there = value_at(document, path)
            except NotFoundError:
                there = None
            if isinstance(there, dict | list):
                what = "an object" if isinstance(there, dict) else "a vector"
                raise InvalidInputError(f"metadata at {path!r} is {what}; give the path of a single value")
            set_value(document, path, read)

        self._change(entity, entity_id, change)

    def create_vector(
        self, entity: str, entity_id: int, path: str, values: Sequence[Any] = (), value_type: str | ValueType = "string"
    ) -> None:
        """Make a vector at a dot path.

        Raises
        ------
        InvalidInputError
            If something is there already, or a value is not of its type.
        """
        read = [typed_value(value, value_type) for value in values]

        def change(document: dict[str, Any]) -> None:
            try:
                value_at(document, path)
            except NotFoundError:
                set_value(document, path, read)
            else:
                raise InvalidInputError(f"metadata at {path!r} exists; append to it, or choose another path")

        self._change(entity, entity_id, change)

    def update_vector(
        self, entity: str, entity_id: int, path: str, index: int, value: Any, value_type: str | ValueType
    ) -> None:
        """Put a value in place of an item of a vector.

        Raises
        ------
        NotFoundError
            If nothing is at the path.
        InvalidInputError
            If it is not a vector, has no such item, or the value is not of its type.
        """
        read = typed_value(value, value_type)

        def change(document: dict[str, Any]) -> None:
            vector = vector_at(document, path)
            if not 0 <= index < len(vector):
                raise InvalidInputError(
                    f"the vector at {path!r} has {len(vector)} items, none at {index}; append to it"
                )
            vector[index] = read

        self._change(entity, entity_id, change)

    def append_to_vector(self, entity: str, entity_id: int, path: str, value: Any, value_type: str | ValueType) -> None:
        """Add a value at the end of a vector.

        Raises
        ------
        NotFoundError
            If nothing is at the path.
        InvalidInputError
            If it is not a vector, or the value is not of its type.
        """
        read = typed_value(value, value_type)
        self._change(entity, entity_id, lambda document: vector_at(document, path).append(read))

    def remove(self, entity: str, entity_id: int, path: str) -> None:
        """Remove what lies at a dot path; NotFoundError if nothing does."""

        def change(document: dict[str, Any]) -> None:
            value_at(document, path)
            way, _, last = path.rpartition(".")
            place: Any = value_at(document, way) if way else document
            del place[int(last) if isinstance(place, list) else last]

        self._change(entity, entity_id, change)

    def _change(self, entity: str, entity_id: int, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the document in one transaction that nobody else's change comes between."""
        with self._catalogue.write() as connection:
            document = copy.deepcopy(_document(connection, entity, entity_id, is_changed=True))
            change(document)
            _check(document)
            table = TABLES[entity]
            connection.execute(sa.update(table).where(table.c.id == entity_id).values(metadata=document))


def _document(connection: sa.Connection, entity: str, entity_id: int, *, is_changed: bool) -> dict[str, Any]:
    row = target_row(connection, entity, entity_id, WITH_METADATA, is_changed=is_changed)
    found: dict[str, Any] = row._mapping["metadata"] or {}
    return found


def _replace(found: dict[str, Any], document: Mapping[str, Any]) -> None:
    if not isinstance(document, Mapping):
        raise InvalidInputError(f"metadata must be a JSON object, not {type(document).__name__}; give keys and values")
    found.clear()
    found.update(document)


def _check(document: dict[str, Any]) -> None:
    try:
        text = json.dumps(document, allow_nan=False)
        if json.loads(text) != document:
            raise ValueError("keys that are not texts")
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"metadata must be a JSON object ({error}); give texts, numbers, lists and objects"
        ) from error
    if len(text) > _MOST_BYTES:
        raise InvalidInputError(
            f"metadata of {len(text)} characters; give at most {_MOST_BYTES}, and log data as a frame"
        )
    if "\\u0000" in text:
        raise InvalidInputError("metadata holds the character U+0000, which no database keeps; remove it")
