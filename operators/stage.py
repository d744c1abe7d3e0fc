"""The base of all stage operators."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from operators.connection import DEFAULT_CONNECTION
from operators.hook import MistiqueHook
from operators.links import RunPageLink
from operators.openlineage.source import LineageSource
from operators.references import stage_inputs
from operators.stage_task import run_stage_task

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mistique_core.model import Stage


class StageOperator(LineageSource, BaseOperator):
    """An operator whose output is an intermediate of a model.

    XCom carries references only: ``task.output`` is the output, ``task.output["train"]`` one of
    several. Subclasses implement :meth:`make_stage`.

    Parameters
    ----------
    project, model
        Whose intermediate it is; templated.
    intermediate
        Its name; default the task's id with ``_`` for dots. Of several outputs each is named
        ``<intermediate>_<output>``. Templated.
    inputs
        One output of another stage, or a dict of names to outputs; templated.
    reuse
        Whether the outputs of an equal earlier stage may be taken over without executing. Switch it
        off for a DAG through ``default_args``, for a run with the conf ``{"mistique_reuse": false}``.
    blocks
        Of a stage whose rows come from rows: the row blocks that this task does, ``[first, end]`` or a share such as
        ``"1/4"``. Map the operator over all shares, and several workers make one intermediate, which becomes visible
        with the last of them; give ``task.output`` to the next task as usual. ``None``: all. Templated.
    mistique_conn_id
        Connection of the store.
    """

    template_fields: Sequence[str] = ("project", "model", "intermediate", "inputs", "blocks")
    template_fields_renderers: ClassVar[dict[str, str]] = {"inputs": "json"}
    operator_extra_links = (RunPageLink(),)
    ui_color = "#e6f0f7"

    def __init__(
        self,
        *,
        project: str,
        model: str,
        intermediate: str | None = None,
        inputs: Any = None,
        reuse: bool = True,
        blocks: Any = None,
        mistique_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.model = model
        self.intermediate = intermediate or self.task_id.replace(".", "_")
        self.inputs = inputs
        self.reuse = reuse
        self.blocks = blocks
        self.mistique_conn_id = mistique_conn_id

    @cached_property
    def hook(self) -> MistiqueHook:
        """The hook, opened on first use."""
        return MistiqueHook(self.mistique_conn_id)

    @abstractmethod
    def make_stage(self) -> Stage:
        """Return the stage to run. Import heavy packages here, not in the module: DAG files are parsed often."""

    def execute(self, context: Context) -> Any:
        """Run the stage, or take over the outputs of an equal one."""
        return run_stage_task(
            context,
            self.hook,
            project=self.project,
            model=self.model,
            intermediate=self.intermediate,
            stage=self.make_stage(),
            inputs=stage_inputs(self.inputs),
            reuse=self.reuse,
            blocks=self.blocks,
        )
