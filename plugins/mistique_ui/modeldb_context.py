"""What the routes of ModelDB's JSON API share: the catalogue, the user's permissions, and pages of lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from mistique_core.catalogue import Catalogue
from mistique_core.catalogue.intermediates import find_version
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.model import IntermediateKey
from mistique_core.model.whole_number import whole_number
from mistique_core.modeldb import ModelDB
from mistique_ui.access import Access
from mistique_ui.json_values import as_json
from mistique_ui.permissions import Permissions

MOST = 2**31 - 1
"""Largest number that an address may hold: what the database's integers hold."""
MOST_ITEMS = 1_000

Id = Annotated[int, Path(ge=0, le=MOST)]
Row = Annotated[int, Query(ge=0, le=MOST)]
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="items of the page")]
Offset = Annotated[int, Query(ge=0, le=MOST, description="items before the page")]


@dataclass(frozen=True)
class Asked:
    """One request: ModelDB, and what its user may do."""

    db: ModelDB
    catalogue: Catalogue
    may: Permissions


class ItemPage(BaseModel):
    """A page of a list."""

    items: list[Any]
    total: int
    limit: int
    offset: int


def asked_by(catalogue: Callable[[], Catalogue], access: Access, refresh: Callable[[], None]) -> Any:
    """Return the dependency that gives a route its :class:`Asked`."""

    def ask(request: Request) -> Asked:
        refresh()
        opened = catalogue()
        return Asked(ModelDB(opened), opened, Permissions(request.state.mistique_user, access, opened))

    return Depends(ask)


def answer(value: Any, status: int = 200) -> JSONResponse:
    """Return values as JSON."""
    return JSONResponse(as_json(value), status)


def page(items: Sequence[Any], limit: int, offset: int) -> JSONResponse:
    """Return a page of a list, as :class:`ItemPage`."""
    shown = items[offset : offset + limit]
    return answer({"items": list(shown), "total": len(items), "limit": limit, "offset": offset})


def version_row_of(asked: Asked, project: str, model: str, version: int) -> int:
    """Return the row of a model version; what the user may see of it is up to the caller.

    Raises
    ------
    HTTPException
        404 if there is none. The message does not say, as that of Python would, which other names there are: the user
        may not be allowed to see them.
    InvalidInputError
        If it cannot be a name.
    """
    key = IntermediateKey(project, model, "any", version=version)
    try:
        with asked.catalogue.read() as connection:
            return find_version(connection, key)
    except NotFoundError:
        raise HTTPException(404, f"There is no {project}.{model}@{version}; look at the list of projects") from None


def ids_of(text: str) -> list[int]:
    """Return the numbers of a list such as ``1,2,3``.

    Raises
    ------
    InvalidInputError
        If it is none, or has more than a thousand.
    """
    parts = [part.strip() for part in text.split(",")]
    numbers = [number for part in parts if (number := whole_number(part)) is not None]
    if len(numbers) < len(parts):
        raise InvalidInputError(f"ids={text[:80]!r} is no list of numbers; write them as 1,2,3")
    if len(parts) > MOST_ITEMS:
        raise InvalidInputError(f"{len(parts)} ids are too many; ask for at most {MOST_ITEMS} at once")
    return numbers
