"""DAGs from YAML workflows: ``globals().update(dags_from_yaml(Path(__file__).parent / "workflows"))``."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator, Param

from mistique_core.errors import InvalidInputError, MistiqueError, NotFoundError
from mistique_core.workflows.specification import WorkflowSpec, load_workflow
from operators.connection import DEFAULT_CONNECTION
from operators.materialize import MaterializeOperator
from operators.workflow_stage import WorkflowStageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

SUFFIXES = (".yaml", ".yml")
MAX_DAG_ID = 250
BROKEN = "broken workflow"
"""Tag of the DAG that stands for a file which cannot be used."""


POLICY_TASK = "materialize"
"""Task that ends the run of a workflow whose policy does not keep everything."""


def dags_from_yaml(
    folder_or_file: str | os.PathLike[str],
    *,
    schedule: Any = None,
    mistique_conn_id: str = DEFAULT_CONNECTION,
    **dag_kwargs: Any,
) -> dict[str, DAG]:
    """Return a DAG for each variation of each workflow, or one for a workflow without variations.

    The DAG's id is ``<project>_<model>`` or ``<project>_<model>_<variation>``, its params are the variation's
    parameters, and its tasks the stages.

    A file of a folder that cannot be used becomes a DAG of its own, tagged ``broken workflow``, which shows what is
    wrong with it; the other files are not affected. Airflow knows import errors only of whole Python files, and
    disables all DAGs of such a file. A single file that cannot be used raises, and so is an import error.

    Parameters
    ----------
    folder_or_file
        A YAML file, or a folder whose files ``*.yaml`` and ``*.yml`` are read; folders in it are not.
    schedule
        Of every DAG.
    mistique_conn_id
        Connection of the store.
    **dag_kwargs
        Further arguments of every DAG; ``tags`` are added to those of the file.

    Returns
    -------
    dict
        DAG id -> DAG, to be added to the module's globals.

    Raises
    ------
    NotFoundError
        If there is no such folder or file.
    InvalidInputError
        If a single file cannot be used.
    """
    place = Path(folder_or_file)
    if not place.is_dir():
        spec = load_workflow(place)
        found = [_workflow_dag(item, schedule, mistique_conn_id, dag_kwargs) for item in spec.all_variations()]
        return {dag.dag_id: dag for dag in found}
    files = sorted(file for file in place.iterdir() if file.suffix in SUFFIXES and file.is_file())
    if not files:
        raise NotFoundError(f"folder {str(place)!r} has no files *.yaml; put workflows there")
    dags: dict[str, DAG] = {}
    for file in files:
        try:
            made = [
                _workflow_dag(item, schedule, mistique_conn_id, dag_kwargs)
                for item in load_workflow(file).all_variations()
            ]
            for dag in made:
                if dag.dag_id in dags:
                    raise InvalidInputError(
                        f"{file}: another file has the DAG {dag.dag_id!r} already; give the model another name"
                    )
        except MistiqueError as error:
            log.error("workflow %s cannot be used:\n%s", file, error)
            made = [_broken_dag(file, error, dag_kwargs)]
        dags.update({dag.dag_id: dag for dag in made})
    return dags


def _workflow_dag(spec: WorkflowSpec, schedule: Any, mistique_conn_id: str, dag_kwargs: dict[str, Any]) -> DAG:
    dag_id = _safe_id(f"{spec.project}_{spec.model}")
    if len(dag_id) > MAX_DAG_ID:
        raise InvalidInputError(f"{spec.path}: the DAG's id {dag_id[:40]!r}... is too long; use shorter names")
    params = {name: Param(value, **spec.types[name]) for name, value in spec.parameters.items()}
    options = {"catchup": False, "doc_md": f"Made from `{spec.path.name}`.", **dag_kwargs}
    options["tags"] = sorted({*spec.tags, *dag_kwargs.get("tags", ())})
    if spec.description:
        options.setdefault("description", spec.description)
    options["params"] = {**dag_kwargs.get("params", {}), **params}
    with DAG(dag_id, schedule=schedule, **options) as dag:
        for stage in spec.stages:
            WorkflowStageOperator(task_id=stage.name, workflow=spec, stage=stage, mistique_conn_id=mistique_conn_id)
    for stage in spec.stages:
        for reference in stage.inputs.values():
            dag.get_task(reference.stage).set_downstream(dag.get_task(stage.name))
    if not spec.materialization.keeps_all:
        _end_with_policy(dag, spec, mistique_conn_id)
    return dag


def _end_with_policy(dag: DAG, spec: WorkflowSpec, mistique_conn_id: str) -> None:
    """Let the last task of a run let go of what the workflow's policy does not keep."""
    last = list(dag.leaves)
    end = MaterializeOperator(
        task_id=_free_name(POLICY_TASK, dag.task_ids),
        project=spec.project,
        model=spec.model,
        policy=spec.materialization.to_json(),
        mistique_conn_id=mistique_conn_id,
        dag=dag,
    )
    end.set_upstream(last)


def _free_name(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


class BrokenWorkflowOperator(BaseOperator):
    """Fails with what is wrong with a workflow's file.

    Parameters
    ----------
    problems
        The message.
    **kwargs
        Arguments of any operator.
    """

    ui_color = "#f7e0e0"

    def __init__(self, *, problems: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.problems = problems

    def execute(self, context: Context) -> None:
        """Raise."""
        raise InvalidInputError(self.problems)


def _broken_dag(file: Path, error: MistiqueError, dag_kwargs: dict[str, Any]) -> DAG:
    text = str(error)
    with DAG(
        _safe_id(f"broken_{file.stem}"),
        schedule=None,
        catchup=False,
        dag_display_name=f"{file.name} cannot be used",
        description=text.splitlines()[0],
        tags=sorted({BROKEN, *dag_kwargs.get("tags", ())}),
        doc_md="\n".join(f"    {line}" for line in text.splitlines()),
    ) as dag:
        BrokenWorkflowOperator(task_id="read", problems=text)
    return dag


def _safe_id(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)
