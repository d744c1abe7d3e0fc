"""What the store does arrives at an OpenTelemetry collector, from a process that is set up as Airflow sets up tasks."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.proto", reason="OpenTelemetry is not installed (apache-airflow[otel])")

_TASK = """
import sys
import pandas as pd
from airflow.sdk.configuration import conf
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from mistique_core import Mistique
from mistique_core.workflows import FunctionStage
from operators.metrics import publish

def homes():
    return pd.DataFrame({"price": range(1000)})

legacy_names = conf.getboolean("metrics", "legacy_names_on")
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=legacy_names)
publish()
with Mistique.open(sys.argv[1]) as store:
    for _ in range(2):
        with store.run("homes", "m") as run:
            run.stage("homes", FunctionStage(homes, {}, deterministic=True))
    store.get_intermediates("homes.m.homes.price", strategy="read")
    store.get_intermediates("homes.m.homes.price", strategy="rerun")
    store.gc(grace_seconds=0)
"""


@pytest.fixture
def collector() -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the port of a collector, and name -> the last data point of each metric that it was sent."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    received: dict[str, Any] = {}

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            request = ExportMetricsServiceRequest.FromString(body)
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        received[metric.name] = getattr(metric, metric.WhichOneof("data")).data_points[-1]
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, received
        server.shutdown()
        thread.join()


def test_what_a_task_does_arrives(collector: tuple[int, dict[str, Any]], tmp_path: Path) -> None:
    port, received = collector
    script = tmp_path / "task.py"
    script.write_text(_TASK)
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "MISTIQUE_CODE_PATH": str(tmp_path),
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "AIRFLOW__METRICS__OTEL_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__OTEL_PORT": str(port),
        "AIRFLOW__METRICS__OTEL_INTERVAL_MILLISECONDS": "60000",
    }
    command = [sys.executable, str(script), str(tmp_path / "store")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    counters = {name: point.as_int or point.as_double for name, point in received.items() if hasattr(point, "as_int")}
    assert counters["airflow.mistique.stage.executed"] == 1
    assert counters["airflow.mistique.stage.reused"] == 1
    assert counters["airflow.mistique.stage.logical_bytes"] == 2 * 16 * 1000, "both stages have the output"
    assert counters["airflow.mistique.query.read"] == 1
    assert counters["airflow.mistique.query.rerun"] == 1
    assert counters["airflow.mistique.gc.done"] == 1
    assert counters["airflow.mistique.query.read_estimate_ratio"] > 0
    for name, count in (("stage.seconds", 2), ("query.read_seconds", 1), ("query.rerun_seconds", 1)):
        histogram = received[f"airflow.mistique.{name}"]
        assert histogram.count == count
        assert histogram.sum > 0
