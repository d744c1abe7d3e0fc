"""A DAG whose tasks share the row blocks of one capture; ``benchmarks.scale_out`` copies it into a cluster."""

from __future__ import annotations

from itertools import pairwise

from airflow.sdk import DAG, Param, task

from operators import LogIntermediatesOperator


def ranges(rows: int, batch_rows: int, tasks: int) -> list[list[int]]:
    """Return ``[first, end]`` of the row blocks of each task: as many as there are tasks, nearly equal."""
    blocks = -(-rows // batch_rows)
    ends = [blocks * number // tasks for number in range(tasks + 1)]
    return [[first, end] for first, end in pairwise(ends) if first < end]


with DAG(
    "scale_out",
    schedule=None,
    catchup=False,
    params={
        "network": Param("", type="string"),
        "images": Param("", type="string"),
        "rows": 1_000,
        "batch_rows": 1_000,
        "tasks": 2,
        "scheme": Param(None, type=["null", "string"]),
    },
    render_template_as_native_obj=True,
) as dag:
    size = {"rows": "{{ params.rows }}", "batch_rows": "{{ params.batch_rows }}"}
    LogIntermediatesOperator.partial(
        task_id="capture",
        project="scale_out",
        model="vgg16",
        network="{{ params.network }}",
        input_function="augmented_images.py:augmented_input",
        input_arguments={"path": "{{ params.images }}", **size},
        scheme="{{ params.scheme }}",
        batch_rows=size["batch_rows"],
    ).expand(blocks=task(ranges)(**size, tasks="{{ params.tasks }}"))
