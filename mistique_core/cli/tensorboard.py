"""``mistique tensorboard KEY``: an embedding with labels and images, and curves of runs, for TensorBoard."""

from __future__ import annotations

import argparse

from mistique_core.cli.context import open_store, say
from mistique_core.errors import InvalidInputError
from mistique_core.model import IntermediateKey


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "tensorboard",
        help="write an embedding, or curves of runs, for TensorBoard",
        description="Write an intermediate for TensorBoard's projector, with the curves of its version; or, for the "
        "key of a model, the curves of its versions.",
    )
    parser.add_argument("key", metavar="KEY", help="project.model[@version].intermediate, or project.model[@version]")
    parser.add_argument("--logdir", required=True, metavar="FOLDER", help="what tensorboard --logdir is given")
    parser.add_argument("--labels", metavar="KEY", help="a column that labels the points, joined by row_id")
    parser.add_argument("--images", metavar="KEY", help="images of the points, joined by row_id")
    parser.add_argument("--rows", type=int, default=5_000, metavar="N", help="most points (default: 5000)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the files."""
    from mistique_core.exports.tensorboard import export_curves, export_projector

    with open_store(args) as store:
        if args.key.count(".") == 1:
            if args.labels or args.images:
                raise InvalidInputError("--labels and --images are for an intermediate; add its name to the key")
            key = IntermediateKey.parse(f"{args.key}.-")
            points = export_curves(store, key.project, key.model, args.logdir, version=key.version)
            for version, count in points.items():
                say(f"{key.project}.{key.model}@{version}: {count:,} points of curves and metrics")
        else:
            made = export_projector(
                store, args.key, args.logdir, labels=args.labels, images=args.images, rows=args.rows
            )
            say(f"{made.folder}: {made.rows:,} points of {made.dimensions:,} numbers, {made.points:,} points of curves")
            if made.left_out_rows:
                say(f"{made.left_out_rows:,} rows are left out: a number is missing or not finite")
            if made.left_out:
                say(f"columns without numbers are left out: {', '.join(made.left_out)}")
    say(f"tensorboard --logdir {args.logdir} shows it")
