"""DAGs from YAML workflows: ``globals().update(dags_from_yaml(Path(__file__).parent / "workflows"))``."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator, get_parsing_context

from mistique_core.errors import InvalidInputError, MistiqueError, NotFoundError
from mistique_core.workflows.specification import WorkflowSpec, load_workflow
from mistique_core.workflows.specification.document import read_document
from operators.connection import DEFAULT_CONNECTION
from operators.dag_options import MAX_DAG_ID, code_block, dag_id_of, dag_options, safe_id
from operators.materialize import MaterializeOperator
from operators.search_dag import SUFFIX as SEARCH_SUFFIX
from operators.search_dag import search_dag
from operators.workflow_stage import WorkflowStageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

SUFFIXES = (".yaml", ".yml")
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
    parameters, and its tasks the stages. Where the file says how to search for hyperparameters, there is one more DAG
    ``..._search`` (:mod:`operators.search_dag`), which nobody schedules.

    A file of a folder that cannot be used becomes a DAG of its own, tagged ``broken workflow``, which shows what is
    wrong with it; the other files are not affected. Airflow knows import errors only of whole Python files, and
    disables all DAGs of such a file. A single file that cannot be used raises, and so is an import error.

    In the process of a task a folder gives the task's own DAG only: building fifty DAGs takes longer than most of their
    tasks. A file gives all of its DAGs there too.

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
        DAG id -> DAG, to be added to the module's globals; see above for what it holds in the process of a task.

    Raises
    ------
    NotFoundError
        If there is no such folder or file.
    InvalidInputError
        If a single file cannot be used.
    """
    place = Path(folder_or_file)
    if not place.is_dir():
        return _dags_of_file(place, {}, schedule, mistique_conn_id, dag_kwargs)
    files = sorted(file for file in place.iterdir() if file.suffix in SUFFIXES and file.is_file())
    if not files:
        raise NotFoundError(f"folder {str(place)!r} has no files *.yaml; put workflows there")
    wanted = get_parsing_context().dag_id
    dags: dict[str, DAG] = {}
    for file in files:
        if wanted is not None and not _may_hold(file, wanted):
            continue
        try:
            made = _dags_of_file(file, dags, schedule, mistique_conn_id, dag_kwargs, wanted)
        except MistiqueError as error:
            if wanted not in (None, _broken_id(file)):
                continue
            log.error("workflow %s cannot be used:\n%s", file, error)
            broken = _broken_dag(file, error, dag_kwargs)
            made = {broken.dag_id: broken}
        dags.update(made)
    return dags


def _may_hold(file: Path, dag_id: str) -> bool:
    """Return whether a file may hold a DAG; checks nothing, so that it is much faster than loading the file."""
    if dag_id == _broken_id(file):
        return True
    try:
        value = read_document(file.read_text(encoding="utf-8"), str(file)).value
    except (MistiqueError, OSError, UnicodeDecodeError):
        return False  # its DAG is the one above
    names = (value.get("project"), value.get("model")) if isinstance(value, dict) else ()
    return bool(names) and dag_id.startswith(safe_id("_".join(map(str, names))))


def _dags_of_file(
    file: Path,
    others: Mapping[str, DAG],
    schedule: Any,
    mistique_conn_id: str,
    dag_kwargs: dict[str, Any],
    wanted: str | None = None,
) -> dict[str, DAG]:
    """Return the DAGs of a file, or the one that is wanted; their ids differ from those of `others`."""
    made: dict[str, DAG] = {}
    for spec in load_workflow(file).all_variations():
        found = []
        if wanted in (None, dag_id_of(spec)):
            found.append(_workflow_dag(spec, schedule, mistique_conn_id, dag_kwargs))
        if spec.search is not None and wanted in (None, dag_id_of(spec, SEARCH_SUFFIX)):
            found.append(search_dag(spec, mistique_conn_id, dag_kwargs))
        for dag in found:
            if dag.dag_id in made:
                raise InvalidInputError(f"{file}: two of its DAGs would be {dag.dag_id!r}; rename a variation")
            if dag.dag_id in others:
                raise InvalidInputError(
                    f"{file}: another file has the DAG {dag.dag_id!r} already; give the model another name"
                )
            made[dag.dag_id] = dag
    return made


def _workflow_dag(spec: WorkflowSpec, schedule: Any, mistique_conn_id: str, dag_kwargs: dict[str, Any]) -> DAG:
    with DAG(dag_id_of(spec), schedule=schedule, **dag_options(spec, dag_kwargs, spec.parameters)) as dag:
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


def _broken_id(file: Path) -> str:
    return safe_id(f"broken_{file.stem}")[:MAX_DAG_ID]


def _broken_dag(file: Path, error: MistiqueError, dag_kwargs: dict[str, Any]) -> DAG:
    text = str(error)
    with DAG(
        _broken_id(file),
        schedule=None,
        catchup=False,
        dag_display_name=f"{file.name} cannot be used",
        description=text.splitlines()[0],
        tags=sorted({BROKEN, *dag_kwargs.get("tags", ())}),
        doc_md=code_block(text),
    ) as dag:
        BrokenWorkflowOperator(task_id="read", problems=text)
    return dag
