"""Thousands of runs with hundreds of metrics each: the first page, a filtered and sorted one, and a comparison.

Run ``python -m benchmarks.modeldb_scale [--quick] [--json PATH] [--rows N] [--metrics N,N] [--databases D,D]``. Runs
are inserted in bulk into a new catalogue, on SQLite and on PostgreSQL (127.0.0.1:5432, trusted, where one answers), and
asked for through the calls that the pages and the JSON API use.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from benchmarks.bulk_rows import insert_columns
from benchmarks.harness import Budget, Report, arguments, finish, seconds
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.entities import experiment_id, model_id
from mistique_core.catalogue.migrate import ensure_schema
from mistique_core.catalogue.modeldb_tables import hyperparameter, metric, value_name
from mistique_core.catalogue.tables import experiment_run, model_version, stage
from mistique_core.modeldb import ModelDB

ROOT = Path(__file__).resolve().parents[1]
SERVER = "postgresql+psycopg://postgres@127.0.0.1:5432/test"
SEED = 4
REPEATS = 5
COMPARED = 500
BATCH = 200
HYPERPARAMETERS = 12
FILTER = "metrics.m7 > 0.9 and params.p3 < 6 order by metrics.m7 desc"
BUDGETS = (
    Budget("first_page_s", "first page of 50 runs, seconds, < 1", at_most=1.0),
    Budget("filter_sort_s", "a filtered and sorted page, seconds, < 1", at_most=1.0),
    Budget("compare_500_s", "comparing 500 runs, seconds, < 2", at_most=2.0),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=10_000, quick_rows=1_000, extra=_own_options)
    widths = [int(text) for text in (options.metrics or ("100" if options.quick else "100,1000")).split(",")]
    databases = (options.databases or ("sqlite" if options.quick else "sqlite,postgresql")).split(",")
    report = Report("modeldb_scale", {"runs": options.rows, "metrics": widths, "compared": COMPARED})
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    worst: dict[str, float] = {}
    for database in databases:
        for width in widths:
            with tempfile.TemporaryDirectory(dir=build, prefix="modeldb-scale-") as folder:
                measured = measure(report, database, Path(folder), options.rows, width)
            for name, value in measured.items():
                report.ratios[f"{name}_{database}_{width}"] = value
                worst[name] = max(worst.get(name, 0.0), value)
    report.ratios.update(worst)
    finish(report, BUDGETS, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--metrics", metavar="N,N", help="metrics of a run (default 100,1000, quick 100)")
    parser.add_argument("--databases", metavar="D,D", help="sqlite, postgresql (default both, quick sqlite)")


@contextmanager
def new_catalogue(database: str, folder: Path) -> Iterator[Catalogue]:
    """Yield an empty catalogue, which is gone afterwards."""
    if database == "sqlite":
        catalogue = Catalogue(f"sqlite:///{folder / 'catalogue.db'}")
        ensure_schema(catalogue)
        yield catalogue
        catalogue.close()
        return
    engine = sa.create_engine(SERVER, isolation_level="AUTOCOMMIT")
    name = f"mistique_bench_{uuid.uuid4().hex}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    catalogue = Catalogue(SERVER.removesuffix("test") + name)
    try:
        ensure_schema(catalogue)
        yield catalogue
    finally:
        catalogue.close()
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        engine.dispose()


def measure(report: Report, database: str, folder: Path, runs: int, width: int) -> dict[str, float]:
    """Fill a catalogue and ask it; return the medians in seconds."""
    with new_catalogue(database, folder) as catalogue:
        filling = seconds(lambda: fill(catalogue, runs, width))
        db = ModelDB(catalogue)
        compared = [page.id for page in db.search("order by started desc", limit=min(COMPARED, runs)).runs]
        actions: dict[str, Callable[[], Any]] = {
            "first_page_s": lambda: db.search("", columns=["metrics.m0", "metrics.m1", "params.p0"]),
            "filter_sort_s": lambda: db.search(FILTER),
            "compare_500_s": lambda: db.compare.runs(compared),
        }
        found = db.search(FILTER)
        measured = {}
        for name, action in actions.items():
            first = seconds(action)
            measured[name] = statistics.median(seconds(action) for _ in range(REPEATS))
            report.add(
                f"{database}, {runs:,} runs x {width:,} metrics: {name}",
                database=database,
                metrics=width,
                call=name,
                first_seconds=first,
                seconds=measured[name],
            )
        report.add(
            f"{database}, {runs:,} runs x {width:,} metrics: size",
            database=database,
            metrics=width,
            call="fill",
            fill_seconds=filling,
            found=found.total,
            megabytes=_bytes(catalogue) / 1e6,
        )
    return measured


def fill(catalogue: Catalogue, runs: int, width: int) -> None:
    """Insert runs with metrics m0, m1 ... and hyperparameters p0 ..., values between 0 and 1, and integers."""
    rng = np.random.default_rng(SEED)
    with catalogue.write() as connection:
        owner, group = model_id(connection, "bench", "model"), experiment_id(connection, "bench", "sweep")
        names = [f"m{number}" for number in range(width)] + [f"p{number}" for number in range(HYPERPARAMETERS)]
        connection.execute(sa.insert(value_name), [{"id": i + 1, "name": name} for i, name in enumerate(names)])
        now = time.time()
        _insert(
            connection,
            experiment_run,
            [
                {
                    "id": i,
                    "experiment_id": group,
                    "source": "python",
                    "dag_id": "sweep.py",
                    "run_id": f"r{i}",
                    "state": "success",
                    "started_at": now - runs + i,
                    "ended_at": now - runs + i + 1,
                }
                for i in range(1, runs + 1)
            ],
        )
        _insert(
            connection,
            model_version,
            [{"id": i, "model_id": owner, "number": i, "run_id": i, "created_at": now} for i in range(1, runs + 1)],
        )
        _insert(
            connection,
            stage,
            [
                {
                    "id": i,
                    "model_version_id": i,
                    "name": "fit",
                    "map_index": -1,
                    "try_number": 1,
                    "operator": "bench",
                    "label": "Fit",
                    "params": {},
                    "deterministic": True,
                    "state": "success",
                    "started_at": now,
                    "kind": "fit",
                }
                for i in range(1, runs + 1)
            ],
        )
    insert_columns(catalogue, metric, _metrics(rng, runs, width))
    with catalogue.write() as connection:
        settings = np.random.default_rng(SEED + 1).integers(0, 20, (runs, HYPERPARAMETERS))
        _insert(
            connection,
            hyperparameter,
            [
                {
                    "run_id": run,
                    "name_id": width + j + 1,
                    "stage_id": run,
                    "kind": "int",
                    "value": value,
                    "number": float(value),
                    "text": str(value),
                    "is_own": True,
                }
                for run, values in enumerate(settings.tolist(), 1)
                for j, value in enumerate(values)
            ],
        )
    if catalogue.dialect == "postgresql":
        with catalogue.write() as connection:
            connection.exec_driver_sql("ANALYZE")


def _metrics(rng: np.random.Generator, runs: int, width: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the rows of some runs at a time."""
    names = np.arange(1, width + 1)
    for start in range(1, runs + 1, BATCH):
        ids = np.arange(start, min(start + BATCH, runs + 1))
        values = rng.random((len(ids), width)).ravel()
        owners = np.repeat(ids, width)
        yield {
            "run_id": owners,
            "name_id": np.tile(names, len(ids)),
            "stage_id": owners,
            "value": values,
            "is_own": np.ones(len(values), dtype=bool),
        }


def _insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Insert many rows: by COPY on PostgreSQL."""
    if connection.dialect.name == "sqlite":
        connection.execute(sa.insert(table), rows)
        return
    import json

    names = list(rows[0])
    is_json = {name for name in names if isinstance(table.c[name].type, sa.JSON)}
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([json.dumps(row[name]) if name in is_json else row[name] for name in names])


def _bytes(catalogue: Catalogue) -> int:
    if catalogue.dialect == "sqlite":
        return Path(str(catalogue.url.database)).stat().st_size
    with catalogue.read() as connection:
        return int(connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())


if __name__ == "__main__":
    main()
