"""``mistique delete``: rows of a project, a model, a version or an intermediate."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from mistique_core.cli.context import console, open_store, say
from mistique_core.errors import InvalidInputError
from mistique_core.model.whole_number import whole_number
from mistique_core.planner import format_bytes

_FORM = "PROJECT[.MODEL[@VERSION][.INTERMEDIATE]]"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "delete",
        help="delete a model, a version or an intermediate",
        description="Delete what was recorded. 'mistique gc' frees its bytes after a grace period.",
    )
    parser.add_argument("path", metavar=_FORM, help="what to delete")
    parser.add_argument("--force", action="store_true", help="also what runs, or other models' stages take as input")
    parser.add_argument("--dry-run", action="store_true", help="say what would be deleted, and change nothing")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Delete, after having asked."""
    project, model, version, intermediate = parse_path(args.path)
    with open_store(args) as store:
        if not args.dry_run and not args.yes:
            would = store.delete(
                project, model, version=version, intermediate=intermediate, force=args.force, dry_run=True
            )
            ask(f"delete {would.what} ({would.intermediates} intermediates, {format_bytes(would.freed_bytes)})")
        report = store.delete(
            project, model, version=version, intermediate=intermediate, force=args.force, dry_run=args.dry_run
        )
    if args.json:
        print(json.dumps(dataclasses.asdict(report), indent=2))
        return
    verb = "would delete" if args.dry_run else "deleted"
    say(
        f"{verb} {report.what}: {report.versions} versions, {report.stages} stages, {report.intermediates} "
        f"intermediates; {format_bytes(report.freed_bytes)} of chunks belong to nothing else"
    )
    for name in report.dependents:
        say(f"{name} {'would lose' if args.dry_run else 'has lost'} an input and can no longer be re-run")
    if not args.dry_run:
        say("'mistique gc' frees the bytes")


def ask(what: str) -> None:
    """Ask a person; raises :class:`InvalidInputError` where nobody can answer, or the answer is no."""
    if not sys.stdin.isatty():
        raise InvalidInputError(f"nobody was asked whether to {what}; repeat with --yes, or look with --dry-run")
    if console.input(f"{what}? [y/N] ", markup=False).strip().lower() not in ("y", "yes"):
        raise InvalidInputError("nothing was deleted; answer 'y' to delete")


def parse_path(path: str) -> tuple[str, str | None, int | None, str | None]:
    """Return (project, model, version, intermediate); what is left out is ``None``.

    Raises
    ------
    InvalidInputError
        If it has another form.
    """
    parts = path.split(".")
    if len(parts) > 3 or not all(parts):
        raise InvalidInputError(f"{path!r} is not of the form {_FORM}")
    if len(parts) == 1:
        return parts[0], None, None, None
    model, at, number = parts[1].partition("@")
    version = whole_number(number, 1) if at else None
    if not model or (at and version is None):
        raise InvalidInputError(
            f"{path[:200]!r} has version {number[:40]!r}; give a number from 1, such as {model[:40] or 'model'}@1"
        )
    return parts[0], model, version, parts[2] if len(parts) == 3 else None
