"""Find, group and rank models."""

from mistique_core.modeldb.find.finder import Finder

__all__ = ["Finder"]
