"""Read a workflow from its file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mistique_core.errors import NotFoundError
from mistique_core.workflows.specification.document import Document, read_document, read_source
from mistique_core.workflows.specification.materialization import Materialization
from mistique_core.workflows.specification.meaning import check_meaning
from mistique_core.workflows.specification.parameter import parameter_schema
from mistique_core.workflows.specification.problem import WorkflowSpecificationError
from mistique_core.workflows.specification.reference import StageReference
from mistique_core.workflows.specification.search_check import read_search
from mistique_core.workflows.specification.search_spec import SearchSpec
from mistique_core.workflows.specification.spec import ONLY_INPUT, StageSpec, WorkflowSpec
from mistique_core.workflows.specification.structure import check_structure


def load_workflow(path: str | os.PathLike[str]) -> WorkflowSpec:
    """Return the workflow of a YAML file; imports no stage class.

    Raises
    ------
    NotFoundError
        If there is no such file.
    WorkflowSpecificationError
        If it cannot be used; the message lists every problem with its line.
    """
    file = Path(path)
    try:
        text = read_source(file, WorkflowSpecificationError)
    except OSError as error:
        raise NotFoundError(f"workflow {str(file)!r} cannot be read: {error.strerror or error}") from error
    return workflow_of(text, file)


def workflow_of(text: str, file: Path) -> WorkflowSpec:
    """Return the workflow that a text of YAML is; imports no stage class and reads nothing.

    Parameters
    ----------
    text
        YAML.
    file
        Where it stands, for messages and for what it names beside itself.

    Raises
    ------
    WorkflowSpecificationError
        If it cannot be used.
    """
    document = read_document(text, str(file))
    check_structure(document)
    check_meaning(document)
    document.check()
    workflow = _workflow(document, file)
    search = read_search(document, workflow)
    document.check()
    return replace(workflow, search=search, types=_types(workflow, search))


def _workflow(document: Document, path: Path) -> WorkflowSpec:
    value: Mapping[str, Any] = document.value
    parameters = value.get("parameters", {})
    variations = {name: changes or {} for name, changes in value.get("variations", {}).items()}
    return WorkflowSpec(
        path=path,
        project=value["project"],
        model=value["model"],
        stages=tuple(_stage(name, stage, document.line(("stages", name))) for name, stage in value["stages"].items()),
        parameters=parameters,
        variations=variations,
        description=value.get("description", ""),
        tags=tuple(value.get("tags", ())),
        materialization=Materialization.from_json(value.get("materialization", "dedup")),
    )


def _types(workflow: WorkflowSpec, search: SearchSpec | None) -> dict[str, dict[str, Any]]:
    values = {name: [default] for name, default in workflow.parameters.items()}
    for changes in workflow.variations.values():
        for name, value in changes.items():
            values[name].append(value)
    for name, searched in search.space.parameters.items() if search is not None else ():
        values[name].extend(searched.examples())
    return {name: parameter_schema(given) for name, given in values.items()}


def _stage(name: str, value: Mapping[str, Any], line: int) -> StageSpec:
    inputs = value.get("inputs", {})
    named = isinstance(inputs, dict)
    references = inputs if named else {ONLY_INPUT: inputs}
    return StageSpec(
        name=name,
        operator=value["operator"],
        inputs={key: StageReference.parse(text) for key, text in references.items()},
        named=named,
        params=value.get("params", {}),
        reuse=value.get("reuse", True),
        row_id=value.get("row_id"),
        deterministic=value.get("deterministic"),
        line=line,
    )
