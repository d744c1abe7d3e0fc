"""Check-ups of models: which questions to ask about one model or two, and those that no single technique answers.

Names are imported on first use, so that a web server knows the questions without pandas.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mistique_core.checkup.drift import compare_models
    from mistique_core.checkup.error_distribution import residuals
    from mistique_core.checkup.questions import CheckUp, check_up

__all__ = ["CheckUp", "check_up", "compare_models", "residuals"]

_HOMES = {
    "CheckUp": "questions",
    "check_up": "questions",
    "compare_models": "drift",
    "residuals": "error_distribution",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
