"""Small pieces that all interactive pages are made of. Text is escaped by Dash; nothing here takes HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from mistique_ui.formats import MISSING, format_ago, format_iso, format_time


def heading(title: Any, *, above: Any = None, beside: Any = None) -> html.Div:
    """Return the head of a page: a title, breadcrumbs above, actions beside."""
    crumbs = [html.P(above, className="crumbs")] if above is not None else []
    return html.Div([*crumbs, html.Div([html.H1(title), html.Div(beside)], className="row")], className="head")


def crumbs(*links: tuple[str, str]) -> list[Any]:
    """Return breadcrumbs from (label, address)."""
    found: list[Any] = []
    for at, (label, address) in enumerate(links):
        found += [" / "] if at else []
        found.append(dcc.Link(label, href=address))
    return found


def nothing(title: str, hint: Any) -> html.Div:
    """Return what stands where there is nothing to show: what is missing, and what to do."""
    return html.Div([html.H2(title), html.P(hint)], className="empty")


def problem(title: str, hint: str = "") -> html.Div:
    """Return an error for people: what happened, and what to do."""
    return html.Div([html.Strong(title), html.Span(f"; {hint}" if hint else "")], className="problem", role="alert")


def facts(pairs: Sequence[tuple[str, Any]]) -> html.Dl:
    """Return a list of names and values; ``None`` becomes a dash."""
    return html.Dl(
        [html.Div([html.Dt(name), html.Dd(MISSING if value is None else value)]) for name, value in pairs],
        className="facts",
    )


def moment(seconds: float | None) -> Any:
    """Return a moment, which the browser shows in the viewer's zone, and how long ago it was."""
    if seconds is None:
        return MISSING
    shown = html.Time(format_time(seconds), dateTime=format_iso(seconds))
    return html.Span([shown, html.Span(f" {format_ago(seconds)}", className="soft")])


def badge(text: str, kind: str = "") -> html.Span:
    """Return a short label; `kind` is a class of ``style.css`` such as ``success``, ``failed`` or ``reused``."""
    return html.Span(text, className=f"badge {kind}".strip())


def card(content: Any, *, title: str | None = None, **options: Any) -> html.Section:
    """Return a framed part of a page."""
    head = [html.H2(title)] if title else []
    return html.Section([*head, *(content if isinstance(content, list) else [content])], className="card", **options)


def labelled(label: str, control: Any, hint: str = "") -> html.Label:
    """Return a control with its label."""
    return html.Label([html.Span(label), control], className="field", title=hint or None)


def breakable(name: str) -> list[Any]:
    """Return a name that may break after ``_``, ``.``, ``/`` and ``-``, and not within a word."""
    parts: list[Any] = []
    for part in re.split(r"(?<=[_./-])", name):
        parts += [part, html.Wbr()]
    return parts[:-1]
