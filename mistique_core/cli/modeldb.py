"""``mistique modeldb``: recorded runs, re-run and compared."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mistique_core.cli.context import cells, console, open_store, say, table

if TYPE_CHECKING:
    from mistique_core.modeldb.reproduce import Verdict

_RUN = "project.model[@version], or the id of a run"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    parser = subparsers.add_parser(
        "modeldb", help="recorded runs: re-run, compare", description="Re-run and compare recorded runs."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    again = commands.add_parser(
        "rerun",
        help="re-run a recorded run, and say whether it gives what was recorded",
        description="Re-create the workflow of a run from its record, run it, and compare every output bit by bit. "
        "The exit status is 1 if something differs.",
    )
    again.add_argument("name", metavar="RUN", help=_RUN)
    again.add_argument("--yaml", metavar="FILE", help="write the workflow file instead of running; - for the terminal")
    again.add_argument("--model", metavar="NAME", help="model that the re-run logs to (default: <model>_rerun)")
    again.add_argument("--json", action="store_true", help="print the verdict as JSON")
    again.set_defaults(run=rerun)
    verdict = commands.add_parser(
        "verdict",
        help="say what differs between a run and the one before it",
        description="Compare a run with the one before it, or with another: code, inputs and outputs of every stage.",
    )
    verdict.add_argument("name", metavar="RUN", help=_RUN)
    verdict.add_argument("--against", metavar="RUN", help=f"what to compare it with: {_RUN}")
    verdict.add_argument("--json", action="store_true", help="print the verdict as JSON")
    verdict.set_defaults(run=compare)


def rerun(args: argparse.Namespace) -> int:
    """Re-run a run, or write its workflow file; return 1 if something differs."""
    from mistique_core.modeldb.reproduce import recorded_workflow, rerun_run, workflow_yaml
    from mistique_core.modeldb.reproduce.named_version import named_version

    with open_store(args) as store:
        with store.catalogue.read() as connection:
            version_id = named_version(connection, args.name)
            workflow = recorded_workflow(connection, version_id)
        if args.yaml is not None:
            text = workflow_yaml(workflow)
            if args.yaml == "-":
                sys.stdout.write(text)
            else:
                Path(args.yaml).write_text(text, encoding="utf-8")
                say(f"{workflow.label} is written to {args.yaml}; mistique workflow run {args.yaml} runs it")
            return 0
        report = rerun_run(store, version_id, model=args.model)
    return _show(report.verdict, as_json=args.json)


def compare(args: argparse.Namespace) -> int:
    """Compare two runs; return 1 if something differs."""
    from mistique_core.modeldb.reproduce import compare_workflows, recorded_workflow, verdict_of_version
    from mistique_core.modeldb.reproduce.named_version import named_version

    with open_store(args) as store, store.catalogue.read() as connection:
        version_id = named_version(connection, args.name)
        if args.against is None:
            verdict = verdict_of_version(connection, version_id)
        else:
            other = recorded_workflow(connection, named_version(connection, args.against))
            verdict = compare_workflows(recorded_workflow(connection, version_id), other)
    if verdict is None:
        say(f"{args.name} is the first of its model; give --against RUN to compare it with another")
        return 0
    return _show(verdict, as_json=args.json)


def _show(verdict: Verdict, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(verdict.to_json(), indent=2))
    else:
        shown = table("STAGE", "VERDICT", "CODE", "INPUTS", "OUTPUTS", "DIFFERENCES")
        for item in verdict.stages:
            same = (item.same_code, item.same_inputs, item.same_outputs)
            shown.add_row(*cells([item.name, item.outcome, *map(_word, same), "; ".join(item.differences)]))
        console.print(shown)
        say(verdict.sentence)
    return 0 if verdict.is_equal else 1


def _word(value: bool | None) -> str:
    return "" if value is None else "same" if value else "differ"
