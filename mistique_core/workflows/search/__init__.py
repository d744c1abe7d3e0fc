"""Search of a workflow's hyperparameters (thesis 4.4): every trial is an ExperimentRun, shared stages run once.

Names are imported on first use, so that a DAG file that asks for them loads no pandas.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mistique_core.workflows.search.report import SearchReport
    from mistique_core.workflows.search.search_run import run_search
    from mistique_core.workflows.search.trial import Trial

_HOMES = {
    "SearchReport": "mistique_core.workflows.search.report",
    "Trial": "mistique_core.workflows.search.trial",
    "run_search": "mistique_core.workflows.search.search_run",
}

__all__ = ["SearchReport", "Trial", "run_search"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
