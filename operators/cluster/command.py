"""The ``cluster`` command."""

from __future__ import annotations

import argparse

DEFAULT_PORT = 8080
DEFAULT_WORKERS = 2


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``mistique cluster``."""
    parser = subparsers.add_parser(
        "cluster",
        help="start Airflow with several workers, PostgreSQL, Redis and S3 on this machine",
        description="Start, on this machine only and without Docker, the processes that docker-compose.yaml describes: "
        "PostgreSQL, Redis, an S3 server, Airflow's API server, scheduler, DAG processor and triggerer, and Celery "
        "workers. Processes that end are started again. Ctrl-C or SIGTERM stops all of them.",
    )
    parser.add_argument("--exit", action="store_true", help="run one pipeline and one question as a proof, then end")
    parser.add_argument(
        "--workers", type=int, default=DEFAULT_WORKERS, metavar="N", help=f"Celery workers (default {DEFAULT_WORKERS})"
    )
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"port of the Airflow UI (default {DEFAULT_PORT})"
    )
    parser.add_argument(
        "--state", metavar="FOLDER", help="where everything is kept (default: .state/cluster in the project)"
    )
    parser.add_argument("--dags", metavar="FOLDER", help="folder of the DAGs (default: the examples)")
    parser.add_argument(
        "--own-postgres",
        action="store_true",
        help="start a PostgreSQL server although one answers at 127.0.0.1:5432",
    )
    parser.add_argument(
        "--delete", action="store_true", help="delete the databases and the folder of a stopped cluster"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from operators.cluster.story import cluster_command, delete_cluster

    if args.delete:
        return delete_cluster(args.state)
    return cluster_command(
        port=args.port,
        workers=args.workers,
        state=args.state,
        dags=args.dags,
        own_postgres=args.own_postgres,
        stay=not args.exit,
    )
