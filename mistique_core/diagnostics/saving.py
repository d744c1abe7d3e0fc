"""Saving an answer as a page, a picture or a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mistique_core.diagnostics.picture import png_of
from mistique_core.errors import InvalidInputError, StorageError

if TYPE_CHECKING:
    from mistique_core.diagnostics.result import DiagnosticResult

_SHOWN_ROWS = 100
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1c2b33}"
    "table{border-collapse:collapse;font-size:13px}td,th{padding:.2rem .7rem;text-align:right;"
    "border-bottom:1px solid #dde3e6}pre{background:#f3f5f6;padding:.7rem;overflow:auto}.scroll{overflow:auto}"
)


def save(result: DiagnosticResult, path: Path) -> Path:
    """Write an answer to `path` in the format of its suffix; see :meth:`DiagnosticResult.save`."""
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise InvalidInputError(f"cannot tell the format of {str(path)!r}; end it with {', '.join(_WRITERS)}")
    content = write(result)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise StorageError(f"cannot write {str(path)!r}: {error.strerror or error}; choose another file") from error
    return path


def html_of(result: DiagnosticResult) -> str:
    """Return a page that holds all it needs: sentence, figure with Plotly's own script, table and plan."""
    figure = result.figure().to_html(full_html=False, include_plotlyjs=True, config={"displaylogo": False})
    answer = result.to_json(_SHOWN_ROWS)
    head = "".join(f"<th>{escape(name)}</th>" for name in answer["columns"])
    body = "".join(f"<tr>{''.join(f'<td>{escape(_text(value))}</td>' for value in row)}</tr>" for row in answer["rows"])
    shown, count = len(answer["rows"]), answer["row_count"]
    note = f"{shown:,} of {count:,} rows" if answer["truncated"] else f"{count:,} row{'' if count == 1 else 's'}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(result.technique)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(result.technique)}</h1><p>{escape(result.sentence)}</p>"
        f'{figure}<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f"<p>{note}</p><pre>{escape(result.plan.explain())}</pre></body></html>\n"
    )


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


def _html(result: DiagnosticResult) -> bytes:
    return html_of(result).encode()


def _png(result: DiagnosticResult) -> bytes:
    return png_of(result.figure())


def _csv(result: DiagnosticResult) -> bytes:
    return result.frame.to_csv().encode()


def _parquet(result: DiagnosticResult) -> bytes:
    frame = result.frame.reset_index().rename(columns=str)
    for name in frame.columns[[_is_mixed(frame[name]) for name in frame.columns]]:
        frame[name] = frame[name].map(str, na_action="ignore")
    try:
        content: bytes = frame.to_parquet(index=False)
    except ImportError as error:
        raise InvalidInputError(
            "Parquet needs pyarrow; install it with pip install pyarrow, or save as .csv"
        ) from error
    return content


def _is_mixed(column: pd.Series) -> bool:
    """Whether a column holds values of several types, as labels of groups may; Parquet knows one type a column."""
    return column.dtype.kind == "O" and column.dropna().map(type).nunique() > 1


def _json(result: DiagnosticResult) -> bytes:
    document = {"technique": result.technique, **result.to_json(None), "plan": result.plan.explain()}
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


_WRITERS: dict[str, Callable[[DiagnosticResult], bytes]] = {
    ".html": _html,
    ".png": _png,
    ".parquet": _parquet,
    ".csv": _csv,
    ".json": _json,
}
