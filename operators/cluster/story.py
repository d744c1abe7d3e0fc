"""What ``mistique cluster`` does: start, run one pipeline as a proof or serve, and stop."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter

from rich.markup import escape

from mistique_core.errors import NotFoundError
from operators.cluster.cluster import Cluster, delete_databases, running_cluster
from operators.cluster.components import store_variables
from operators.cluster.layout import ClusterLayout, prepare, state_folder
from operators.demo.airflow_settings import USER, airflow_variables
from operators.demo.answers import QUERY, ask
from operators.demo.client import AirflowClient, DagRunError
from operators.demo.interrupts import Interrupts
from operators.demo.project import airflow_program, find_project
from operators.demo.story import QUESTIONS
from operators.demo.teller import Teller

PIPELINE = "cancer_logistic_regression"
_WATCH_SECONDS = 1.0


def run_cluster(layout: ClusterLayout, *, stay: bool) -> int:
    """Run a cluster until Ctrl-C or SIGTERM, or for one pipeline and one question.

    Parameters
    ----------
    layout
        Where and how many.
    stay
        Whether to serve until a signal comes.

    Raises
    ------
    MistiqueError
        If it cannot start, or the pipeline or the question fails.
    """
    interrupts, teller = Interrupts(), Teller()
    interrupts.listen()
    teller.step(f"Starting a cluster with {layout.workers} workers (its files are in {layout.state})")
    try:
        with running_cluster(layout, teller.detail, interrupts) as cluster:
            try:
                if stay:
                    _serve(cluster, teller)
                else:
                    _prove(cluster, teller)
            finally:
                teller.step("Stopping")
    except KeyboardInterrupt:
        teller.step("Stopped" if stay else "Stopped before the proof was complete")
        return 0 if stay else 1
    teller.step("Stopped: nothing that was started is left running")
    return 0


def delete_cluster(state: str | None) -> int:
    """Delete a cluster that does not run: its databases and its folder.

    Raises
    ------
    NotFoundError
        If there is none.
    InvalidInputError
        If it runs.
    """
    project = find_project(__file__, "cluster")
    folder = state_folder(state, project)
    if not (folder / "secrets.json").exists():
        raise NotFoundError(
            f"there is no cluster in {folder}; name its folder: mistique cluster --delete --state FOLDER"
        )
    layout = ClusterLayout(project, project / "dags", folder, 0)
    with layout.locked():
        delete_databases(layout)
        shutil.rmtree(folder)
    return 0


def _prove(cluster: Cluster, teller: Teller) -> None:
    layout = cluster.layout
    client = AirflowClient(layout.url, USER, layout.secrets()["AIRFLOW_ADMIN_PASSWORD"])
    try:
        teller.step(f"Running {PIPELINE}")
        client.wait_for_dags([PIPELINE, QUERY])
        run_id = client.trigger(PIPELINE)
        if client.wait({PIPELINE: run_id}, teller.task)[PIPELINE] != "success":
            raise DagRunError(f"{PIPELINE} failed; the logs of its tasks are in {layout.task_logs}")
        tasks = client.get(f"/dags/{PIPELINE}/dagRuns/{run_id}/taskInstances")["task_instances"]
        hosts = Counter(task["hostname"] for task in tasks)
        teller.detail(", ".join(f"{host} ran {count} tasks" for host, count in sorted(hosts.items())))
        question, request = QUESTIONS[0]
        teller.step(question)
        if not ask(client, request, teller):
            raise DagRunError(f"the question was not answered; the logs of its task are in {layout.task_logs}")
    finally:
        client.close()
    teller.step("What keeping every intermediate of every run costs")
    variables = {
        **airflow_variables({}, airflow_program().parent),
        **store_variables(layout, cluster.databases),
        "NO_PROXY": "127.0.0.1",
    }
    subprocess.run([sys.executable, "-m", "mistique_core.cli.main", "stats"], env=variables, check=True)


def _serve(cluster: Cluster, teller: Teller) -> None:
    layout = cluster.layout
    password = layout.secrets()["AIRFLOW_ADMIN_PASSWORD"]
    teller.step(f"The Airflow UI is at {layout.url}")
    teller.console.print(f"          login [bold]{USER}[/bold], password [bold]{escape(password)}[/bold]")
    teller.console.print(f"          its store in a shell: . {escape(str(layout.environment_file))}; mistique ls")
    teller.console.print(f"          logs of the processes are in {escape(str(layout.logs))}; Ctrl-C ends it")
    try:
        while True:
            time.sleep(_WATCH_SECONDS)
            cluster.restart_ended()
    except KeyboardInterrupt:
        teller.console.print()


def cluster_command(
    *, port: int, workers: int, state: str | None, dags: str | None, own_postgres: bool, stay: bool
) -> int:
    """Check what was asked for, and run it; see :func:`run_cluster`."""
    return run_cluster(prepare(port, workers, state, dags=dags, own_postgres=own_postgres), stay=stay)
