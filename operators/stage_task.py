"""Running a stage inside a task: what the stage operators and ``@task.stage`` share."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mistique_core.planner.plan import format_bytes, format_seconds
from operators.hook import MistiqueHook
from operators.openlineage.gather import stage_facts
from operators.openlineage.source import keep_task_facts

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mistique_core.engine import StageOutcome
    from mistique_core.model import Ref, Stage

log = logging.getLogger(__name__)

REUSE_SWITCH = "mistique_reuse"
"""Key of a DAG run's conf that switches reuse off for that run."""


def run_stage_task(
    context: Context,
    hook: MistiqueHook,
    *,
    project: str,
    model: str,
    intermediate: str,
    stage: Stage,
    inputs: Mapping[str, Ref],
    reuse: bool,
    blocks: Any = None,
    workflow: Mapping[str, Any] | None = None,
) -> Any:
    """Run a stage as part of the current DAG run, push its outputs and return the main one.

    Parameters
    ----------
    context, hook
        The task's context and store.
    project, model, intermediate, stage, inputs, reuse, blocks
        See :meth:`mistique_core.store.Run.stage`.
    workflow
        What is recorded about the workflow's specification, where there is one.

    Returns
    -------
    object
        For XCom: the reference of the only output; of several, a dict by name (each is also pushed
        under its own key); of a stage without outputs, its metrics; ``None`` while other tasks have row blocks to do.
    """
    ti = context["ti"]
    map_index = -1 if ti.map_index is None else ti.map_index
    name = intermediate if map_index < 0 or blocks is not None else f"{intermediate}_{map_index}"
    run = hook.open_run(context, project, model, workflow=workflow)
    try:
        outcome = run.stage(
            name,
            stage,
            inputs,
            reuse=reuse_allowed(context, reuse),
            map_index=map_index,
            task_id=ti.task_id,
            blocks=blocks,
        )
    except Exception as error:
        keep_task_facts(context, lambda: stage_facts(hook.store, inputs, None), error)
        raise
    keep_task_facts(context, lambda: stage_facts(hook.store, inputs, outcome))
    if blocks is not None and not outcome.outputs:
        log.info(
            "stage %s: row blocks %s stored in %s; others are to come", name, blocks, format_seconds(outcome.seconds)
        )
        return None
    _log_outcome(name, outcome)
    outputs = {output: ref.to_json() for output, ref in outcome.outputs.items()}
    if len(outputs) > 1:
        for output, ref in outputs.items():
            if output:
                ti.xcom_push(key=output, value=ref)
    if "" in outputs:
        return outputs[""]
    if len(outputs) == 1:
        return next(iter(outputs.values()))
    return outputs or outcome.metrics


def reuse_allowed(context: Context, reuse: bool) -> bool:
    """Return whether earlier outputs may be taken over: `reuse`, unless the run's conf switches it off."""
    return reuse and bool((context["dag_run"].conf or {}).get(REUSE_SWITCH, True))


def _log_outcome(name: str, outcome: StageOutcome) -> None:
    if outcome.reused:
        log.info("stage %s: REUSED in %s, 0 B added", name, format_seconds(outcome.seconds))
    else:
        log.info(
            "stage %s: EXECUTED in %s, %s of output, %s added to the store",
            name,
            format_seconds(outcome.seconds),
            format_bytes(outcome.logical_bytes),
            format_bytes(outcome.stored_bytes),
        )
    for output, ref in outcome.outputs.items():
        log.info("  %s -> %s", output or name, ref)
    for metric, value in outcome.metrics.items():
        log.info("  %s = %.6g", metric, value)
