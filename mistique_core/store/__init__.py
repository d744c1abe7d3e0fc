"""The facade of the store."""

from mistique_core.store.batch import Query
from mistique_core.store.mistique import Mistique
from mistique_core.store.ranking import Ranking
from mistique_core.store.result import QueryResult
from mistique_core.store.run import Run
from mistique_core.store.statistics import ModelStatistics, StoreStatistics

__all__ = ["Mistique", "ModelStatistics", "Query", "QueryResult", "Ranking", "Run", "StoreStatistics"]
