"""Triggering a run through Airflow's REST API, when its database refuses a transaction."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from operators.demo import client as module
from operators.demo.client import AirflowClient, DagRunError


class Answers(BaseHTTPRequestHandler):
    """Answers each trigger with the next status of a list; a conflict where the run id was accepted before."""

    statuses: list[int]
    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = 201, {"access_token": "x"}
        if self.path != "/auth/token":
            self.asked.append(body)
            status, answer = self.statuses.pop(0), {"detail": "refused"}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Write nothing."""


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[AirflowClient]:
    monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)
    Answers.statuses, Answers.asked = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    client = AirflowClient(f"http://127.0.0.1:{server.server_port}", "u", "p")
    yield client
    client._http.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("statuses", [[200], [500, 200], [500, 500, 409]])
def test_a_run_is_triggered_once_although_the_database_refuses(airflow: AirflowClient, statuses: list[int]) -> None:
    Answers.statuses = list(statuses)
    run_id = airflow.trigger("train", {"k": 1})
    assert [body["dag_run_id"] for body in Answers.asked] == [run_id] * len(statuses)
    assert all(body["conf"] == {"k": 1} for body in Answers.asked)


@pytest.mark.parametrize("statuses", [[404], [409], [500] * 10])
def test_what_stays_refused_is_an_error(airflow: AirflowClient, statuses: list[int]) -> None:
    Answers.statuses = list(statuses)
    with pytest.raises(DagRunError, match="Airflow refused to run train: refused"):
        airflow.trigger("train")
    assert Answers.statuses == []
