"""The ``demo`` command."""

from __future__ import annotations

import argparse

DEFAULT_PORT = 8080


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``mistique demo``."""
    parser = subparsers.add_parser(
        "demo",
        help="start Airflow with the example pipelines and ask about them",
        description="Start a real Airflow on this machine only, run the example pipelines, ask diagnostic questions "
        "about them, print the answers and what storing everything cost, and keep serving the Airflow UI.",
    )
    parser.add_argument("--exit", action="store_true", help="end after the answers instead of serving the UI")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"port of the Airflow UI (default {DEFAULT_PORT})"
    )
    parser.add_argument(
        "--state", metavar="FOLDER", help="where Airflow and the store live (default: .state in the project)"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from operators.demo.story import run_demo

    return run_demo(port=args.port, state=args.state, stay=not args.exit)
