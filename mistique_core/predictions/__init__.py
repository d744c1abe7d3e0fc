"""Predictions of many models over the same examples, side by side (thesis chapter 6)."""

from mistique_core.predictions.assemble import Assembled, Assembler
from mistique_core.predictions.byte_cache import ByteCache
from mistique_core.predictions.churn import churn
from mistique_core.predictions.found import PredictionSet, comparable, find_predictions
from mistique_core.predictions.matrix import Matrix, MatrixColumn
from mistique_core.predictions.neighbours import Neighbours, nearest
from mistique_core.predictions.problem import Problem, Truth
from mistique_core.predictions.summary import ModelSummary, summarise
from mistique_core.predictions.viewport import OrderedMatrix, Viewport, ordered, view

__all__ = [
    "Assembled",
    "Assembler",
    "ByteCache",
    "Matrix",
    "MatrixColumn",
    "ModelSummary",
    "Neighbours",
    "OrderedMatrix",
    "PredictionSet",
    "Problem",
    "Truth",
    "Viewport",
    "churn",
    "comparable",
    "find_predictions",
    "nearest",
    "ordered",
    "summarise",
    "view",
]
