"""LP: every value rounded to a shorter floating-point dtype."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import CorruptPartitionError, InvalidInputError, did_you_mean
from mistique_core.quantizers.half import narrow, widen
from mistique_core.quantizers.quantizer import Bounds, Encoded, FittedQuantizer, Quantizer
from mistique_core.quantizers.rounding import finite_range, rounding_error
from mistique_core.quantizers.stored import part
from mistique_core.quantizers.tiles import by_unit, tiles
from mistique_core.quantizers.value_layout import DTYPES, ValueLayout

NAMES = ("float32", "float16")


@dataclass(frozen=True)
class LowPrecision(Quantizer):
    """Values rounded to the nearest float16 or float32, ties to even (thesis section 5.4.1, LP_QT).

    Attributes
    ----------
    name
        ``float32`` or ``float16``. Values that are no wider than that are kept as they are.
    """

    name: str = "float16"

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise InvalidInputError(f"values cannot be rounded to {self.name!r}; {did_you_mean(self.name, NAMES)}")

    def text(self) -> str:
        """Return ``float32`` or ``float16``."""
        return self.name

    def fit(self, sample: npt.NDArray[Any]) -> FittedLowPrecision:
        """Note shape and dtype; nothing else is needed."""
        return FittedLowPrecision(self, ValueLayout.of(sample, self.text()))


class FittedLowPrecision(FittedQuantizer):
    """Part ``values``: the rounded values, in their shape.

    The error is at most half the distance of neighbouring values of the shorter dtype: relatively 2**-11
    (float16) or 2**-24 (float32), absolutely 2**-25 or 2**-150 for values below its smallest normal one.
    Infinities stay; a NaN stays one, its payload does not. A finite value that would become infinite is refused.
    """

    scheme: LowPrecision

    @classmethod
    def load(
        cls, config: Mapping[str, Any], layout: ValueLayout, tables: Mapping[str, npt.NDArray[Any]]
    ) -> FittedLowPrecision:
        """Return what :meth:`config` describes."""
        if config.get("name") not in NAMES:
            raise CorruptPartitionError(f"a stored scheme has the name {config.get('name')!r}; run 'mistique check'")
        return cls(LowPrecision(config["name"]), layout)

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """Dtype of the stored values."""
        target = DTYPES[self.scheme.name]
        return target if target.itemsize < self.dtype.itemsize else self.dtype

    def parameters(self) -> dict[str, Any]:
        """Return the name."""
        return {"name": self.scheme.name}

    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """Return no tables."""
        return {}

    def encode(self, values: npt.NDArray[Any]) -> Encoded:
        """Round to the nearest; see the class."""
        block = self.layout.check(values, self.scheme.text())
        if self.stored_dtype == self.dtype:
            return Encoded({"values": np.array(block, order="C")}, 0.0)
        rounded = np.empty(block.shape, self.stored_dtype)
        target = by_unit(rounded)
        magnitude = 0.0
        for units, positions, tile in tiles(by_unit(block)):
            bounds = finite_range(tile)
            magnitude = max(magnitude, bounds.magnitude)
            short = _round(tile, self.stored_dtype)
            if bounds.has_nan:
                short[np.isnan(tile)] = np.nan
            self._refuse_overflow(tile, short, bounds.magnitude)
            target[units, positions] = short
        return Encoded({"values": rounded}, rounding_error(magnitude, self.stored_dtype))

    def _refuse_overflow(self, tile: npt.NDArray[Any], short: npt.NDArray[Any], magnitude: float) -> None:
        largest = float(np.finfo(short.dtype).max)
        if magnitude <= largest:
            return
        lost = np.isinf(short) & np.isfinite(tile)
        if lost.any():
            raise InvalidInputError(
                f"{self.scheme.name} cannot hold {float(tile[lost][0])!r}, its largest value is {largest:.6g}; "
                "use 'bounded(0.25)', 'kbit(8)' or 'lossless'"
            )

    def bounds(
        self,
        parts: dict[str, npt.NDArray[Any]],
        rows: int,
        max_abs_error: float = math.inf,
        units: Sequence[int] | None = None,
    ) -> Bounds:
        """Return what rounds to each stored value: the middles between it and its neighbours."""
        if self.stored_dtype == self.dtype:
            return super().bounds(parts, rows, 0.0, units)
        stored = part(parts, "values", self.stored_dtype, self.layout.shape(rows))
        chosen = stored if units is None else stored[list(units)]
        infinity = self.stored_dtype.type(np.inf)
        values = chosen.astype(np.float64)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            below, above = (np.nextafter(chosen, end).astype(np.float64) for end in (-infinity, infinity))
            low, high = (below + values) / 2, (values + above) / 2
        finite = np.isfinite(values)
        return Bounds(np.where(finite, low, values), np.where(finite, high, values))

    def decode(self, parts: dict[str, npt.NDArray[Any]], rows: int) -> npt.NDArray[Any]:
        """Return the rounded values in the dtype that was logged."""
        stored = part(parts, "values", self.stored_dtype, self.layout.shape(rows))
        if stored.dtype != np.float16 or self.dtype == np.float16:
            return stored.astype(self.dtype, copy=False)
        values = np.empty(stored.shape, self.dtype)
        target = by_unit(values)
        for units, positions, tile in tiles(by_unit(stored)):
            np.copyto(target[units, positions], widen(tile))
        return values


def _round(tile: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if tile.dtype == np.float32:
        return narrow(tile)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return tile.astype(dtype)
