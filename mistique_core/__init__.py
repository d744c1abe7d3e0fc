"""MISTIQUE: every intermediate of every model, stored for next to nothing and answered at once.

Names are imported on first use, so that ``import mistique_core.errors`` in a DAG file costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mistique_core.model import FittedRef, IntermediateKey, IntermediateRef, LogReport, Stage, StageResult
    from mistique_core.planner import QueryPlan
    from mistique_core.store import Mistique, QueryResult, Run

_HOMES = {
    "FittedRef": "mistique_core.model",
    "IntermediateKey": "mistique_core.model",
    "IntermediateRef": "mistique_core.model",
    "LogReport": "mistique_core.model",
    "Mistique": "mistique_core.store",
    "QueryPlan": "mistique_core.planner",
    "QueryResult": "mistique_core.store",
    "Run": "mistique_core.store",
    "Stage": "mistique_core.model",
    "StageResult": "mistique_core.model",
}

__all__ = [
    "FittedRef",
    "IntermediateKey",
    "IntermediateRef",
    "LogReport",
    "Mistique",
    "QueryPlan",
    "QueryResult",
    "Run",
    "Stage",
    "StageResult",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
