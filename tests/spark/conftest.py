"""A real Spark for these tests: a driver, and two executors that are processes of their own."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mistique_core import Mistique
from tests.spark.modeldb_data import write_table

EXECUTORS = 2
ROOT = Path(__file__).parents[2]
QUICK_TO_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Options of the Java processes: they live for minutes, in which optimising their code takes longer than it saves."""


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[Any]:
    """Return a session of a cluster with two executors on this machine (``local-cluster``) that reach the S3 server."""
    if shutil.which("java") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs Java for the tests of Spark")
        pytest.skip("Spark needs Java; on Debian: apt-get install default-jre-headless")
    session_of = pytest.importorskip("pyspark.sql").SparkSession
    folder = tmp_path_factory.mktemp("spark")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "kept-secret")
        patch.setenv("SPARK_WORKER_DIR", str(folder / "worker"))
        session = (
            session_of.builder.master(f"local-cluster[{EXECUTORS},1,1024]")
            .appName("tests")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.local.dir", str(folder / "local"))
            .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
            .config("spark.sql.shuffle.partitions", "4")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.log.level", "ERROR")
            .config("spark.driver.extraJavaOptions", QUICK_TO_START)
            .config("spark.executor.extraJavaOptions", QUICK_TO_START)
            .getOrCreate()
        )
        yield session
        session.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Mistique]:
    """Return an empty store in a folder that the executors share, with small row blocks."""
    with Mistique.open(tmp_path / "store", block_rows=1_000) as opened:
        yield opened


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of a small table, which no test changes."""
    return write_table(tmp_path_factory.mktemp("data"))
