"""A stage of a YAML workflow as a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from mistique_core.errors import MistiqueError, NotFoundError
from mistique_core.workflows.specification import StageSpec, WorkflowSpec, resolve_stage
from operators.references import references_from_xcom
from operators.stage import StageOperator
from operators.stage_task import run_stage_task

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from mistique_core.model import Ref, Stage


class WorkflowStageOperator(StageOperator):
    """Runs one stage of a workflow; :func:`operators.dags_from_yaml` makes these tasks.

    Its ``${...}`` are replaced by the code that also serves runs without Airflow, from the run's params. Jinja is not
    used, so that nothing is rendered twice; the UI's rendered templates show the parameters as they were used.

    Parameters
    ----------
    workflow
        The workflow, or the variation, with its ``${...}``.
    stage
        The stage of it.
    **kwargs
        See :class:`StageOperator`.
    """

    template_fields: Sequence[str] = ("project", "model", "intermediate", "inputs", "stage_params")
    template_fields_renderers: ClassVar[dict[str, str]] = {"inputs": "json", "stage_params": "json"}

    def __init__(self, *, workflow: WorkflowSpec, stage: StageSpec, **kwargs: Any) -> None:
        if not stage.reuse:
            kwargs["reuse"] = False
        super().__init__(
            project=workflow.project,
            model=workflow.model,
            intermediate=stage.name,
            inputs={name: str(reference) for name, reference in stage.inputs.items()},
            **kwargs,
        )
        self.workflow = workflow
        self.stage = stage
        self.stage_params = dict(stage.params)

    @property
    def custom_operator_name(self) -> str:
        """The operator as the YAML file names it."""
        return self.stage.operator.rpartition(":")[2]

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Replace the ``${...}`` of the stage's parameters."""
        self.stage_params = dict(self._resolved(context["params"]).params)

    def make_stage(self) -> Stage:
        """See :class:`StageOperator`: the stage with the parameters as they are now."""
        return self._built()[0]

    def execute(self, context: Context) -> Any:
        """Run the stage, or take over the outputs of an equal one."""
        stage, names = self._built()
        inputs = {names[name]: self._input(context, name) for name in self.stage.inputs}
        return run_stage_task(
            context,
            self.hook,
            project=self.project,
            model=self.model,
            intermediate=self.intermediate,
            stage=stage,
            inputs=inputs,
            reuse=self.reuse,
            blocks=self.blocks,
            workflow=self.workflow.facts(),
        )

    def _resolved(self, params: Mapping[str, Any]) -> StageSpec:
        given = {name: params[name] for name in self.workflow.parameters if name in params}
        return resolve_stage(self.stage, self.workflow.values(given))

    def _built(self) -> tuple[Stage, dict[str, str]]:
        from dataclasses import replace

        from mistique_core.workflows.specification.build import build_stage

        return build_stage(replace(self.stage, params=self.stage_params))

    def _input(self, context: Context, name: str) -> Ref:
        reference = self.stage.inputs[name]
        try:
            found: Ref = reference.choose(_outputs(context, reference.stage, reference.output))
        except MistiqueError as error:
            raise NotFoundError(f"input {name!r} of stage {self.stage.name!r}: {error}") from error
        return found


def _outputs(context: Context, task_id: str, wanted: str | None) -> dict[str, Ref]:
    """Return the outputs of an earlier task by name, as far as they are needed.

    A task's value is its only frame, else its only output, else all outputs by name; of several outputs each
    is also there under its own name.
    """
    ti = context["ti"]
    main = references_from_xcom(ti.xcom_pull(task_ids=task_id))
    if isinstance(main, Mapping):
        return {name: ref for name, ref in main.items() if not isinstance(ref, (int, float))}
    if main is None:
        return {}
    if wanted is None:
        return {"": main}
    pushed = references_from_xcom(ti.xcom_pull(task_ids=task_id, key=wanted))
    if pushed is not None:
        return {wanted: pushed}
    own = main.name if main.kind == "fitted" else main.intermediate.removeprefix(f"{task_id}_")
    return {own if main.kind == "fitted" or own != task_id else "": main}
