"""Diagnostic techniques over stored intermediates (thesis Tables 5.1 and 5.2).

Names are imported on first use, so that a DAG file or a web server reads the registry without pandas.
"""

from typing import TYPE_CHECKING, Any

from mistique_core.diagnostics.parameter import Parameter
from mistique_core.diagnostics.registry import TECHNIQUES, check_request, diagnose, find_technique
from mistique_core.diagnostics.technique import Technique, one_form

if TYPE_CHECKING:
    from mistique_core.diagnostics.figure_json import FigureDocument, figure_document
    from mistique_core.diagnostics.result import DiagnosticResult
    from mistique_core.diagnostics.techniques.col_diff import col_diff
    from mistique_core.diagnostics.techniques.col_dist import col_dist
    from mistique_core.diagnostics.techniques.confusion_matrix import confusion_matrix
    from mistique_core.diagnostics.techniques.feature_correlation import feature_correlation
    from mistique_core.diagnostics.techniques.group_metrics import group_metrics
    from mistique_core.diagnostics.techniques.knn import knn
    from mistique_core.diagnostics.techniques.mispredicted import mispredicted
    from mistique_core.diagnostics.techniques.netdissect import netdissect
    from mistique_core.diagnostics.techniques.pointq import pointq
    from mistique_core.diagnostics.techniques.row_average_compare import row_average_compare
    from mistique_core.diagnostics.techniques.row_diff import row_diff
    from mistique_core.diagnostics.techniques.svcca import svcca
    from mistique_core.diagnostics.techniques.topk import topk
    from mistique_core.diagnostics.techniques.vis import vis

__all__ = [
    "TECHNIQUES",
    "DiagnosticResult",
    "FigureDocument",
    "Parameter",
    "Technique",
    "check_request",
    "col_diff",
    "col_dist",
    "confusion_matrix",
    "diagnose",
    "feature_correlation",
    "figure_document",
    "find_technique",
    "group_metrics",
    "knn",
    "mispredicted",
    "netdissect",
    "one_form",
    "pointq",
    "row_average_compare",
    "row_diff",
    "svcca",
    "topk",
    "vis",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "DiagnosticResult":
        return import_module(f"{__name__}.result").DiagnosticResult
    if name in ("FigureDocument", "figure_document"):
        return getattr(import_module(f"{__name__}.figure_json"), name)
    if name in TECHNIQUES:
        return getattr(import_module(f"{__name__}.techniques.{name}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
