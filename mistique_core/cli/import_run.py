"""``mistique import-run FILE...``: runs that YAML or JSON files describe."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from mistique_core.cli.context import cells, console, say, table
from mistique_core.errors import InvalidInputError, MistiqueError

if TYPE_CHECKING:
    from mistique_core.modeldb.light_api import ImportedFile, LightFile

STANDARD_INPUT = "-"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "import-run",
        help="record runs that YAML or JSON files describe",
        description="Record the models, settings and metrics that files of the Light API describe, whatever made them. "
        "The store is created if it is new. A file that says the same again changes nothing; one with a mistake is "
        "named with its line, and the others are recorded.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="YAML or JSON; - reads one from standard input")
    parser.add_argument("--project", metavar="NAME", help="default: PROJECT of the file, else light_api")
    parser.add_argument("--model", metavar="NAME", help="default: NAME of the model in the file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Import files; return 1 if one of them was refused."""
    from mistique_core.modeldb.light_api import import_file
    from mistique_core.store import Mistique

    read: list[tuple[str, LightFile]] = []
    refused = 0
    if args.files.count(STANDARD_INPUT) > 1:
        raise InvalidInputError("standard input can be read once; give '-' once")
    for name in args.files:
        try:
            read.append((name, _read(name)))
        except MistiqueError as error:
            refused += 1
            print(error, file=sys.stderr)
    if not read:
        return 1
    done: list[tuple[str, ImportedFile]] = []
    with Mistique.open(args.store, args.catalogue) as store:
        for name, file in read:
            done.append((name, import_file(store, file, project=args.project, model=args.model, name=_stem(name))))
    if args.json:
        print(json.dumps([_as_json(name, item) for name, item in done], indent=2))
    else:
        _say(done)
    return 1 if refused else 0


def _read(name: str) -> LightFile:
    from mistique_core.modeldb.light_api.read import light_file_of, read_light_file
    from mistique_core.modeldb.light_api.text import read_text

    if name == STANDARD_INPUT:
        return light_file_of(read_text(sys.stdin.read(), "standard input"))
    return read_light_file(name)


def _stem(name: str) -> str | None:
    from pathlib import Path

    return None if name == STANDARD_INPUT else Path(name).stem


def _as_json(name: str, item: ImportedFile) -> dict[str, object]:
    return {
        "file": name,
        "name": item.name,
        "run_id": item.run_id,
        "version": str(item.version),
        "is_new": item.is_new,
    }


def _say(done: list[tuple[str, ImportedFile]]) -> None:
    shown = table("MODEL", "TYPE", "FITTED ON", "SETTINGS", "METRICS")
    for _, item in done:
        for model in item.file.models:
            metrics = (
                f"{metric.name}={metric.value:g}" + (f" ({metric.tag})" if metric.tag != model.tag else "")
                for metric in model.metrics
            )
            settings = (f"{key}={value}" for key, value in model.config.items())
            shown.add_row(*cells([model.name, model.model_type, model.tag, ", ".join(settings), ", ".join(metrics)]))
    console.print(shown)
    for name, item in done:
        verb = "recorded as" if item.is_new else "was recorded before as"
        say(f"{name} {verb} {item.version} (run {item.name} {item.run_id})")
