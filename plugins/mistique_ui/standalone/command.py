"""The ``ui`` command."""

from __future__ import annotations

import argparse
import sys

from mistique_core.errors import InvalidInputError

DEFAULT_PORT = 8050


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``mistique ui``."""
    parser = subparsers.add_parser(
        "ui",
        help="show the pages of a store in a browser, without Airflow",
        description="Serve the pages of the store on this machine only. Whoever has the printed address may read and "
        "edit what is recorded. Nothing is re-run; press Ctrl+C to end.",
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"0 for a free one (default {DEFAULT_PORT})")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from mistique_core.cli.context import existing_store

    settings = existing_store(args)
    try:
        from mistique_ui.standalone.server import serve
    except ModuleNotFoundError as missing:
        raise InvalidInputError(
            f"the pages need {missing.name}; install them with: pip install 'mistique-airflow[ui]'"
        ) from missing
    serve(settings, port=args.port, open_browser=not args.no_browser and sys.stdout.isatty())
