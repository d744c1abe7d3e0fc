"""Ask a diagnostic question about stored models.

Trigger it, fill in the form, and open the tab **MISTIQUE** of the run: it shows the answer, and
whether it was READ from the store or obtained by a RERUN, and why. What is left empty has its default.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from mistique_core.diagnostics import TECHNIQUES, one_form
from operators import DiagnoseOperator

with DAG(
    "mistique_query",
    schedule=None,
    catchup=False,
    tags=["mistique", "diagnosis"],
    doc_md=__doc__,
    params={
        "technique": Param(
            "confusion_matrix",
            type="string",
            enum=list(TECHNIQUES),
            values_display={name: f"{name}: {item.question}" for name, item in TECHNIQUES.items()},
            title="Technique",
        ),
        **{name: Param(**schema) for name, schema in one_form(TECHNIQUES.values()).items()},
    },
) as dag:
    dag.add_result(DiagnoseOperator(task_id="answer").output)
