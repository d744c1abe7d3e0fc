"""Compare models and runs, and analyse a model's inside."""

from mistique_core.modeldb.compare.comparisons import Comparisons
from mistique_core.modeldb.compare.records import (
    ConfidenceInterval,
    FeatureComparison,
    HyperparameterComparison,
    ImportanceComparison,
    RunTable,
)

__all__ = [
    "Comparisons",
    "ConfidenceInterval",
    "FeatureComparison",
    "HyperparameterComparison",
    "ImportanceComparison",
    "RunTable",
]
