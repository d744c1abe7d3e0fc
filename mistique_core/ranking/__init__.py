"""Exact rankings from bounds: which rows have to be looked at, and in which order; pure functions over values."""

from mistique_core.ranking.candidates import Refined, refine
from mistique_core.ranking.distances import DistanceBounds, euclidean
from mistique_core.ranking.measures import BYS, measure, measure_bounds

__all__ = ["BYS", "DistanceBounds", "Refined", "euclidean", "measure", "measure_bounds", "refine"]
