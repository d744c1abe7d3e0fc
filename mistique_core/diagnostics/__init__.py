"""Diagnostic techniques over stored intermediates (thesis Tables 5.1 and 5.2)."""

from mistique_core.diagnostics.col_diff import col_diff
from mistique_core.diagnostics.confusion_matrix import confusion_matrix
from mistique_core.diagnostics.pointq import pointq
from mistique_core.diagnostics.registry import TECHNIQUES, DiagnosticRequest, Technique, diagnose, find_technique
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.topk import topk

__all__ = [
    "TECHNIQUES",
    "DiagnosticRequest",
    "DiagnosticResult",
    "Technique",
    "col_diff",
    "confusion_matrix",
    "diagnose",
    "find_technique",
    "pointq",
    "topk",
]
