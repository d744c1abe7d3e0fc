"""Reusable contract suites, for the backends that ship with MISTIQUE and for yours; needs pytest."""

from mistique_core.testing.faults import FaultyBackend
from mistique_core.testing.storage import StorageContract

__all__ = ["FaultyBackend", "StorageContract"]
