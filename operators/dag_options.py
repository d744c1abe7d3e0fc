"""What the DAGs of a workflow's file have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from airflow.sdk import Param

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.specification import WorkflowSpec

MAX_DAG_ID = 250


def safe_id(name: str) -> str:
    """Return a name as the id of a DAG."""
    return re.sub(r"[^\w.-]+", "_", name)


def code_block(text: str) -> str:
    """Return Markdown that shows a text as it is: what would be a link or a picture is none in it."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def dag_id_of(spec: WorkflowSpec, suffix: str = "") -> str:
    """Return the id of a workflow's DAG.

    Raises
    ------
    InvalidInputError
        If it is too long for Airflow.
    """
    dag_id = safe_id(f"{spec.project}_{spec.model}{suffix}")
    if len(dag_id) > MAX_DAG_ID:
        raise InvalidInputError(f"{spec.path}: the DAG's id {dag_id[:40]!r}... is too long; use shorter names")
    return dag_id


def dag_options(spec: WorkflowSpec, dag_kwargs: dict[str, Any], parameters: Iterable[str]) -> dict[str, Any]:
    """Return the arguments of a workflow's DAG: those of the caller, with the parameters of the file as its params."""
    params = {name: Param(spec.parameters[name], **spec.types[name]) for name in parameters}
    options = {"catchup": False, "doc_md": f"Made from:\n\n{code_block(spec.path.name)}", **dag_kwargs}
    options["tags"] = sorted({*spec.tags, *dag_kwargs.get("tags", ())})
    if spec.description:
        options.setdefault("description", spec.description)
    options["params"] = {**dag_kwargs.get("params", {}), **params}
    return options
