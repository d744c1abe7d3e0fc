"""Ask diagnostic questions about stored models: a DAG with its own form for each technique, and one for programs.

`mistique_query_topk` and its like have exactly the fields of their technique, with their defaults and bounds, so that
Airflow refuses what is incomplete before there is a run. `mistique_query` takes any technique, which scripts find
simpler: it has the fields of all, nearly 40. Forms cannot show fields that depend on another field.
"""

from __future__ import annotations

from airflow.sdk import DAG

from mistique_core.diagnostics import TECHNIQUES
from operators import DiagnoseOperator
from operators.query_form import form_of, form_of_all

ANSWER = """

The tab **MISTIQUE** of the run shows the answer with its figure, whether it was READ from the store or obtained by a
RERUN and why, downloads, and the Python code that asks the same.
"""

with DAG(
    "mistique_query",
    dag_display_name="MISTIQUE query: any technique",
    schedule=None,
    catchup=False,
    tags=["mistique", "diagnosis"],
    params=form_of_all(TECHNIQUES.values()),
    doc_md=f"Ask a diagnostic question of any technique about stored models.{ANSWER}",
) as dag:
    dag.add_result(DiagnoseOperator(task_id="answer").output)

for technique in TECHNIQUES.values():
    with DAG(
        f"mistique_query_{technique.name}",
        dag_display_name=f"MISTIQUE query: {technique.title}",
        schedule=None,
        catchup=False,
        tags=["mistique", "diagnosis", technique.category],
        params=form_of(technique),
        doc_md=f"{technique.question}{ANSWER}",
    ) as own:
        own.add_result(DiagnoseOperator(task_id="answer", technique=technique.name).output)
