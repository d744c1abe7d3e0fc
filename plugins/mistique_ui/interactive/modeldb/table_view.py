"""What a table of runs shows, as its address says it: filter, search, grouping, columns and order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.filter.parse import parse_field, parse_filter
from mistique_core.modeldb.filter.syntax import (
    And,
    Comparison,
    Condition,
    Field,
    FilterQuery,
    Like,
    Not,
    Operator,
    Or,
    Order,
)
from mistique_core.modeldb.filter.write import write_condition, write_field

MOST_COLUMNS = 40
LONGEST = 5_000
_SEARCHED = ("model", "type", "tag", "author", "description", "dag_id", "run_id")
_PART = re.compile(r'\s*((?:[^,"]|"(?:[^"]|"")*")+)\s*(?:,|$)')


@dataclass(frozen=True)
class TableView:
    """One view.

    Attributes
    ----------
    filter
        Text of a filter.
    search
        Words that a run must have, anywhere in its names, types, tags, author and description.
    inverted
        Whether the runs that do not fit are shown.
    group
        The field of the group bar.
    columns
        Chosen fields, such as ``metrics.auc``; ``None`` for the metrics of the newest runs.
    sort
        (field, whether it descends), the most important first.
    """

    filter: str = ""
    search: str = ""
    inverted: bool = False
    group: str = "type"
    columns: tuple[str, ...] | None = None
    sort: tuple[tuple[str, bool], ...] = ()

    def query(self, project: str | None = None) -> FilterQuery:
        """Return the filter of the runs that are shown, in their order.

        Parameters
        ----------
        project
            Name of the project that the runs belong to; ``None`` for all.

        Raises
        ------
        InvalidInputError
            If the filter, or a field of the order, cannot be read.
        """
        asked = parse_filter(self.filter)
        parts: list[Condition] = [] if asked.where is None else [asked.where]
        parts += [_search(word) for word in self.search.split()]
        where = _all(parts)
        if self.inverted and where is not None:
            where = Not(where)
        owner = [] if project is None else [Comparison(Field("", "project"), Operator.EQUAL, project)]
        order = tuple(Order(parse_field(name), descends) for name, descends in self.sort) or asked.order
        return FilterQuery(_all([*owner, *([] if where is None else [where])]), order, asked.limit)

    def restricted(self, condition: str) -> str:
        """Return the text of the filter with a further condition."""
        asked = parse_filter(self.filter)
        further = parse_filter(condition).where
        parts = (
            []
            if asked.where is None
            else list(asked.where.conditions if isinstance(asked.where, And) else [asked.where])
        )
        if further is not None and further not in parts:
            parts.append(further)
        where = _all(parts)
        return "" if where is None else write_condition(where)

    def arguments(self) -> dict[str, str]:
        """Return what an address says of it; what is left out is the default."""
        return {
            "filter": self.filter,
            "search": self.search,
            "invert": "1" if self.inverted else "",
            "group": "" if self.group == "type" else self.group,
            "columns": "" if self.columns is None else ", ".join(self.columns) or "none",
            "sort": ", ".join(f"{name}:{'desc' if descends else 'asc'}" for name, descends in self.sort),
        }


def view_of(arguments: Mapping[str, str]) -> TableView:
    """Return the view that an address, or the browser, tells.

    Raises
    ------
    InvalidInputError
        If something in it cannot be read.
    """
    texts = {name: str(value) for name, value in arguments.items()}
    for name, text in texts.items():
        if len(text) > LONGEST:
            raise InvalidInputError(f"{name} has {len(text)} characters; shorten it to {LONGEST}")
    columns = texts.get("columns", "").strip()
    chosen = None if not columns else () if columns == "none" else checked_columns(names_of(columns))
    sort = []
    for part in names_of(texts.get("sort", "")):
        name, colon, direction = part.rpartition(":")
        if not colon or direction not in ("asc", "desc"):
            raise InvalidInputError(f"sort={part!r} is no order; write it as metrics.auc:desc")
        sort.append((write_field(parse_field(name)), direction == "desc"))
    return TableView(
        texts.get("filter", "").strip(),
        texts.get("search", "").strip(),
        texts.get("invert") == "1",
        texts.get("group", "") or "type",
        chosen,
        tuple(sort[:5]),
    )


def checked_columns(columns: Any) -> tuple[str, ...]:
    """Return fields as they are written, each once.

    Raises
    ------
    InvalidInputError
        If they are no fields, or too many.
    """
    if not isinstance(columns, list | tuple) or not all(isinstance(item, str) and len(item) <= 500 for item in columns):
        raise InvalidInputError("the columns are no list of names; choose them on the page")
    if len(columns) > MOST_COLUMNS:
        raise InvalidInputError(f"{len(columns)} columns are too many; choose at most {MOST_COLUMNS}")
    return tuple(dict.fromkeys(write_field(parse_field(item)) for item in columns))


def sorted_by(view: TableView, model: Any) -> TableView:
    """Return the view in the order that the grid asks for; an unknown column is refused."""
    if not isinstance(model, list) or len(model) > 5:
        raise InvalidInputError("the order is no list of at most 5 columns; click on a head of the table")
    sort = []
    for item in model:
        if not isinstance(item, dict) or item.get("sort") not in ("asc", "desc"):
            raise InvalidInputError(f"{item!r} is no order; click on a head of the table")
        sort.append((write_field(parse_field(str(item.get("colId"))[:500])), item["sort"] == "desc"))
    return replace(view, sort=tuple(sort))


def merged(search: Any, said: Mapping[str, str]) -> str:
    """Return the part of an address behind the question mark, with some of its names said anew."""
    kept = dict(parse_qsl(search.lstrip("?"), max_num_fields=200)) if isinstance(search, str) else {}
    kept.update(said)
    text = urlencode({name: value for name, value in kept.items() if value})
    return f"?{text}" if text else ""


def names_of(text: str) -> Sequence[str]:
    """Return the names of a list such as ``metrics.auc, params."a, b"``."""
    return [match.group(1).strip() for match in _PART.finditer(text) if match.group(1).strip()]


def _all(parts: Sequence[Condition]) -> Condition | None:
    return None if not parts else parts[0] if len(parts) == 1 else And(tuple(parts))


def _search(word: str) -> Condition:
    return Or(tuple(Like(Field("", name), f"%{word}%") for name in _SEARCHED))
