"""Ask a diagnostic question whose answer needs a long re-run, and let several workers share that re-run.

`plan` finds out which layers of networks the question would re-run as a whole and whether it pays to divide their row
blocks among `workers`; each `rerun` stores its row blocks as they were recorded; `answer` then reads what all stored.
Where nothing has to be re-run, or it does not pay, there is nothing to `rerun`, and `answer` does everything, as in
`mistique_query`. It also does so where a worker has failed: sharing saves time, and no answer depends on it.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from mistique_core.diagnostics import TECHNIQUES
from operators import DiagnoseOperator, PlanRerunOperator, RerunBlocksOperator
from operators.query_form import form_of_all

WORKERS = Param(
    2,
    type="integer",
    minimum=1,
    maximum=64,
    title="Workers",
    description="How many tasks may share the re-run of an intermediate. Each loads the network by itself.",
)

with DAG(
    "mistique_query_split",
    dag_display_name="MISTIQUE query over several workers",
    schedule=None,
    catchup=False,
    tags=["mistique", "diagnosis"],
    params={**form_of_all(TECHNIQUES.values()), "workers": WORKERS},
    doc_md=__doc__,
) as dag:
    plan = PlanRerunOperator(task_id="plan", retries=1)
    rerun = RerunBlocksOperator.partial(
        task_id="rerun",
        map_index_template="{{ task.key }}: row blocks {{ task.start }} to {{ task.stop - 1 }}",
        retries=2,
        retry_delay=timedelta(seconds=5),
    ).expand_kwargs(plan.output)
    answer = DiagnoseOperator(task_id="answer", left_out=("workers",), trigger_rule="all_done")
    rerun >> answer
    dag.add_result(answer.output)
