"""The store as a system for activations: one run, one ``log_array`` a layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks.activation_schemes import text_of
from benchmarks.activation_systems import Reader, System, Values
from benchmarks.vgg16 import SHAPES
from mistique_core import Mistique
from mistique_core.quantizers import default_scheme

PROJECT, MODEL = "cifar", "vgg16"
_HOW = (
    "one run, log_array a layer, close; every partition is fsynced and every layer is a transaction (SQLite); bytes "
    "include the catalogue; read with cache_bytes=0"
)


class Lossless(System):
    """Exactly the values that are logged."""

    label = "mistique lossless"
    how = _HOW
    scheme: ClassVar[str | float | None] = None
    exact: ClassVar[bool] = True

    def start(self) -> None:
        self._store = Mistique.open(self.folder)
        self._run = self._store.run(PROJECT, MODEL)

    def write(self, layer: int, values: Values) -> None:
        self._run.log_array(_name(layer), values, scheme=self._scheme(values))

    def _scheme(self, values: Values) -> str | None:
        return None if self.scheme is None else text_of(self.scheme, (values.shape[-1], *values.shape[:-1]))

    def finish(self) -> None:
        self._run.finish()
        self._store.close()

    def reader(self, layers: Sequence[int]) -> Reader:
        return _Reader(self.folder)

    def partition_bytes(self) -> int:
        """Return the bytes of the partitions alone, without the catalogue."""
        return sum(path.stat().st_size for path in self.folder.rglob("*.h5"))


class Bounded(Lossless):
    """BOUNDED with the default step of each layer."""

    label = "mistique bounded"
    scheme = 1.0
    exact = False


class Default(Lossless):
    """The default scheme of each layer of the net."""

    label = "mistique default"
    exact = False

    def _scheme(self, values: Values) -> str | None:
        return default_scheme(math.prod(values.shape[1:]), map(math.prod, SHAPES.values()))


class _Reader:
    def __init__(self, folder: Path) -> None:
        self._store = Mistique.open(folder, cache_bytes=0)

    def _get(self, key: str, **selection: Sequence[int]) -> Values:
        result = self._store.get_intermediates(f"{PROJECT}.{MODEL}.{key}", strategy="read", **selection)
        return np.asarray(result.values)

    def example(self, layer: int, row: int) -> Values:
        return self._get(_name(layer), row_id=[row])[0]

    def unit(self, layer: int, unit: int) -> Values:
        return self._get(f"{_name(layer)}.{unit}")

    def layer(self, layer: int) -> Values:
        return self._get(_name(layer))

    def close(self) -> None:
        self._store.close()


def _name(layer: int) -> str:
    return f"layer_{layer:02d}"
