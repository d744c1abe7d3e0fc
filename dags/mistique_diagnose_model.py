"""The standard check-up of a model, or of two models of a project.

It asks: which classes are taken for which (or how errors are distributed); for which groups the model is bad; which
examples are the worst, what they held at every stage, in what they are unlike others, and what is near them. With a
second model: where the two disagree, and which intermediates differ, from which stage on, by how much.

Each question is a task and a record of its own. The tab **MISTIQUE** of the run begins with the report: one sentence
each, in order, with links to the figures.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from operators import CheckUpQuestionOperator, CheckUpReportOperator, PlanCheckUpOperator

_COLUMN = "A key such as cancer.xgboost.predictions.prediction; empty to have it found."
_OTHER_COLUMNS = "Columns, where other ones are wanted than those that are found"

with DAG(
    "mistique_diagnose_model",
    dag_display_name="MISTIQUE check-up of a model",
    schedule=None,
    catchup=False,
    tags=["mistique", "diagnosis"],
    doc_md=__doc__,
    params={
        "model": Param(
            "cancer.xgboost",
            type="string",
            title="Model",
            description="project.model for its latest complete version; project.model@3 for version 3.",
        ),
        "other": Param(
            None,
            type=["null", "string"],
            title="Compare with",
            description="Another model or version, such as cancer.random_forest; empty to look at one model only.",
        ),
        "examples": Param(5, type="integer", minimum=1, maximum=50, title="How many of the worst examples"),
        "most_stages": Param(
            6, type="integer", minimum=0, maximum=50, title="At how many stages they are shown, the last ones"
        ),
        **{
            name: Param(
                None, type=["null", "string"], title=name.capitalize(), description=text, section=_OTHER_COLUMNS
            )
            for name, text in (
                ("truth", f"What is true. {_COLUMN}"),
                ("prediction", f"What was predicted. {_COLUMN}"),
                ("group", f"What errors are grouped by. {_COLUMN}"),
            )
        },
    },
) as dag:
    plan = PlanCheckUpOperator(task_id="plan")
    ask = CheckUpQuestionOperator.partial(
        task_id="ask", map_index_template="{{ task.title }}", max_active_tis_per_dagrun=4
    ).expand_kwargs(plan.output)
    report = CheckUpReportOperator(
        task_id="report", questions=plan.output, about=plan.output["about"], trigger_rule="all_done"
    )
    ask >> report
    dag.add_result(report.output)
