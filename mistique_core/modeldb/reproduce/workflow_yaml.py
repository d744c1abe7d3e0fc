"""A recorded run as a workflow file, so that it can be run again, by hand or as a DAG."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.model import StageKind
from mistique_core.modeldb.reproduce.recorded_workflow import RecordedInput, RecordedStage, RecordedWorkflow
from mistique_core.workflows.operator_names import OPERATORS

_FUNCTION = "mistique_core.workflows.function_stage:FunctionStage"
CONTAINERS = (StageKind.PIPELINE, StageKind.CROSS_VALIDATION, StageKind.GRID_SEARCH)
"""Kinds of events that only sum up their parts, so that there is nothing to run."""


def executable_stages(workflow: RecordedWorkflow) -> list[RecordedStage]:
    """Return the stages that can be run: all but those that only sum up others, and mere figures of a part."""
    return [
        item
        for item in workflow.stages
        if item.kind not in CONTAINERS and (item.parent_id is None or item.frames or item.fitted or item.inputs)
    ]


def seeded_params(stage: RecordedStage) -> dict[str, Any]:
    """Return the parameters of a stage; a split without a seed gets the one that it really used."""
    params = dict(stage.params)
    if stage.kind == StageKind.SPLIT and params.get("seed") is None and "seed" in stage.facts:
        params["seed"] = stage.facts["seed"]
    return params


def workflow_yaml(workflow: RecordedWorkflow) -> str:
    """Return the file.

    Raises
    ------
    InvalidInputError
        If a stage is nothing that a workflow file can name: a mapped task, a layer of a network, or data that was
        logged by hand or belongs to another model.
    """
    import yaml

    stages = executable_stages(workflow)
    names = {item.id: item.name for item in stages}
    document = {
        "project": workflow.project,
        "model": workflow.model,
        "description": f"Re-created from the record of {workflow.label}.",
        "stages": {item.name: _stage(item, names, workflow) for item in stages},
    }
    plain = json.loads(json.dumps(document))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110)


def _stage(item: RecordedStage, names: Mapping[int, str], workflow: RecordedWorkflow) -> dict[str, Any]:
    if item.map_index >= 0:
        raise InvalidInputError(
            f"stage {item.title} of {workflow.label} was a mapped task, which a workflow file cannot express; re-run it"
        )
    operator, params, further = _operator(item)
    found: dict[str, Any] = {"operator": operator}
    references = {name: _reference(item, name, given, names) for name, given in item.inputs.items()}
    if references:
        found["inputs"] = references
    if params:
        found["params"] = params
    return {**found, **further}


def _operator(item: RecordedStage) -> tuple[str, dict[str, Any], dict[str, Any]]:
    params = seeded_params(item)
    if item.operator == _FUNCTION:
        return _function(item, params)
    module, _, class_name = item.operator.partition(":")
    for name, entry in OPERATORS.items():
        if not entry.fixed and entry.class_name == class_name and entry.module in (module, module.rpartition(".")[0]):
            return name, {key: value for key, value in params.items() if value is not None}, {}
    if module.partition(".")[0] in ("sklearn", "light", "") or not class_name:
        raise InvalidInputError(
            f"stage {item.title} ran {item.operator}, which no operator of a workflow file does; write it as a function"
        )
    return item.operator, params, {}


def _function(item: RecordedStage, params: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return a user's function as the operator, with the arguments that are not inputs."""
    location: Mapping[str, str | None] = params["function"]
    path = f"{location['module'] or location['file']}:{location['qualname']}"
    arguments = dict(params["arguments"])
    plain = {}
    for name, value in arguments.items():
        if value == {"$input": name}:
            continue
        if "$input" in json.dumps(value):
            raise InvalidInputError(
                f"stage {item.title} takes an input inside its argument {name!r}, which a workflow file cannot express"
            )
        plain[name] = value
    further = {key: params[key] for key in ("row_id", "deterministic") if params.get(key) is not None}
    return path, plain, further


def _reference(item: RecordedStage, name: str, given: RecordedInput, names: Mapping[int, str]) -> str:
    if given.stage_id is None or given.stage_id not in names:
        what = "was logged by hand" if given.stage_id is None else "was made by another run or try"
        raise InvalidInputError(
            f"input {name!r} of stage {item.title} {what}, which a workflow file cannot express; re-run it instead"
        )
    return f"{names[given.stage_id]}.{given.output}" if given.output else names[given.stage_id]
