"""The form of a technique, drawn from its description, and what was filled in, as a request."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html

from mistique_core.diagnostics import Parameter, Technique
from mistique_core.errors import InvalidInputError
from mistique_ui.interactive.parts import labelled

FIELD = "ask-field"
MOST_TEXT = 4_000
MOST_ITEMS = 1_000
_KEYS = ("column", "columns", "keys")
_ABOUT_ROWS = ("row_id", "where", "strategy")
_HINTS = {
    "column": "project.model.intermediate.column",
    "columns": "project.model.intermediate.column, one or several",
    "keys": "project.model.intermediate, or with .column",
    "rows": "such as 7, 14",
    "row": "a row id",
    "where": "one a line, such as rooms>=4",
    "label": "a value",
}


def field_id(name: str) -> dict[str, str]:
    """Return the id of the component of a parameter."""
    return {"type": FIELD, "name": name}


def form(technique: Technique, given: Mapping[str, Any]) -> list[Any]:
    """Return the fields of a technique: what it needs first, then its options, then which rows.

    Parameters
    ----------
    technique
        The technique.
    given
        What is filled in already, as JSON values; what the technique does not take is left out.
    """
    needed = [item for item in technique.parameters if item.required]
    rows = [item for item in technique.parameters if not item.required and item.name in _ABOUT_ROWS]
    options = [item for item in technique.parameters if not item.required and item.name not in _ABOUT_ROWS]
    groups = (("", needed), ("Options", options), ("Which rows, and how to get them", rows))
    return [
        html.Fieldset(
            [*([html.Legend(title)] if title else []), *(_field(item, given.get(item.name)) for item in items)],
            className="ask-group",
        )
        for title, items in groups
        if items
    ]


def _field(item: Parameter, value: Any) -> html.Div:
    title = f"{item.title} *" if item.required else item.title
    help_text = [item.help]
    if not item.required and item.default not in (None, (), False, True):
        help_text.append(f"Default: {item.default}.")
    return html.Div(
        [labelled(title, _control(item, value)), html.P(" ".join(help_text), className="ask-help")],
        className=f"ask-one {'across' if item.kind in (*_KEYS, 'where') else ''}".strip(),
    )


def _control(item: Parameter, value: Any) -> Any:
    name = field_id(item.name)
    if item.kind in _KEYS:
        chosen = _as_list(value) if item.is_list else value if isinstance(value, str) else None
        known = chosen if isinstance(chosen, list) else [chosen] if chosen else []
        return dcc.Dropdown(
            id=name,
            options=[{"label": key, "value": key} for key in known],
            value=chosen,
            multi=item.is_list,
            placeholder=_HINTS[item.kind],
            maxHeight=320,
        )
    if item.kind == "choice":
        return dcc.Dropdown(
            id=name,
            options=[{"label": choice, "value": choice} for choice in item.choices],
            value=value if value in item.choices else item.default,
            clearable=False,
            searchable=False,
        )
    if item.kind == "boolean":
        chosen = value if isinstance(value, bool) else bool(item.default)
        return dcc.Dropdown(
            id=name,
            options=[{"label": "yes", "value": "yes"}, {"label": "no", "value": "no"}],
            value="yes" if chosen else "no",
            clearable=False,
            searchable=False,
        )
    if item.kind == "where":
        return dcc.Textarea(id=name, value=_lines(value), placeholder=_HINTS["where"], rows=2, maxLength=MOST_TEXT)
    return dcc.Input(
        id=name,
        type="text",
        value=_text(item, value),
        placeholder=_HINTS.get(item.kind, "" if item.default is None else str(item.default)),
        debounce=0.4,
        maxLength=MOST_TEXT,
    )


def _as_list(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _lines(value: Any) -> str:
    items = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    return "\n".join(item if isinstance(item, str) else json.dumps(item) for item in items)


def _text(item: Parameter, value: Any) -> str:
    if value is None:
        return ""
    if item.kind == "rows" and isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def request_of(technique: Technique, names: Sequence[Any], values: Sequence[Any]) -> dict[str, Any]:
    """Return what was filled in as the parameters of a request; fields that were left empty are left out.

    Parameters
    ----------
    technique
        The technique.
    names, values
        Of the fields, side by side, as the browser sent them.

    Raises
    ------
    InvalidInputError
        If a text is none of what the parameter takes, or too much was sent.
    """
    found: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        known = next((item for item in technique.parameters if item.name == name), None)
        if known is not None and value not in (None, "", []):
            parsed = _parsed(known, value)
            if parsed is not None:
                found[known.name] = parsed
    return found


def _parsed(item: Parameter, value: Any) -> Any:
    if isinstance(value, str) and len(value) > MOST_TEXT:
        raise InvalidInputError(f"{item.name} has {len(value):,} characters; write at most {MOST_TEXT:,}")
    if isinstance(value, list):
        if len(value) > MOST_ITEMS:
            raise InvalidInputError(f"{item.name} has {len(value):,} items; choose at most {MOST_ITEMS:,}")
        if not all(isinstance(one, str) and len(one) <= MOST_TEXT for one in value):
            raise InvalidInputError(f"{item.name}={str(value)[:80]!r} is no list of keys; choose some of the list")
        return value
    if not isinstance(value, str):
        raise InvalidInputError(f"{item.name}={str(value)[:80]!r} is no text; fill the field in again")
    if item.kind == "boolean":
        return {"yes": True, "no": False}.get(value, value)
    if item.kind in ("column", "choice", "columns", "keys"):
        return value
    if item.kind == "where":
        return [_predicate(line.strip()) for line in value.splitlines() if line.strip()] or None
    if item.kind == "rows":
        return [_number(item, part) for part in value.replace(",", " ").split()] or None
    if item.kind == "label":
        return _label(value.strip())
    return _number(item, value.strip())


def _predicate(line: str) -> Any:
    if not line.startswith("["):
        return line
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"where {line[:80]!r} is no JSON: {error}; write [column, operator, value]") from None


def _label(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, (bool, int, float)) else text


def _number(item: Parameter, text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        what = "numbers with commas between" if item.kind == "rows" else "a number"
        raise InvalidInputError(f"{item.name}={text[:80]!r} is no number; write {what}")
    return value
