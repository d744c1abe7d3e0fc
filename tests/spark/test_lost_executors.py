"""An executor that is killed, tasks that fail after they have written, and tasks that run twice: one copy is left."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.spark import log_spark_pipeline
from tests.spark.comparing import address_of, assert_clean, chunk_addresses, file_bytes

ROWS = 24_000


def killing(frame: Any, flag: Path, row: int, how: str) -> Any:
    """Return a DataFrame whose computing kills its executor, or fails, when it comes to a row for the first time."""
    from pyspark.sql import functions

    @functions.udf("double")
    def value(number):  # type: ignore[no-untyped-def]  # PySpark would read the annotations
        if number == row:
            import signal
            import time

            try:
                flag.touch(exist_ok=False)
            except FileExistsError:
                return number / 2
            if how == "fail":
                raise RuntimeError("this task fails the first time")
            process = os.getppid()
            while "java" not in Path(f"/proc/{process}/comm").read_text():
                process = int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])
            time.sleep(1)
            os.kill(process, signal.SIGKILL)
            time.sleep(60)
        return number / 2

    return frame.withColumn("half", value("id"))


@pytest.mark.parametrize("how", ["kill", "fail"])
def test_what_is_lost_is_written_again_and_stored_once(spark: Any, tmp_path: Path, how: str) -> None:
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import VectorAssembler

    frame = pd.DataFrame({"id": np.arange(ROWS), "a": np.random.default_rng(5).normal(size=ROWS)})
    source = spark.createDataFrame(frame).coalesce(4)
    flag = tmp_path / "was here"
    # The last row of the second partition: by then the task has written row blocks, and other tasks theirs.
    given = killing(source, flag, row=ROWS // 2 - 1, how=how)
    model = PipelineModel([VectorAssembler(inputCols=["a", "half"], outputCol="features")])
    with Mistique.open(tmp_path / "store", block_rows=1_000, partition_bytes=16_384) as store:
        with store.run("test", "faults") as run:
            log_spark_pipeline(run, model, given, row_id="id")
        assert flag.exists()
        assert run.version == 1
        found = store.get_intermediates("test.faults.1_VectorAssembler").to_pandas()
        np.testing.assert_array_equal(found["features[half]"], np.arange(ROWS) / 2)
        np.testing.assert_array_equal(found["features[a]"], frame["a"])
        assert found.index.tolist() == list(range(ROWS))
        store.gc(grace_seconds=0)
        store.compact(max_dead=0.0)
        assert_clean(store)
        after = chunk_addresses(store)
        with Mistique.open(tmp_path / "other", block_rows=1_000, partition_bytes=16_384) as other:
            with other.run("test", "faults") as run:
                log_spark_pipeline(run, model, source.selectExpr("*", "id / 2 AS half"), row_id="id")
            other.compact(max_dead=0.0)
            assert_clean(other)
            assert chunk_addresses(other) == after
            name = "test.faults.1_VectorAssembler"
            assert address_of(other, name) == address_of(store, name)
            assert file_bytes(store) == pytest.approx(file_bytes(other), rel=0.2)


SPECULATIVE = """
import json, os, sys, time
from pathlib import Path
from pyspark import TaskContext
from pyspark.sql import SparkSession, functions
from mistique_core import Mistique
from mistique_core.spark import log_spark_frame

folder = Path(sys.argv[1])
session = (
    SparkSession.builder.master(sys.argv[2]).config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.local.dir", str(folder / "local")).config("spark.speculation", "true")
    .config("spark.speculation.interval", "50ms").config("spark.speculation.quantile", "0.2")
    .config("spark.speculation.multiplier", "1.1").config("spark.speculation.minTaskRuntime", "100ms")
    .config("spark.log.level", "ERROR").getOrCreate()
)
tries = str(folder / "tries")

@functions.udf("double")
def slow(number):
    context = TaskContext.get()
    if number == 3_999:  # the last of its partition: the row blocks before it are written
        Path(f"{tries}-{context.attemptNumber()}").touch()
        if context.attemptNumber() == 0:
            time.sleep(8)
    return number / 2

frame = session.range(0, 16_000, numPartitions=4).withColumn("half", slow("id"))
with Mistique.open(folder / "store", block_rows=1_000, partition_bytes=16_384) as store:
    with store.run("test", "speculative") as run:
        log_spark_frame(run, "frame", frame, row_id="id")
session.stop()
"""


@contextmanager
def standalone_cluster(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Start a cluster of Spark on this machine; yield its URL.

    Spark runs a task a second time on another host only, and these workers are on two by their names.
    """
    import pyspark

    starter = Path(pyspark.__file__).parent / "bin" / "spark-class"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"spark://127.0.0.1:{port}"
    commands = [
        ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
    ]
    for host in ("127.0.0.1", "localhost"):
        place = ["--work-dir", str(folder / host), "--webui-port", "0"]
        commands.append(["org.apache.spark.deploy.worker.Worker", "--host", host, "-c", "1", "-m", "1g", *place, url])
    with ExitStack() as started:
        for number, command in enumerate(commands):
            log = started.enter_context((folder / f"server-{number}.log").open("w"))
            server = subprocess.Popen([str(starter), *command], env=environment, stdout=log, stderr=log)
            started.callback(server.wait, 30)
            started.callback(server.terminate)
            time.sleep(3 if number == 0 else 0)
        yield url


@pytest.mark.whole
def test_speculative_tasks_leave_one_copy(spark: Any, tmp_path: Path) -> None:
    # `spark` only for its skip: speculation is a setting of a whole application.
    script = tmp_path / "speculative.py"
    script.write_text(SPECULATIVE)
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    with standalone_cluster(tmp_path, environment) as url:
        command = [sys.executable, str(script), str(tmp_path), url]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3_000:]
    assert sorted(path.name for path in tmp_path.glob("tries-*")) == ["tries-0", "tries-1"]
    with Mistique.open(tmp_path / "store", block_rows=1_000) as store:
        found = store.get_intermediates("test.speculative.frame").to_pandas()
        np.testing.assert_array_equal(found["half"], np.arange(16_000) / 2)
        chunks = chunk_addresses(store)
        with store.run("test", "pandas") as run:
            run.log_frame("frame", pd.DataFrame({"id": np.arange(16_000), "half": np.arange(16_000) / 2}), row_id="id")
        assert chunk_addresses(store) == chunks
        assert address_of(store, "test.pandas.frame") == address_of(store, "test.speculative.frame")
        assert_clean(store)
