"""What recording costs: modelling with and without autolog, and with MLflow's (thesis Fig. 4-13 and 4-14).

Run ``python -m benchmarks.modeldb_overhead [--quick] [--json PATH] [--rows N,N] [--experiments E,E] [--clients C,C]
[--plot PATH]``. On the credit-default table, replicated to so many rows, three experiments of the thesis: *simple*, one
workflow; *full*, ten hyperparameter settings of it; *exploratory*, many workflows of several model types and feature
sets (200, and 15 of more than 100,000 rows; a million rows are for *simple* only). Each is run plainly and with our
autolog, in pairs in one process, and so with MLflow's in another; every second pair begins with the recorded run. The
overhead is the median of the differences of the pairs, over the median time of the plain runs: what slows down the
machine for longer than a pair slows down both of its runs. Quartiles of the differences tell how sure that is; every
run's seconds are in the document. Starting and ending the run and waiting for what is written are included. MLflow
stores no models here either (``log_models=False``).
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.data_folder import data_folder
from benchmarks.harness import Budget, Report, finish
from mistique_core import Mistique
from mistique_core.modeldb import autolog

ROOT = Path(__file__).resolve().parents[1]
LABEL = "default.payment.next.month"
SMALL_ROWS = 30_000
MANY_ROWS = 100_000
MOST_ROWS = 300_000
REPEATS = {"simple": (30, 14), "full": (10, 6), "exploratory": (4, 4)}
MLFLOW_REPEATS = {"simple": (6, 4), "full": (4, 2), "exploratory": (2, 2)}
"""Pairs with fewer than 100,000 rows, and with more."""
QUICK_REPEATS = 4
CLIENTS = ("ours", "mlflow")
EXPLORATORY, EXPLORATORY_LARGE, EXPLORATORY_QUICK = 200, 15, 10
BUDGETS = (
    Budget("simple", "simple, 300,000 rows: overhead, < 0.02", at_most=0.02),
    Budget("full", "full, 300,000 rows: overhead, < 0.02", at_most=0.02),
    Budget("simple_30000", "simple, 30,000 rows: overhead, < 0.1", at_most=0.1),
    Budget("full_30000", "full, 30,000 rows: overhead, < 0.1", at_most=0.1),
    Budget("mlflow_over_ours", "MLflow's overhead over ours, smallest of all, > 1", at_least=1.0),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark, or one client of one experiment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="30,000 rows only, done within 45 seconds")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results there")
    parser.add_argument("--rows", metavar="N,N", help="rows (default 30000,300000,1000000, quick 30000)")
    parser.add_argument("--experiments", metavar="E,E", help="which (default simple,full,exploratory)")
    parser.add_argument("--clients", metavar="C,C", default=",".join(CLIENTS), help="which (default ours,mlflow)")
    parser.add_argument("--plot", type=Path, metavar="PATH", help="draw the overheads there")
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--experiment", choices=tuple(REPEATS), help=argparse.SUPPRESS)
    parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    rows = [int(text) for text in (options.rows or ("30000" if options.quick else "30000,300000,1000000")).split(",")]
    if options.client is not None:
        warnings.simplefilter("ignore")
        print(json.dumps(timed_client(options.client, options.experiment, options.table, rows[0], quick=options.quick)))
        return
    report = Report(
        "modeldb_overhead", {"rows": rows, "repeats": REPEATS, "mlflow_repeats": MLFLOW_REPEATS, "columns": 23}
    )
    source = data_folder("credit_default.csv") / "credit_default.csv"
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="modeldb-overhead-") as name:
        for count in rows:
            path = replicate(pd.read_csv(source), count, Path(name))
            wanted = (options.experiments or ",".join(REPEATS)).split(",")
            for experiment in (name for name in experiments(count, quick=options.quick) if name in wanted):
                measure(report, path, count, experiment, options.clients.split(","), quick=options.quick)
    summarize(report)
    if options.plot is not None:
        plot(report, options.plot)
    shown = [budget for budget in BUDGETS if budget.ratio in report.ratios]
    finish(report, shown, options.json)


def replicate(frame: pd.DataFrame, rows: int, folder: Path) -> Path:
    """Write a table of so many rows, the given ones again and again with a little noise; return its file."""
    rng = np.random.default_rng(0)
    made = frame.iloc[np.arange(rows) % len(frame)].drop(columns="ID").reset_index(drop=True)
    for column in ("LIMIT_BAL", "BILL_AMT1", "BILL_AMT2", "PAY_AMT1"):
        made[column] = made[column] + rng.normal(scale=10.0, size=rows)
    path = folder / f"credit_{rows}.csv"
    made.to_csv(path, index=False)
    return path


Experiment = Callable[[Path], None]


def experiments(rows: int, *, quick: bool) -> dict[str, Experiment]:
    """Return the experiments by name; each reads the file and builds its models."""
    count = EXPLORATORY_QUICK if quick else EXPLORATORY if rows < MANY_ROWS else EXPLORATORY_LARGE
    found: dict[str, Experiment] = {"simple": simple}
    if rows <= MOST_ROWS:
        found |= {"full": full, "exploratory": lambda path: exploratory(path, count)}
    return found


def simple(path: Path) -> None:
    """Build one workflow."""
    from sklearn.linear_model import LogisticRegression

    workflow(pd.read_csv(path), LogisticRegression(max_iter=200))


def full(path: Path) -> None:
    """Build ten workflows with other hyperparameters."""
    from sklearn.linear_model import LogisticRegression

    frame = pd.read_csv(path)
    for strength in np.logspace(-3, 2, 10):
        workflow(frame, LogisticRegression(C=float(strength), max_iter=200))


def exploratory(path: Path, count: int) -> None:
    """Build `count` workflows of five model types and several sets of features."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression, RidgeClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.tree import DecisionTreeClassifier

    frame = pd.read_csv(path)
    makers: list[Callable[[int], Any]] = [
        lambda number: LogisticRegression(C=1.0 / (1 + number), max_iter=200),
        lambda number: DecisionTreeClassifier(max_depth=3 + number % 7, random_state=0),
        lambda number: GaussianNB(),
        lambda number: RidgeClassifier(alpha=1.0 + number),
        lambda number: RandomForestClassifier(n_estimators=10, max_depth=4 + number % 6, random_state=0),
    ]
    names = [name for name in frame.columns if name != LABEL]
    for number, make in enumerate(islice(cycle(makers), count)):
        kept = names[number % 4 :: 1 + number % 3]
        workflow(frame[[*kept, LABEL]], make(number))


def workflow(frame: pd.DataFrame, model: Any) -> None:
    """Split, scale, fit, predict and measure."""
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    train, test, train_label, test_label = train_test_split(
        frame.drop(columns=LABEL), frame[LABEL], test_size=0.25, random_state=0
    )
    scaler = StandardScaler().set_output(transform="pandas")
    model.fit(scaler.fit_transform(train), train_label)
    predictions = model.predict(scaler.transform(test))
    accuracy_score(test_label, predictions)
    f1_score(test_label, predictions)


def measure(report: Report, path: Path, rows: int, experiment: str, clients: Sequence[str], *, quick: bool) -> None:
    """Time an experiment with each client, in a process of its own, beside the plain one in the same process."""
    numbers: dict[str, Any] = {}
    seconds: dict[str, Any] = {}
    for client in clients:
        command = [sys.executable, "-m", "benchmarks.modeldb_overhead", "--client", client, "--experiment", experiment]
        command += ["--table", str(path), "--rows", str(rows), *(["--quick"] if quick else [])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        seconds[client] = found["seconds"]
        plain, added, (low, high) = paired(found["seconds"]["plain"], found["seconds"]["with"])
        numbers.setdefault("plain_seconds", plain)
        numbers |= {client: added / plain, f"{client}_low": low / plain, f"{client}_high": high / plain}
        numbers |= {f"{client}_seconds": added, f"{client}_bytes": found["bytes"]}
    report.add(f"{experiment}, {rows:,} rows", experiment=experiment, rows=rows, **numbers)
    report.rows[-1]["all_seconds"] = seconds


def paired(plain: Sequence[float], recorded: Sequence[float]) -> tuple[float, float, tuple[float, float]]:
    """Return the median plain seconds, the median of what the pairs add to them, and the quartiles of that."""
    added = [one - other for one, other in zip(recorded, plain, strict=True)]
    low, middle, high = np.quantile(added, [0.25, 0.5, 0.75]).tolist()
    return statistics.median(plain), middle, (low, high)


def timed_client(client: str, experiment: str, path: Path, rows: int, *, quick: bool) -> dict[str, Any]:
    """Time an experiment without and with a client, in pairs; return all seconds, and the bytes that it wrote."""
    run = experiments(rows, quick=quick)[experiment]
    run(path)  # so that nobody pays for imports and the first read of the file
    repeats = (REPEATS if client == "ours" else MLFLOW_REPEATS)[experiment][rows >= MANY_ROWS]
    seconds: dict[str, list[float]] = {"plain": [], "with": []}
    size = 0
    for number in range(QUICK_REPEATS if quick else repeats):
        for name in ("plain", "with") if number % 2 == 0 else ("with", "plain"):
            gc.collect()
            if name == "plain":
                seconds[name].append(_timed(lambda: run(path)))
            else:
                taken, size = _recorded(client, experiment, run, path)
                seconds[name].append(taken)
    return {"seconds": seconds, "bytes": size}


def _recorded(client: str, experiment: str, run: Experiment, path: Path) -> tuple[float, int]:
    """Run an experiment with a client, which writes to a new place; return the seconds, and the bytes there."""
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name)
        if client == "ours":
            with Mistique.open(folder / "store") as store:
                taken = _timed(lambda: _with_autolog(store, experiment, run, path))
        else:
            with mlflow_in(folder):
                taken = _timed(lambda: _with_mlflow(run, path))
        return taken, _folder_bytes(folder)


def _timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _with_autolog(store: Mistique, experiment: str, run: Experiment, path: Path) -> None:
    with autolog("credit", experiment, store=store):
        run(path)


@contextmanager
def mlflow_in(folder: Path) -> Iterator[None]:
    """Let MLflow write to a new database in a folder, with nothing of its set-up left to be timed."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.create_experiment("credit", artifact_location=str(folder / "artifacts"))
    mlflow.set_experiment("credit")
    yield


def _with_mlflow(run: Experiment, path: Path) -> None:
    import mlflow

    mlflow.sklearn.autolog(log_models=False, silent=True)
    try:
        with mlflow.start_run():
            run(path)
    finally:
        mlflow.sklearn.autolog(disable=True, silent=True)


def _folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def summarize(report: Report) -> None:
    """Set the ratios: without a number of rows they are those of 300,000 rows."""
    for row in (row for row in report.rows if "ours" in row):
        report.ratios[f"{row['experiment']}_{row['rows']}"] = row["ours"]
        if row["rows"] == 300_000 or len(report.sizes["rows"]) == 1:
            report.ratios[row["experiment"]] = row["ours"]
    both = [row["mlflow_seconds"] / max(row["ours_seconds"], 1e-4) for row in report.rows if {*CLIENTS} <= row.keys()]
    if both:
        report.ratios["mlflow_over_ours"] = min(both)


def plot(report: Report, path: Path) -> None:
    """Draw overhead against rows, a line an experiment and client."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for experiment, colour in (("simple", "C0"), ("full", "C1"), ("exploratory", "C2")):
        for client, style in (("ours", "-o"), ("mlflow", "--x")):
            rows = [row for row in report.rows if row["experiment"] == experiment and client in row]
            if not rows:
                continue
            values = [max(row[client], 1e-4) * 100 for row in rows]
            axes.plot([row["rows"] for row in rows], values, style, color=colour, label=f"{experiment}, {client}")
    axes.set(xscale="log", yscale="log", xlabel="rows", ylabel="overhead (% of modelling)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
