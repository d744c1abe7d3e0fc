"""Which estimator of a script is which fitted model: by identity, without holding anything alive."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from mistique_core.model.event import StageEvent, TransformerEntity
from mistique_core.modeldb.client.data_source import DataView


@dataclass
class KnownModel:
    """A fitted estimator.

    Attributes
    ----------
    entity
        What ModelDB knows about it.
    event
        The fit; ``None`` for what was fitted before.
    fitted_on
        The data that it learned from.
    """

    entity: TransformerEntity
    event: StageEvent | None = None
    fitted_on: DataView | None = None


class KnownModels:
    """Estimator -> model, for the objects of one run."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], KnownModel]] = {}
        self._tags: dict[int, tuple[weakref.ref[Any], str]] = {}

    def tag(self, estimator: Any, tag: str) -> None:
        """Name what an estimator will become when it is fitted."""
        key = id(estimator)
        self._tags[key] = (weakref.ref(estimator, lambda _: self._tags.pop(key, None)), tag)

    def tag_of(self, estimator: Any) -> str:
        """Return the name that an estimator was given; "" for none."""
        known = self._tags.get(id(estimator))
        return known[1] if known is not None and known[0]() is estimator else ""

    def remember(self, estimator: Any, model: KnownModel) -> None:
        """Remember what an estimator has become; what it was before is forgotten."""
        key = id(estimator)
        try:
            self._known[key] = (weakref.ref(estimator, lambda dead: self._forget(key, dead)), model)
        except TypeError:
            return

    def _forget(self, key: int, reference: weakref.ref[Any]) -> None:
        known = self._known.get(key)
        if known is not None and known[0] is reference:
            self._known.pop(key, None)

    def find(self, estimator: Any) -> KnownModel | None:
        """Return what an estimator is, or ``None`` if it was not fitted in this run."""
        known = self._known.get(id(estimator))
        return known[1] if known is not None and known[0]() is estimator else None
