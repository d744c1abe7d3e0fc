"""What the Spark client remembers during a run, without keeping a data frame or a model alive."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Any

from mistique_core.model.event import StageEvent
from mistique_core.modeldb.client.data_source import DataSource, DataView
from mistique_core.modeldb.client.known_models import KnownModel


@dataclass(frozen=True)
class VectorItems:
    """What the items of a vector column are.

    Attributes
    ----------
    names
        Name of each item, in order.
    is_standardized
        Whether they have mean 0 and standard deviation 1; ``None`` if that is not known.
    """

    names: tuple[str, ...]
    is_standardized: bool | None = None


@dataclass(frozen=True)
class Derived:
    """How a data frame came from known ones; nothing is recorded of it until it is used.

    Attributes
    ----------
    inputs
        The known data.
    calls
        Names of the methods that were called, in order.
    """

    inputs: tuple[DataView, ...]
    calls: tuple[str, ...]


class SparkMemory:
    """What is remembered beside data and models, which the tracker knows.

    Attributes
    ----------
    counts_rows
        Whether rows of data frames are counted, each time by a job of Spark.
    vectors
        Data -> vector column -> its items.
    reader_options
        Reader -> options that it was given.
    specifications
        Estimator -> its last fit.
    saved
        Path -> model that was saved there.
    fold_metrics
        ``last`` is what this thread's last cross-validation measured: fold, model -> metric.
    """

    def __init__(self) -> None:
        self.counts_rows = False
        self.vectors: weakref.WeakKeyDictionary[DataSource, dict[str, VectorItems]] = weakref.WeakKeyDictionary()
        self.reader_options: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
        self.specifications: weakref.WeakKeyDictionary[Any, StageEvent] = weakref.WeakKeyDictionary()
        self.saved: dict[str, KnownModel] = {}
        self.fold_metrics = threading.local()
        self._derived: dict[int, tuple[weakref.ref[Any], Derived]] = {}

    def remember_derived(self, frame: Any, derived: Derived) -> None:
        """Remember how a data frame came about."""
        key = id(frame)

        def forget(dead: weakref.ref[Any]) -> None:
            known = self._derived.get(key)
            if known is not None and known[0] is dead:
                self._derived.pop(key, None)

        self._derived[key] = (weakref.ref(frame, forget), derived)

    def derived(self, frame: Any) -> Derived | None:
        """Return how a data frame came about; ``None`` if that is not known."""
        known = self._derived.get(id(frame))
        return known[1] if known is not None and known[0]() is frame else None

    def items_of(self, source: DataSource) -> dict[str, VectorItems]:
        """Return the vector columns of data whose items are known, to be added to."""
        return self.vectors.setdefault(source, {})
