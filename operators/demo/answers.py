"""Ask a question through the query DAG, and print its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from operators.demo.client import AirflowClient
from operators.demo.teller import Teller

QUERY = "mistique_query"
_MOST_ROWS = 8


def ask(client: AirflowClient, request: Mapping[str, Any], teller: Teller) -> bool:
    """Run the query DAG and print what it answers; return whether it did.

    Parameters
    ----------
    client
        The Airflow to ask.
    request
        The conf of the query DAG.
    teller
        Where to print.
    """
    run_id = client.trigger(QUERY, request)
    if client.wait({QUERY: run_id}, lambda *_: None)[QUERY] != "success":
        teller.detail(f"NOT ANSWERED: {client.task_messages(QUERY, run_id, 'answer')[-1]}")
        return False
    _show(client.task_result(QUERY, run_id, "answer"), teller.console)
    return True


def _show(answer: dict[str, Any], console: Console) -> None:
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
