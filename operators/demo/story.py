"""What the demo does: run the pipelines, ask, show what it cost."""

from __future__ import annotations

import time
from typing import Any

from rich.markup import escape

from mistique_core.cli.stats import print_statistics
from operators.demo.airflow_process import running_airflow
from operators.demo.airflow_settings import USER
from operators.demo.answers import QUERY, ask
from operators.demo.client import AirflowClient, DagRunError
from operators.demo.environment import DemoEnvironment, prepare
from operators.demo.interrupts import Interrupts
from operators.demo.teller import Teller

PIPELINES = ("cancer_logistic_regression", "cancer_random_forest", "cancer_xgboost")

QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "What did the stage 'scaled' hold for patients 7 and 14?",
        {
            "technique": "pointq",
            "keys": [
                f"cancer.logistic_regression.scaled_train.{column}"
                for column in ("mean radius", "mean texture", "target")
            ],
            "row_id": [7, 14],
        },
    ),
    (
        "Which five patients is the random forest most certain about?",
        {"technique": "topk", "key": "cancer.random_forest.predictions.probability_1", "k": 5},
    ),
    (
        "For whom do logistic regression and XGBoost predict differently?",
        {
            "technique": "col_diff",
            "key_a": "cancer.logistic_regression.predictions.prediction",
            "key_b": "cancer.xgboost.predictions.prediction",
        },
    ),
    (
        "Which classes does XGBoost take for which? (asked to re-run)",
        {
            "technique": "confusion_matrix",
            "truth": "cancer.xgboost.predictions.target",
            "prediction": "cancer.xgboost.predictions.prediction",
            "strategy": "rerun",
        },
    ),
)


def run_demo(*, port: int, state: str | None, stay: bool) -> int:
    """Run the demo; return 0, or 1 when something failed.

    Parameters
    ----------
    port
        Port of the UI.
    state
        Folder for Airflow and the store; ``None`` for ``.state`` in the project.
    stay
        Whether to keep serving the UI until Ctrl-C.

    Raises
    ------
    MistiqueError
        If the demo cannot start; the message says why.
    """
    Interrupts().listen()
    teller = Teller()
    environment = prepare(port, state)
    teller.step(f"Starting Airflow on {environment.url} (its files are in {environment.state})")
    with running_airflow(environment, teller.detail):
        client = AirflowClient(environment.url, USER, environment.password())
        try:
            _run_pipelines(client, teller)
            failed = _ask(client, teller)
        finally:
            client.close()
        _show_storage(environment, teller)
        if stay:
            _serve(environment, teller)
        teller.step("Stopping Airflow")
    if failed:
        raise DagRunError(
            f"{failed} of {len(QUESTIONS)} questions were not answered; Airflow's log is {environment.log}"
        )
    return 0


def _run_pipelines(client: AirflowClient, teller: Teller) -> None:
    teller.step("Running three pipelines: logistic regression, random forest (operators), XGBoost (@task.stage)")
    client.wait_for_dags([*PIPELINES, QUERY])
    states = client.wait({dag_id: client.trigger(dag_id) for dag_id in PIPELINES}, teller.task)
    broken = [dag_id for dag_id, state in states.items() if state != "success"]
    if broken:
        raise DagRunError(f"{', '.join(broken)} failed; open the run in the UI or read its task logs")


def _ask(client: AirflowClient, teller: Teller) -> int:
    failed = 0
    for question, request in QUESTIONS:
        teller.step(question)
        failed += not ask(client, request, teller)
    return failed


def _show_storage(environment: DemoEnvironment, teller: Teller) -> None:
    from mistique_core.store import Mistique

    teller.step("What keeping every intermediate of every run costs")
    with Mistique.open(environment.store) as store:
        print_statistics(store.stats())


def _serve(environment: DemoEnvironment, teller: Teller) -> None:
    teller.step(f"The Airflow UI is at {environment.url}")
    teller.console.print(f"          login [bold]{USER}[/bold], password [bold]{escape(environment.password())}[/bold]")
    teller.console.print("          open 'MISTIQUE' in its navigation, or the tab MISTIQUE of any run; Ctrl-C ends it")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        teller.console.print()
