"""The operator that ends a run: what can be re-run is let go.

What a run hands over from task to task stays until then. A run that fails never gets here, so that its tasks can be
cleared and go on; and one that is cleared later re-runs what it needs of what was let go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from operators.connection import DEFAULT_CONNECTION
from operators.hook import MistiqueHook

if TYPE_CHECKING:
    from airflow.sdk import Context


class MaterializeOperator(BaseOperator):
    """Let go of the intermediates of this run that its policy does not keep; put it after all stages.

    Parameters
    ----------
    project, model
        Whose intermediates; templated.
    policy
        ``"adaptive"``, ``{"policy": "adaptive", "gamma_min": 500}`` or ``{"policy": "budget", "bytes": 1000000}``;
        see :meth:`mistique_core.Mistique.materialize`. Templated.
    mistique_conn_id
        Connection of the store.
    """

    template_fields: Sequence[str] = ("project", "model", "policy")
    ui_color = "#e6f0f7"

    def __init__(
        self,
        *,
        project: str,
        model: str,
        policy: Any = "adaptive",
        mistique_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.model = model
        self.policy = policy
        self.mistique_conn_id = mistique_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Apply the policy; return what stayed and what was let go.

        Where a stage of the run is still running, which this task was not put after, everything stays: what the stage
        may need is left to ``mistique materialize --all``.
        """
        from mistique_core.errors import RunInProgressError

        hook = MistiqueHook(self.mistique_conn_id)
        run = hook.open_run(context, self.project, self.model)
        try:
            report = hook.store.materialize(
                self.project, self.model, version=run.version, policy=self.policy, ends_run=True
            )
        except RunInProgressError as error:
            self.log.warning("everything stays stored: %s", error)
            return {"kept": None, "let_go": [], "freed_bytes": 0}
        self.log.info(
            "let go of %d of %d intermediates: %d bytes can be freed by 'mistique gc'",
            len(report.let_go),
            len(report.let_go) + len(report.kept),
            report.freed_bytes,
        )
        for name in report.unequal:
            self.log.warning("  %s stays, because its re-run gives other values", name)
        return {"kept": list(report.kept), "let_go": list(report.let_go), "freed_bytes": report.freed_bytes}
