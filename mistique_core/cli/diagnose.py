"""``mistique diagnose TECHNIQUE ...``: answer a diagnostic question."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from mistique_core.cli.context import cells, console, open_store, say, table
from mistique_core.cli.options import row_ids
from mistique_core.diagnostics import TECHNIQUES, Parameter, Technique, diagnose

_SHOWN_ROWS = 20
_POSITIONAL = ("column", "columns", "keys")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command, with a command of its own for each technique."""
    parser = subparsers.add_parser(
        "diagnose",
        help="answer a diagnostic question",
        description="Answer a diagnostic question; without a technique, list them.",
    )
    parser.set_defaults(run=run, technique=None)
    techniques = parser.add_subparsers(title="techniques", metavar="TECHNIQUE")
    for technique in TECHNIQUES.values():
        _add(techniques, technique)


def _add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], technique: Technique) -> None:
    parser = subparsers.add_parser(
        technique.name,
        help=technique.question,
        description=f"{technique.title}: {technique.question}",
        epilog="A KEY is project.model[@version].intermediate.column, or without the column the whole intermediate.",
    )
    lists = sum(item.required and item.kind in ("keys", "columns") for item in technique.parameters)
    for item in technique.parameters:
        named = item.kind not in _POSITIONAL or (item.is_list and lists > 1)
        _add_parameter(parser, item, as_option=named or not item.required)
    parser.add_argument("--save", metavar="PATH", help="save as PATH.html, .png, .parquet, .csv or .json")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(technique=technique.name)


def _add_parameter(parser: argparse.ArgumentParser, item: Parameter, as_option: bool) -> None:
    options: dict[str, Any] = {"help": _help(item).replace("%", "%%")}
    if item.kind == "boolean":
        options.update(action=argparse.BooleanOptionalAction, default=None)
    elif item.kind == "where":
        options.update(action="append", metavar="'COLUMN>=VALUE'")
    else:
        options.update(type=_TYPES.get(item.kind), metavar=_METAVARS.get(item.kind), choices=item.choices or None)
    if item.kind in ("keys", "columns"):
        options["nargs"] = "+"
    if not as_option:
        parser.add_argument(item.name, **{**options, "metavar": options["metavar"] and f"{item.name.upper()}"})
        return
    names = [f"--{item.name.replace('_', '-')}"]
    if item.name == "k":
        names.insert(0, "-k")
    parser.add_argument(*names, dest=item.name, required=item.required, **options)


def _help(item: Parameter) -> str:
    if item.required or item.default in (None, ()):
        return item.help
    default = (
        {True: "on", False: "off"}.get(item.default, item.default) if isinstance(item.default, bool) else item.default
    )
    return f"{item.help} Default: {default}."


def _label(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, bool | int | float) else text


_TYPES: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "number": float,
    "row": int,
    "rows": row_ids,
    "label": _label,
}
_METAVARS = {
    "column": "KEY",
    "columns": "KEY",
    "keys": "KEY",
    "integer": "N",
    "number": "X",
    "row": "ID",
    "rows": "ID,ID...",
    "label": "VALUE",
}


def run(args: argparse.Namespace) -> None:
    """Answer a diagnostic question, or list the techniques."""
    if args.technique is None:
        _list()
        return
    technique = TECHNIQUES[args.technique]
    parameters = {item.name: getattr(args, item.name) for item in technique.parameters}
    technique.check(parameters)
    with open_store(args) as store:
        result = diagnose(store, technique.name, parameters)
    if args.save:
        result.save(args.save)
    answer = result.to_json()
    if args.json:
        print(json.dumps({**answer, "plan": result.plan.explain()}, indent=2))
        return
    say(result.sentence)
    shown = table(*((name, "right") for name in answer["columns"]))
    for row in answer["rows"][:_SHOWN_ROWS]:
        shown.add_row(*cells([f"{value:.6g}" if isinstance(value, float) else value for value in row]))
    console.print(shown)
    if answer["row_count"] > _SHOWN_ROWS:
        say(f"{_SHOWN_ROWS} of {answer['row_count']:,} rows; --json prints up to 1,000, --save saves all")
    say(result.plan.explain())


def _list() -> None:
    shown = table("TECHNIQUE", "TOUCHES", "ANSWERS")
    for technique in TECHNIQUES.values():
        shown.add_row(*cells([technique.name, technique.category, technique.question]))
    console.print(shown)
    say("FC or MC: few or many columns; FR or MR: few or many rows. mistique diagnose TECHNIQUE --help says more.")
