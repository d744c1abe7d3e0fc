"""Run a specified workflow without Airflow."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from mistique_core.catalogue.entities import RunKey
from mistique_core.engine.stage_runner import StageOutcome
from mistique_core.errors import InvalidInputError, MistiqueError, NotFoundError, did_you_mean
from mistique_core.frames import with_row_id
from mistique_core.model import Ref, Stage
from mistique_core.store import Mistique, Run
from mistique_core.store.workflow_report import StageReport, WorkflowReport
from mistique_core.workflows.run_progress import RunProgress
from mistique_core.workflows.specification import StageSpec, WorkflowSpec, load_workflow
from mistique_core.workflows.specification.build import build_stage

Outputs = dict[str, dict[str, Ref]]


def run_workflow_file(
    store: Mistique,
    path: Path,
    input_func: Callable[[], Any] | None = None,
    *,
    project: str | None = None,
    model: str | None = None,
    variation: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    reuse: bool = True,
    progress: bool | None = None,
) -> WorkflowReport:
    """Run the workflow of a file; the parameters are those of :meth:`Mistique.log_intermediates`."""
    spec = load_workflow(path)
    if variation is not None:
        spec = spec.variation(variation)
    elif spec.variations:
        raise InvalidInputError(f"workflow {path.name} has variations; choose one of {', '.join(spec.variations)}")
    spec = replace(spec, project=project or spec.project, model=model or spec.model)
    return run_workflow(store, spec, input_func, parameters=parameters, reuse=reuse, progress=progress)


def run_workflow(
    store: Mistique,
    spec: WorkflowSpec,
    input_func: Callable[[], Any] | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    reuse: bool = True,
    progress: bool | None = None,
    key: RunKey | None = None,
    about: Mapping[str, Any] | None = None,
) -> WorkflowReport:
    """Run a workflow, or one variation of it, as a run of its own.

    Parameters
    ----------
    store
        Where it logs to.
    spec
        The workflow, with its ``${...}``.
    input_func
        Frames in place of source stages; see :meth:`Mistique.log_intermediates`.
    parameters
        Parameter -> value, in place of those in the file.
    reuse
        Whether outputs of equal earlier stages may be taken over.
    progress
        Whether to draw a progress bar; ``None`` means only on a terminal.
    key
        Identity of the ExperimentRun; by default a new one.
    about
        Further columns of the ExperimentRun, such as ``metadata``.
    """
    resolved = spec.resolved(parameters)
    frames = {} if input_func is None else _frames(input_func(), resolved)
    stages = {stage.name: build_stage(stage) for stage in resolved.stages if stage.name not in frames}
    environment = {"python": platform.python_version(), "host": platform.node(), "workflow": spec.facts()}
    facts = {"params": dict(resolved.parameters), "environment": environment, **(about or {})}
    reports = []
    outputs: Outputs = {}
    policy = spec.materialization.to_json()
    with (
        store.run(spec.project, spec.model, key=key, facts=facts, policy=policy) as run,
        RunProgress(len(resolved.stages), progress) as bar,
    ):
        for stage in resolved.stages:
            bar.start(stage.name)
            if stage.name in frames:
                report, made = _log_source(run, stage, frames[stage.name])
            else:
                done = run_stage(run, stage, outputs, made=stages[stage.name], reuse=reuse)
                report, made = _report(stage.name, done), done.outputs
            outputs[stage.name] = made
            reports.append(report)
            bar.finish(report.logical_bytes)
    return WorkflowReport(run.project, run.model, run.version, tuple(reports))


def run_stage(
    run: Run,
    spec: StageSpec,
    outputs: Outputs,
    *,
    name: str | None = None,
    made: tuple[Stage, Mapping[str, str]] | None = None,
    reuse: bool = True,
    wait_for_equal: bool = False,
    parent_id: int | None = None,
    task_id: str | None = None,
) -> StageOutcome:
    """Run one stage of a workflow.

    Parameters
    ----------
    run
        The run.
    spec
        The stage, without ``${...}``.
    outputs
        Stage -> outputs, of those that it takes.
    name
        What it is called in the run; default as in the workflow.
    made
        What :func:`build_stage` made of it, if that was done before.
    reuse
        Whether outputs of an equal earlier stage may be taken over, where the stage allows it.
    wait_for_equal, parent_id, task_id
        See :meth:`Run.stage`.
    """
    stage, names = made or build_stage(spec)
    inputs = {names[name]: choose_output(spec, name, outputs[item.stage]) for name, item in spec.inputs.items()}
    return run.stage(
        name or spec.name,
        stage,
        inputs,
        reuse=reuse and spec.reuse,
        wait_for_equal=wait_for_equal,
        parent_id=parent_id,
        task_id=task_id,
    )


def _report(name: str, done: StageOutcome) -> StageReport:
    return StageReport(name, done.seconds, done.reused, done.logical_bytes, done.stored_bytes, dict(done.metrics))


def choose_output(spec: StageSpec, name: str, outputs: Mapping[str, Ref]) -> Ref:
    """Return the output that the input `name` of a stage refers to, among the outputs of its stage.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    try:
        return spec.inputs[name].choose(outputs)
    except MistiqueError as error:
        raise NotFoundError(f"input {name!r} of stage {spec.name!r}: {error}") from error


def _log_source(run: Run, spec: StageSpec, frame: pd.DataFrame) -> tuple[StageReport, dict[str, Ref]]:
    row_id = spec.row_id or spec.params.get("row_id")
    done = run.log_frame(spec.name, with_row_id(frame, row_id, f"the frame for stage {spec.name!r}"))
    return StageReport(spec.name, done.seconds, False, done.logical_bytes, done.stored_bytes), {"": done.ref}


def _frames(given: Any, spec: WorkflowSpec) -> dict[str, pd.DataFrame]:
    sources = [stage.name for stage in spec.stages if not stage.inputs]
    if isinstance(given, pd.DataFrame):
        if len(sources) != 1:
            raise InvalidInputError(
                f"input_func returned one DataFrame for {len(sources)} source stages; return a dict with some of "
                f"{', '.join(sources)}"
            )
        return {sources[0]: given}
    if not isinstance(given, Mapping):
        raise InvalidInputError(
            f"input_func returned a {type(given).__name__}; return a DataFrame, or source stage -> DataFrame"
        )
    for name, frame in given.items():
        if name not in sources:
            raise InvalidInputError(
                f"input_func returned a frame for {name!r}, no source stage; {did_you_mean(str(name), sources)}"
            )
        if not isinstance(frame, pd.DataFrame):
            raise InvalidInputError(f"input_func returned a {type(frame).__name__} for {name!r}; return a DataFrame")
    return dict(given)
