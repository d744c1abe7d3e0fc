"""What the operators have in common that tell OpenLineage about their datasets."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mistique_core.errors import CatalogueUnavailableError
from operators.openlineage.wanted import lineage_is_wanted

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from operators.openlineage.facts import TaskFacts

log = logging.getLogger(__name__)


class LineageSource:
    """Mixin of operators: keeps what is to be told, and tells it when Airflow's OpenLineage provider asks.

    The provider asks after the task has ended, in a fork of its process or in a thread, and with the operator that
    executed: of mapped tasks the unmapped one. What it gets is made from plain values alone, so that no connection of
    the task is used there.
    """

    _task_facts: TaskFacts | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return the datasets of a task that succeeded; ``None`` where nothing is known."""
        if self._task_facts is None:
            return None
        from operators.openlineage.events import operator_lineage

        return operator_lineage(self._task_facts)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return what a task that failed had been given; the provider itself tells the error."""
        return self.get_openlineage_facets_on_complete(task_instance)


def keep_task_facts(context: Context, gather: Callable[[], TaskFacts], error: BaseException | None = None) -> None:
    """Keep what is to be told about the task that executes, if anyone listens; never an error.

    Parameters
    ----------
    context
        The task's context.
    gather
        Looks it up; not called where nobody listens.
    error
        Why the task fails. Where the catalogue is away, nothing is looked up in it.
    """
    task: Any = context.get("task")
    if not isinstance(task, LineageSource) or isinstance(error, CatalogueUnavailableError):
        return
    try:
        if lineage_is_wanted(task, context["ti"].dag_id):
            task._task_facts = gather()
    except Exception as problem:
        log.warning("the datasets of this task cannot be told to OpenLineage: %s", problem)
