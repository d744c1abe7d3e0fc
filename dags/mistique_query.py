"""Ask a diagnostic question about stored models.

Trigger it, fill in the form, and open the tab **MISTIQUE** of the run: it shows the answer, and
whether it was READ from the store or obtained by a RERUN, and why.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from operators import DiagnoseOperator

TECHNIQUES = {
    "pointq": "pointq: what did a stage hold for these rows?",
    "topk": "topk: which rows have the highest values of a column?",
    "col_diff": "col_diff: where do two models differ in a column?",
    "confusion_matrix": "confusion_matrix: which classes are taken for which?",
}

with DAG(
    "mistique_query",
    schedule=None,
    catchup=False,
    tags=["mistique", "diagnosis"],
    doc_md=__doc__,
    params={
        "technique": Param(
            "confusion_matrix", type="string", enum=list(TECHNIQUES), values_display=TECHNIQUES, title="Technique"
        ),
        "project": Param("cancer", type="string", minLength=1, title="Project"),
        "models": Param(
            ["logistic_regression"],
            type="array",
            items={"type": "string"},
            title="Models",
            description="One a line; two for col_diff. model@3 names a version, else the latest complete one.",
        ),
        "intermediate": Param("predictions", type="string", minLength=1, title="Intermediate"),
        "columns": Param(
            ["target", "prediction"],
            type=["null", "array"],
            items={"type": "string"},
            title="Columns",
            description="pointq: any, or none for all. topk, col_diff: one. "
            "confusion_matrix: the truth, the prediction.",
        ),
        "rows": Param(
            None,
            type=["null", "array"],
            items={"type": "integer"},
            title="Rows",
            description="Row ids as a JSON list, such as [3, 17]. Needed by pointq only.",
        ),
        "k": Param(10, type="integer", minimum=1, title="How many", description="topk only.", section="Details"),
        "largest": Param(
            True, type="boolean", title="Largest", description="topk: off for the smallest.", section="Details"
        ),
        "tolerance": Param(
            0.0,
            type="number",
            minimum=0,
            title="Tolerance",
            description="col_diff: largest difference of numbers that counts as equal.",
            section="Details",
        ),
        "strategy": Param(
            "auto",
            type="string",
            enum=["auto", "read", "rerun"],
            title="Strategy",
            description="auto lets the cost model choose.",
            section="Details",
        ),
    },
) as dag:
    dag.add_result(DiagnoseOperator(task_id="answer").output)
