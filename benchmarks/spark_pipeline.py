"""A pipeline of Spark over a large table: all its stages logged by executors, beside the pipeline without logging.

Two executors are processes of their own (``local-cluster``), with a core each. What is timed transforms a table read
from Parquet by a fitted pipeline (imputer, indexer, encoder, assembler, scaler, regression) and

- throws the result away (Spark's ``noop``), which computes every column: the pipeline without logging;
- writes the result to Parquet, or the output of each stage, as people would keep intermediates;
- logs the input and the output of every stage into a store.

The driver is a process of its own, too; its peak is that of Python and of the Java machine together, sampled. Before,
the same pipeline's stages are logged by pandas for fewer rows: the intermediates must have the same addresses.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness import Budget, Report, arguments, finish, seconds
from mistique_core import Mistique
from mistique_core.catalogue.intermediates import find_intermediate
from mistique_core.model import IntermediateKey
from mistique_core.spark import log_spark_pipeline

NUMBERS = [f"n{number}" for number in range(8)]
FIT_ROWS = 100_000
MB = 10**6
BUDGET_MB = 1_000.0
ROOT = Path(__file__).parents[1]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure in a process of its own, and report."""
    options = arguments(__doc__.splitlines()[0], argv, rows=3_000_000, quick_rows=200_000, extra=_own_options)
    if options.folder is not None:
        folder = Path(options.folder)
        if options.compare:
            _compare(folder)
        else:
            _measure(options.rows, folder, 1 if options.quick else options.repeats)
        return
    report = Report("spark_pipeline", {"rows": options.rows, "numbers": len(NUMBERS), "executors": 2})
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.spark_pipeline", "--folder", folder, "--rows", str(options.rows)]
        command += ["--repeats", str(options.repeats), *(["--quick"] if options.quick else [])]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_WORKER_DIR": str(Path(folder) / "worker"),
        }
        with subprocess.Popen(command, env=environment) as process:
            peak = _peak_of(process)
        if process.returncode:
            raise SystemExit(process.returncode)
        subprocess.run([*command, "--compare"], env=environment, check=True)
        found = json.loads((Path(folder) / "found.json").read_text())
        different = json.loads((Path(folder) / "different.json").read_text())
    for what, values in found["rows"].items():
        report.add(what, **values)
    report.add("driver", peak_mb=sum(peak.values()) / MB, **{f"{name}_mb": size / MB for name, size in peak.items()})
    took = {what: values["seconds"] for what, values in found["rows"].items() if "seconds" in values}
    stored = found["rows"]["all stages logged"]["mb"]
    report.ratios = {
        "overhead": took["all stages logged"] / took["pipeline, result thrown away"],
        "parquet_overhead": took["pipeline, every stage to Parquet"] / took["pipeline, result thrown away"],
        "seconds_to_parquet": took["all stages logged"] / took["pipeline, every stage to Parquet"],
        "bytes_to_parquet": stored / found["rows"]["pipeline, every stage to Parquet"]["mb"],
        "driver_mb": sum(peak.values()) / MB,
        "different_from_pandas": float(different),
    }
    budgets = [
        Budget("driver_mb", "peak of the driver, Python and Java, in MB", at_most=BUDGET_MB),
        Budget("different_from_pandas", "intermediates that differ from those of pandas", at_most=0.0),
    ]
    finish(report, budgets, options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--compare", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="of each timing (default 3)")


def _peak_of(process: subprocess.Popen[bytes]) -> dict[str, int]:
    """Return the most bytes that the driver's processes had in memory, sampled until it ends."""
    peak = {"python": 0, "java": 0}
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(0.2):
            peak["python"] = max(peak["python"], _high_water(process.pid))
            for child in _children(process.pid):
                if "SparkSubmit" in _command_of(child):
                    peak["java"] = max(peak["java"], _high_water(child))

    thread = threading.Thread(target=sample)
    thread.start()
    process.wait()
    ended.set()
    thread.join()
    return peak


def _high_water(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _children(pid: int) -> list[int]:
    try:
        return [int(item) for item in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _session(folder: Path) -> Any:
    from pyspark.sql import SparkSession

    return (
        SparkSession.builder.master("local-cluster[2,1,2048]")
        .appName("benchmark")
        .config("spark.driver.memory", "480m")
        .config("spark.executor.memory", "2g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.local.dir", str(folder / "local"))
        .config("spark.sql.files.maxPartitionBytes", str(32 * 1024 * 1024))
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )


def _measure(rows: int, folder: Path, repeats: int) -> None:
    session = _session(folder)
    source = _table(session, rows, folder / "source")
    model = _fitted(session, source)
    model.write().save(str(folder / "model"))
    found: dict[str, Any] = {"rows": {}}

    def timed(what: str, act: Callable[[], Any], place: Path | None = None) -> None:
        took = []
        for _ in range(repeats):
            if place is not None:
                shutil.rmtree(place, ignore_errors=True)
            took.append(seconds(act))
        found["rows"][what] = {"seconds": float(np.median(took))}
        if place is not None:
            size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
            found["rows"][what]["mb"] = size / MB

    given = session.read.parquet(str(folder / "source"))
    print(f"    {rows:,} rows in {given.rdd.getNumPartitions()} partitions", flush=True)
    timed("pipeline, result thrown away", lambda: _throw_away(model.transform(given)))
    result = folder / "result"
    timed("pipeline, result to Parquet", lambda: model.transform(given).write.parquet(str(result)), result)
    stages = folder / "stages"
    timed("pipeline, every stage to Parquet", lambda: _stages_to_parquet(model, given, stages), stages)
    store = folder / "store"
    timed("all stages logged", lambda: _log(model, given, store), store)
    (folder / "found.json").write_text(json.dumps(found))
    session.stop()


def _table(session: Any, rows: int, place: Path) -> Any:
    from pyspark.sql import functions

    numbers = [functions.randn(seed).alias(name) for seed, name in enumerate(NUMBERS[:-2], 1)]
    numbers.append((functions.rand(20) * 10).cast("int").cast("double").alias(NUMBERS[-2]))
    numbers.append(functions.when(functions.rand(21) > 0.1, functions.rand(22) * 100).alias(NUMBERS[-1]))
    kind = functions.concat(functions.lit("kind "), (functions.rand(23) * 6).cast("int")).alias("kind")
    table = session.range(0, rows, numPartitions=8).select("id", *numbers, kind)
    price = sum((functions.col(name) * (place + 1) for place, name in enumerate(NUMBERS[:3])), functions.lit(0.0))
    table.withColumn("price", price + functions.randn(24)).write.parquet(str(place))
    return session.read.parquet(str(place))


def _fitted(session: Any, source: Any) -> Any:
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import Imputer, OneHotEncoder, StandardScaler, StringIndexer, VectorAssembler
    from pyspark.ml.regression import LinearRegression

    filled = [*NUMBERS[:-1], "filled"]
    stages = [
        Imputer(inputCols=NUMBERS[-1:], outputCols=["filled"]),
        StringIndexer(inputCol="kind", outputCol="kind_index"),
        OneHotEncoder(inputCols=["kind_index"], outputCols=["kind_of"]),
        VectorAssembler(inputCols=[*filled, "kind_of"], outputCol="features"),
        StandardScaler(inputCol="features", outputCol="scaled", withMean=True),
        LinearRegression(featuresCol="scaled", labelCol="price"),
    ]
    return Pipeline(stages=stages).fit(source.limit(FIT_ROWS))


def _throw_away(frame: Any) -> None:
    frame.write.format("noop").mode("overwrite").save()


def _stages_to_parquet(model: Any, frame: Any, place: Path) -> None:
    from pyspark.ml.functions import vector_to_array

    for number, stage in enumerate([None, *model.stages]):
        frame = frame if stage is None else stage.transform(frame)
        plain = frame.select(
            *(vector_to_array(name).alias(name) if kind == "vector" else name for name, kind in frame.dtypes)
        )
        plain.write.parquet(str(place / str(number)))


def _log(model: Any, frame: Any, place: Path) -> None:
    with Mistique.open(place, approximate_dedup=False) as store, store.run("b", "spark") as run:
        log_spark_pipeline(run, model, frame, row_id="id")


def _compare(folder: Path) -> None:
    """Log the stages for fewer rows by executors and by pandas; note how many intermediates differ."""
    from pyspark.ml import PipelineModel

    session = _session(folder)
    model = PipelineModel.load(str(folder / "model"))
    source = session.read.parquet(str(folder / "source"))
    few = source.where(f"id < {FIT_ROWS}").coalesce(3)
    with Mistique.open(folder / "few") as store:
        with store.run("b", "spark") as run:
            names = log_spark_pipeline(run, model, few, row_id="id").names
        with store.run("b", "pandas") as run:
            frame = few
            for name, stage in zip(names, [None, *model.stages], strict=True):
                frame = frame if stage is None else stage.transform(frame)
                run.log_frame(name, _pandas(frame, store, name), row_id="id")
        with store.catalogue.read() as connection:
            pairs = [
                [find_intermediate(connection, IntermediateKey.parse(f"b.{model_name}.{name}")) for name in names]
                for model_name in ("spark", "pandas")
            ]
    different = sum(first.address != second.address for first, second in zip(*pairs, strict=True))
    print(f"    {FIT_ROWS:,} rows: {different} of {len(names)} intermediates differ from those of pandas", flush=True)
    (folder / "different.json").write_text(json.dumps(different))
    session.stop()


def _pandas(frame: Any, store: Mistique, name: str) -> pd.DataFrame:
    """Collect a DataFrame by Spark's own means, with vectors as columns, named as those of the store."""
    from pyspark.ml.functions import vector_to_array

    plain = frame.select(
        *(vector_to_array(c).alias(c) if kind == "vector" else c for c, kind in frame.dtypes)
    ).toPandas()
    names = list(store.get_intermediates(f"b.spark.{name}", n_ex=1).to_pandas().columns)
    made: dict[str, Any] = {}
    for column, kind in frame.dtypes:
        if kind == "vector":
            values = np.stack(plain[column].to_numpy())
            own = [item for item in names if item.startswith(f"{column}[")]
            made.update((item, values[:, place].copy()) for place, item in enumerate(own))
        else:
            made[column] = plain[column].astype("str") if kind == "string" else plain[column]
    return pd.DataFrame(made)


if __name__ == "__main__":
    main()
