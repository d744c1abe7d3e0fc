"""``mistique import-mlflow FOLDER`` and ``mistique export-mlflow NAME RUN_ID``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import TYPE_CHECKING

from mistique_core.cli.context import cells, console, open_store, say, table
from mistique_core.cli.progress import progress_bar

if TYPE_CHECKING:
    from mistique_core.modeldb.mlflow_import import MlflowReport


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    importing = subparsers.add_parser(
        "import-mlflow",
        help="record the runs of an MLflow tracking store",
        description="Record the runs of a tracking store, a folder or a SQLite file, without MLflow. The store is "
        "created if it is new. Importing again records what is new or has changed.",
    )
    importing.add_argument("folder", metavar="FOLDER", help="MLflow's mlruns or mlflow.db, or the folder that holds it")
    importing.add_argument(
        "--project", metavar="NAME", default="mlflow", help="what the runs belong to (default: mlflow)"
    )
    importing.add_argument("--experiment", metavar="NAME", help="only the runs of this one")
    importing.add_argument("--json", action="store_true", help="print JSON")
    importing.set_defaults(run=run_import)
    exporting = subparsers.add_parser(
        "export-mlflow",
        help="write a recorded run into an MLflow tracking store",
        description="Write a recorded run, with its cells and folds as child runs, through MLflow's own client, which "
        "must be installed.",
    )
    exporting.add_argument("name", metavar="DAG_OR_NAME", help="the DAG, script or file that ran")
    exporting.add_argument("run_id", metavar="RUN_ID", help="its run")
    exporting.add_argument(
        "--to", required=True, metavar="FOLDER", help="folder of the tracking store, or a URI of MLflow's"
    )
    exporting.set_defaults(run=run_export)


def run_import(args: argparse.Namespace) -> int:
    """Import; return 1 if a run cannot be read."""
    from mistique_core.modeldb.mlflow_import import find_tracking_store, import_mlflow
    from mistique_core.store import Mistique

    folder = find_tracking_store(args.folder)
    with Mistique.open(args.store, args.catalogue) as store, progress_bar("importing runs") as progress:
        report = import_mlflow(store, folder, project=args.project, experiment=args.experiment, progress=progress)
    if args.json:
        print(json.dumps(dataclasses.asdict(report), indent=2))
    else:
        _say(report)
    for _, reason in report.failed:
        print(f"mistique: {reason}", file=sys.stderr)
    return 1 if report.failed else 0


def _say(report: MlflowReport) -> None:
    shown = table("MODEL", ("NEW", "right"), ("CHANGED", "right"), ("AS BEFORE", "right"))
    counts: dict[str, list[int]] = {}
    for column, runs in enumerate((report.recorded, report.changed, report.unchanged)):
        for version in runs.values():
            counts.setdefault(f"{version.project}.{version.model}", [0, 0, 0])[column] += 1
    for model, numbers in sorted(counts.items()):
        shown.add_row(*cells([model, *numbers]))
    if counts:
        console.print(shown)
    for what, why in report.skipped:
        say(f"{what} is skipped: {why}")
    say(
        f"{len(report.recorded)} runs recorded, {len(report.changed)} recorded anew, "
        f"{len(report.unchanged)} as before, {len(report.skipped)} skipped, {len(report.failed)} cannot be read"
    )


def run_export(args: argparse.Namespace) -> None:
    """Export."""
    from mistique_core.modeldb.mlflow_export import export_mlflow

    with open_store(args) as store:
        run_id = export_mlflow(store, args.name, args.run_id, args.to)
    say(f"{args.name} {args.run_id} is run {run_id} in {args.to}")
