"""What the demo does: run the pipelines, ask, show what it cost."""

from __future__ import annotations

import signal
import time
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mistique_core.cli.stats import print_statistics
from operators.demo.airflow_process import running_airflow
from operators.demo.client import AirflowClient, DagRunError
from operators.demo.environment import USER, DemoEnvironment, prepare

PIPELINES = ("cancer_logistic_regression", "cancer_random_forest", "cancer_xgboost")
QUERY = "mistique_query"

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

_MOST_ROWS = 8


class _Teller:
    """Prints progress with the seconds since the start."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._start = time.monotonic()

    def step(self, text: str) -> None:
        """Print a step."""
        self.console.print(f"[dim]{time.monotonic() - self._start:6.1f} s[/dim]  [bold]{escape(text)}[/bold]")

    def detail(self, text: str) -> None:
        """Print progress within a step."""
        self.console.print(f"[dim]{time.monotonic() - self._start:6.1f} s[/dim]    {escape(text)}")

    def task(self, dag_id: str, task_id: str, state: str, done: int, total: int) -> None:
        """Print that a task ended."""
        self.detail(f"{dag_id:28s} {done}/{total}  {task_id} {'' if state == 'success' else state.upper()}")


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
    _stop_on_signals()
    teller = _Teller()
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


def _stop_on_signals() -> None:
    """Have Ctrl-C and ``kill`` end the demo in order, even where a shell made a background job ignore them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def _run_pipelines(client: AirflowClient, teller: _Teller) -> None:
    teller.step("Running three pipelines: logistic regression, random forest (operators), XGBoost (@task.stage)")
    client.wait_for_dags([*PIPELINES, QUERY])
    states = client.wait({dag_id: client.trigger(dag_id) for dag_id in PIPELINES}, teller.task)
    broken = [dag_id for dag_id, state in states.items() if state != "success"]
    if broken:
        raise DagRunError(f"{', '.join(broken)} failed; open the run in the UI or read its task logs")


def _ask(client: AirflowClient, teller: _Teller) -> int:
    failed = 0
    for question, request in QUESTIONS:
        teller.step(question)
        run_id = client.trigger(QUERY, request)
        if client.wait({QUERY: run_id}, lambda *_: None)[QUERY] != "success":
            teller.detail(f"NOT ANSWERED: {client.task_messages(QUERY, run_id, 'answer')[-1]}")
            failed += 1
            continue
        _show_answer(client.task_result(QUERY, run_id, "answer"), teller.console)
    return failed


def _show_answer(answer: dict[str, Any], console: Console) -> None:
    console.print(f"          {escape(answer['sentence'])}")
    table = Table(box=None, header_style="bold", padding=(0, 3, 0, 0))
    for name in answer["columns"]:
        table.add_column(escape(name.removeprefix("cancer.")), justify="right")
    for row in answer["rows"][:_MOST_ROWS]:
        table.add_row(*(f"{value:.6g}" if isinstance(value, float) else str(value) for value in row))
    console.print(table)
    if answer["row_count"] > _MOST_ROWS:
        console.print(f"          ({_MOST_ROWS} of {answer['row_count']} rows)")
    console.print(f"          [bold]{answer['strategy'].upper()}[/bold] because {escape(answer['why'])}")


def _show_storage(environment: DemoEnvironment, teller: _Teller) -> None:
    from mistique_core.store import Mistique

    teller.step("What keeping every intermediate of every run costs")
    with Mistique.open(environment.store) as store:
        print_statistics(store.stats())


def _serve(environment: DemoEnvironment, teller: _Teller) -> None:
    teller.step(f"The Airflow UI is at {environment.url}")
    teller.console.print(f"          login [bold]{USER}[/bold], password [bold]{escape(environment.password())}[/bold]")
    teller.console.print("          open 'MISTIQUE' in its navigation, or the tab MISTIQUE of any run; Ctrl-C ends it")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        teller.console.print()
