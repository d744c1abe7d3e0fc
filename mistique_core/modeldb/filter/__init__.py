"""The filter language of runs: text to a syntax tree, and a syntax tree to SQL conditions."""

from mistique_core.modeldb.filter.parse import parse_filter
from mistique_core.modeldb.filter.syntax import FilterQuery
from mistique_core.modeldb.filter.write import write_filter

__all__ = ["FilterQuery", "parse_filter", "write_filter"]
