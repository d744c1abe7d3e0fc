"""``mistique workflow``: run and check YAML workflows."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mistique_core.cli.context import console, say
from mistique_core.errors import InvalidInputError, MistiqueError

if TYPE_CHECKING:
    from mistique_core.workflows.specification import WorkflowSpec


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    parser = subparsers.add_parser(
        "workflow",
        help="run or check YAML workflows",
        description="Run a workflow that a YAML file specifies, without Airflow, or check such files.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    running = commands.add_parser(
        "run",
        help="run a workflow and log every intermediate",
        description="Run a workflow and log every intermediate to the store, which is created if it is new.",
    )
    running.add_argument("file", metavar="FILE", type=Path)
    which = running.add_mutually_exclusive_group()
    which.add_argument("--variation", metavar="NAME", help="run one variation")
    which.add_argument("--all", action="store_true", help="run every variation, one after the other")
    _add_common(running, "value of a parameter: JSON, or a text; may be repeated")
    running.set_defaults(run=run)
    searching = commands.add_parser(
        "search",
        help="search a workflow's hyperparameters",
        description="Try the combinations of hyperparameters that the file's section search asks for, each as a run of "
        "its own, and run the workflow with the best ones.",
    )
    searching.add_argument("file", metavar="FILE", type=Path)
    searching.add_argument("--variation", metavar="NAME", help="search in one variation")
    searching.add_argument("--trials", type=int, metavar="N", help="how many combinations are tried; not for a grid")
    searching.add_argument("--parallel", type=int, metavar="N", help="trials at a time, each in a process of its own")
    searching.add_argument("--continue", dest="run_id", metavar="ID", help="go on with a search that was interrupted")
    _add_common(searching, "value of a parameter that is not searched: JSON, or a text; may be repeated")
    searching.set_defaults(run=search)
    checking = commands.add_parser(
        "check",
        help="say what is wrong with files",
        description="Check files, and make every stage of every variation once; nothing is run. "
        "Environment variables need not be set.",
    )
    checking.add_argument("files", nargs="+", metavar="FILE", type=Path)
    checking.set_defaults(run=check)
    schema = commands.add_parser(
        "schema",
        help="print the JSON schema of workflow files",
        description="Print the JSON schema of workflow files, for editors: every operator with its parameters.",
    )
    schema.set_defaults(run=print_schema)


def _add_common(parser: argparse.ArgumentParser, setting: str) -> None:
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=setting)
    parser.add_argument("--no-reuse", action="store_true", help="execute stages although equal ones ran before")
    parser.add_argument(
        "--location", dest="store", default=argparse.SUPPRESS, metavar="FOLDER", help="folder of the store, as --store"
    )


def run(args: argparse.Namespace) -> None:
    """Run a workflow."""
    from mistique_core.store import Mistique
    from mistique_core.workflows.specification import load_workflow
    from mistique_core.workflows.workflow_run import run_workflow

    spec = load_workflow(args.file)
    if args.variation is not None:
        chosen = [spec.variation(args.variation)]
    elif args.all:
        chosen = spec.all_variations()
    elif spec.variations:
        raise InvalidInputError(
            f"{args.file} has the variations {', '.join(spec.variations)}; give --variation NAME or --all"
        )
    else:
        chosen = [spec]
    parameters = dict(_parse_setting(text, spec) for text in args.set)
    for item in chosen:
        item.values(parameters)
    with Mistique.open(args.store, args.catalogue) as store:
        for item in chosen:
            report = run_workflow(store, item, parameters=parameters, reuse=not args.no_reuse)
            console.print(report.table())
            say(report.summary())


def search(args: argparse.Namespace) -> None:
    """Search a workflow's hyperparameters."""
    from mistique_core.store import Mistique
    from mistique_core.workflows.search import run_search
    from mistique_core.workflows.specification import load_workflow

    spec = load_workflow(args.file)
    if args.variation is not None:
        spec = spec.variation(args.variation)
    elif spec.variations:
        raise InvalidInputError(f"{args.file} has the variations {', '.join(spec.variations)}; give --variation NAME")
    parameters = dict(_parse_setting(text, spec) for text in args.set)
    with Mistique.open(args.store, args.catalogue) as store:
        report = run_search(
            store,
            spec,
            parameters=parameters,
            trials=args.trials,
            parallel=args.parallel,
            reuse=not args.no_reuse,
            run_id=args.run_id,
        )
    console.print(report.table())
    say(report.summary())


def _parse_setting(text: str, spec: WorkflowSpec) -> tuple[str, Any]:
    """Parse ``name=value``; the value of a parameter that can only be a text needs no quotes."""
    name, sign, value = text.partition("=")
    if not sign:
        raise InvalidInputError(f"--set {text!r} has no '='; write NAME=VALUE")
    if spec.types.get(name, {}).get("type") == "string":
        return name, value
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def check(args: argparse.Namespace) -> int:
    """Check files; return 1 if anything is wrong."""
    wrong = [file for file in args.files if not _check(file)]
    return 1 if wrong else 0


def _check(file: Path) -> bool:
    from mistique_core.workflows.specification import load_workflow
    from mistique_core.workflows.specification.build import check_stages

    try:
        spec = load_workflow(file)
        found: dict[str, None] = {}
        for item in spec.all_variations():
            name = "" if item.variant is None else f"variation {item.variant}: "
            for stage, reason in check_stages(item.resolved(environ=_UnsetVariables()).stages):
                found[f"{file}:{stage.line}: stages.{stage.name}: {name}{reason}"] = None
    except MistiqueError as error:
        print(error, file=sys.stderr)
        return False
    for line in found:
        print(line, file=sys.stderr)
    if not found:
        search = "" if spec.search is None else f" a search of {spec.search.trials} trials,"
        say(f"{file}: {len(spec.stages)} stages, {len(spec.variations)} variations,{search} no problems")
    return not found


class _UnsetVariables(dict[str, str]):
    """Environment variables of another machine: each stands for its own name."""

    def get(self, name: str, default: Any = None) -> str:
        """Return a text that says which variable it is."""
        return f"${{env:{name}}}"


def print_schema(args: argparse.Namespace) -> None:
    """Print the schema."""
    from mistique_core.workflows.specification.schema import render_schema

    print(render_schema(), end="")
