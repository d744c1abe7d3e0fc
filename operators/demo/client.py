"""A small client of Airflow's REST API: trigger a DAG, watch it, fetch its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from mistique_core.errors import MistiqueError
from operators.demo.airflow_settings import ANSWER_SECONDS

RUN_SECONDS = 600
_ENDED = ("success", "failed")
_TRIES = 10


class DagRunError(MistiqueError, RuntimeError):
    """A DAG run could not be triggered or failed."""


class AirflowClient:
    """Talks to one Airflow with one login.

    Parameters
    ----------
    url
        Base address.
    user, password
        Login.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=ANSWER_SECONDS)
        answer = self._http.post("/auth/token", json={"username": user, "password": password})
        answer.raise_for_status()
        self.token = str(answer.json()["access_token"])
        self._http.headers["Authorization"] = f"Bearer {self.token}"

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of a GET below ``/api/v2``."""
        answer = self._http.get(f"/api/v2{path}", params=params)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON of a POST below ``/api/v2``."""
        answer = self._http.post(f"/api/v2{path}", json=dict(body))
        answer.raise_for_status()
        return answer.json()

    def wait_for_dags(self, dag_ids: list[str], seconds: float = 120) -> None:
        """Wait until Airflow has parsed the DAGs.

        Raises
        ------
        DagRunError
            If it has not in time; the message shows the import error.
        """
        deadline = time.monotonic() + seconds
        missing = set(dag_ids)
        while missing and time.monotonic() < deadline:
            missing -= {dag["dag_id"] for dag in self.get("/dags", limit=100)["dags"]}
            if missing:
                time.sleep(0.5)
        if missing:
            errors = self.get("/importErrors")["import_errors"]
            cause = errors[0]["stack_trace"].strip().splitlines()[-1] if errors else "no import error is reported"
            raise DagRunError(f"Airflow does not know the DAGs {', '.join(sorted(missing))}: {cause}")

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Trigger a DAG; return the run's id.

        Raises
        ------
        DagRunError
            If Airflow refuses, with its reason.
        """
        run_id = f"manual__{datetime.now(UTC).isoformat()}"
        body = {"conf": dict(conf or {}), "logical_date": None, "dag_run_id": run_id}
        for left in reversed(range(_TRIES)):
            answer = self._http.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)
            was_made = answer.status_code == httpx.codes.CONFLICT and left < _TRIES - 1
            if answer.is_success or was_made:
                return run_id
            if not answer.is_server_error or left == 0:
                break
            time.sleep(1)  # SQLite refuses a transaction that read before another one wrote
        raise DagRunError(f"Airflow refused to run {dag_id}: {answer.json().get('detail', answer.text)}")

    def wait(
        self, runs: Mapping[str, str], on_task: Callable[[str, str, str, int, int], None], seconds: float = RUN_SECONDS
    ) -> dict[str, str]:
        """Wait until runs (DAG id -> run id) end; return DAG id -> state.

        Parameters
        ----------
        runs
            What to wait for.
        on_task
            Called with (DAG id, task id, state, tasks done, tasks in all) for each task that ended.
        seconds
            Longest wait.
        """
        done: dict[str, set[str]] = {dag_id: set() for dag_id in runs}
        states: dict[str, str] = {}
        deadline = time.monotonic() + seconds
        while len(states) < len(runs):
            if time.monotonic() > deadline:
                raise DagRunError(f"{', '.join(sorted(set(runs) - set(states)))} did not end within {seconds:.0f} s")
            for dag_id in [name for name in runs if name not in states]:
                state = self.get(f"/dags/{dag_id}/dagRuns/{runs[dag_id]}")["state"]
                tasks = self.get(f"/dags/{dag_id}/dagRuns/{runs[dag_id]}/taskInstances")["task_instances"]
                for task in sorted(tasks, key=lambda task: task["end_date"] or ""):
                    if (
                        task["end_date"]
                        and task["task_id"] not in done[dag_id]
                        and task["state"] not in (None, "running")
                    ):
                        done[dag_id].add(task["task_id"])
                        on_task(dag_id, task["task_id"], task["state"], len(done[dag_id]), len(tasks))
                if state in _ENDED:
                    states[dag_id] = state
            time.sleep(0.3)
        return states

    def task_result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return what a task returned through XCom."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return self.get(path, deserialize="true")["value"]

    def task_messages(self, dag_id: str, run_id: str, task_id: str) -> list[str]:
        """Return the log messages of a task's first try, then what its exceptions said."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/1"
        content = self.get(path)["content"]
        details = [detail for item in content for detail in item.get("error_detail") or []]
        return [*(str(item.get("event", "")) for item in content), *(str(item["exc_value"]) for item in details)]

    def close(self) -> None:
        """Close the connection."""
        self._http.close()
