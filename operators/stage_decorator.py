"""``@task.stage``: a plain function as a stage of a model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory

from operators.connection import DEFAULT_CONNECTION
from operators.hook import MistiqueHook
from operators.links import RunPageLink
from operators.openlineage.source import LineageSource
from operators.references import references_from_xcom
from operators.stage_task import run_stage_task

if TYPE_CHECKING:
    from airflow.sdk import Context


class DecoratedStageOperator(LineageSource, DecoratedOperator, PythonOperator):
    """Calls the function with frames and fitted objects in place of references.

    Parameters
    ----------
    project, model
        Whose intermediate the result is; templated.
    intermediate
        Its name; default the task's id with ``_`` for dots. Templated.
    row_id
        For a function without inputs: the column that identifies an example.
    deterministic
        Whether equal inputs always give equal outputs; a stage for which they do not is never reused.
        Default: true for a function with inputs, false for one that reads source data.
    lazy
        Whether the function may be given lazy frames, whose columns are read when it touches them; they are
        DataFrames too. ``False`` gives it plain ones.
    row_wise
        Whether each row of the result depends only on the rows of the inputs with the same row id.
    reuse
        Whether the outputs of an equal earlier stage may be taken over without executing.
    mistique_conn_id
        Connection of the store.
    """

    template_fields: Sequence[str] = (*PythonOperator.template_fields, "project", "model", "intermediate")
    custom_operator_name = "@task.stage"
    operator_extra_links = (RunPageLink(),)
    ui_color = "#e6f0f7"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        project: str,
        model: str,
        intermediate: str | None = None,
        row_id: str | None = None,
        deterministic: bool | None = None,
        lazy: bool = True,
        row_wise: bool = False,
        reuse: bool = True,
        mistique_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kwargs_to_upstream={"python_callable": python_callable, "op_args": op_args, "op_kwargs": op_kwargs},
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            **{**kwargs, "multiple_outputs": False},
        )
        self.project = project
        self.model = model
        self.intermediate = intermediate or self.task_id.replace(".", "_")
        self.row_id = row_id
        self.deterministic = deterministic
        self.lazy = lazy
        self.row_wise = row_wise
        self.reuse = reuse
        self.mistique_conn_id = mistique_conn_id

    def execute(self, context: Context) -> Any:
        """Call the function, or take over the outputs of an equal call."""
        from mistique_core.workflows import FunctionStage

        stage, inputs = FunctionStage.bind(
            self.python_callable,
            references_from_xcom(list(self.op_args)),
            references_from_xcom(dict(self.op_kwargs)),
            row_id=self.row_id,
            deterministic=self.deterministic,
            lazy=self.lazy,
            row_wise=self.row_wise,
        )
        return run_stage_task(
            context,
            MistiqueHook(self.mistique_conn_id),
            project=self.project,
            model=self.model,
            intermediate=self.intermediate,
            stage=stage,
            inputs=inputs,
            reuse=self.reuse,
        )


def stage_task(
    python_callable: Callable[..., Any] | None = None, multiple_outputs: bool | None = None, **kwargs: Any
) -> TaskDecorator:
    """Make a function a stage: ``@task.stage(project=..., model=...)``.

    The function takes outputs of other stages and JSON values, and returns a DataFrame, a fitted
    estimator, or a dict of DataFrames, fitted estimators and numbers (metrics). Define it at the top
    level of its module, so that it can be re-run later.

    Parameters
    ----------
    python_callable
        The function.
    multiple_outputs
        Ignored: a dict always gives one output a key.
    **kwargs
        See :class:`DecoratedStageOperator`, and any argument of an operator.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=False,
        decorated_operator_class=DecoratedStageOperator,
        **kwargs,
    )
