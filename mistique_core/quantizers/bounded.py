"""BOUNDED: uniform steps, a fraction of each unit's standard deviation, with an exact zero and exact exceptions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.quantizers.arguments import is_finite, number_text, parse_number
from mistique_core.quantizers.error_sketch import (
    NUMBERS,
    ErrorSketch,
    Products,
    checked_exponents,
    sketched_waves,
)
from mistique_core.quantizers.half import narrow, widen
from mistique_core.quantizers.margins import RADIUS, SKETCH
from mistique_core.quantizers.quantizer import Bounds, Encoded, FittedQuantizer, Quantizer
from mistique_core.quantizers.rounding import significant_bits
from mistique_core.quantizers.row_norms import RowNorms
from mistique_core.quantizers.sampling import every_nth, every_nth_row
from mistique_core.quantizers.stored import frozen, part, table
from mistique_core.quantizers.tiles import TILE_VALUES, by_unit, tiles
from mistique_core.quantizers.value_layout import ValueLayout

LARGEST_CODE = 127
ESCAPED = -128
_CODE_BITS = 7
_SKETCH_VALUES, _SKETCH_ROWS = 1 << 18, 32
"""To so many values, and at least so many rows, the weights of a sketch are fitted."""
_STEP_RANGES = {  # of each dtype: steps whose multiples and reciprocal are neither too large nor too small for it
    "float16": (2.0**-21, 2.0**9),
    "float32": (2.0**-100, 2.0**100),
    "float64": (2.0**-900, 2.0**900),
}


@dataclass(frozen=True)
class Bounded(Quantizer):
    """Codes of one byte: how many steps of `deviations` standard deviations a value is away from zero.

    Values further away than 127 steps, NaN and infinities are kept as they are, so that the error of every value
    is at most half a step, ``deviations / 2`` standard deviations of its unit in the sample. Zero is exact.

    Attributes
    ----------
    deviations
        Length of a step in standard deviations of the unit; positive.
    """

    deviations: float = 0.25

    def __post_init__(self) -> None:
        if not (is_finite(self.deviations) and self.deviations > 0):
            raise InvalidInputError(f"bounded({self.deviations!r}): give a positive number, such as bounded(0.25)")
        object.__setattr__(self, "deviations", float(self.deviations))

    @classmethod
    def from_arguments(cls, arguments: list[str]) -> Bounded:
        """Return the scheme that is written ``bounded(arguments)``."""
        if len(arguments) > 1:
            raise InvalidInputError(f"bounded({', '.join(arguments)}): give one number, such as bounded(0.25)")
        return cls(*(parse_number("bounded", argument) for argument in arguments))

    def text(self) -> str:
        """Return ``bounded(E)``."""
        return f"bounded({number_text(self.deviations)})"

    def fit(self, sample: npt.NDArray[Any]) -> FittedBounded:
        """Measure the standard deviation of each unit's finite values.

        A unit that does not vary in the sample, or so little that its step is no ordinary number of the dtype,
        is kept exactly.
        """
        layout = ValueLayout.of(sample, self.text())
        sample = layout.check(sample, self.text())
        spread = _standard_deviations(every_nth(sample, least_per_unit=1024))
        with np.errstate(over="ignore", under="ignore"):
            targets = spread * self.deviations
        found = FittedBounded(self, layout, _steps(targets, layout.dtype))
        if sketched_waves(layout) is None:
            return found
        some = every_nth_row(sample, max(_SKETCH_VALUES, _SKETCH_ROWS * layout.units * layout.map_values))
        return found.sketched(np.ascontiguousarray(some))


def _standard_deviations(sample: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the standard deviation of the finite values of each row; 0.0 where there is none."""
    values = (widen(sample) if sample.dtype == np.float16 else sample).astype(np.float64)
    counts = np.full((len(values), 1), max(values.shape[1], 1))
    finite = np.isfinite(values)
    if not finite.all():
        counts = np.maximum(finite.sum(axis=1, keepdims=True), 1)
        np.copyto(values, 0.0, where=~finite)
    low, high = values.min(axis=1, initial=math.inf, where=finite), values.max(axis=1, initial=-math.inf, where=finite)
    # Powers of two change no digit, and keep the squares of any values in range.
    exponents = np.frexp(np.where(low <= high, np.maximum(np.abs(low), np.abs(high)), 0.0))[1][:, None]
    np.ldexp(values, -exponents, out=values)
    np.subtract(values, values.sum(axis=1, keepdims=True) / counts, out=values, where=finite)
    np.square(values, out=values)
    deviations = np.sqrt(values.sum(axis=1) / counts[:, 0])
    # The mean of equal values can differ from them by a rounding error, and so their deviation from zero.
    return np.where(low < high, np.ldexp(deviations, exponents[:, 0]), 0.0)


def _steps(targets: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a step a little below each target, whose products with all codes are exact in `dtype`."""
    working = _working_dtype(dtype)
    low, high = _STEP_RANGES[dtype.name]
    steps = _shorten(np.minimum(targets / (1.0 + 2.0 * _slack(working)), high), dtype)
    return np.where(steps >= low, steps, 0.0).astype(working)


def _shorten(steps: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Round down to so few significant bits that a product with a code has no more than `dtype`."""
    bits = significant_bits(dtype) - _CODE_BITS
    fraction, exponent = np.frexp(steps)
    return np.asarray(np.ldexp(np.floor(np.ldexp(fraction, bits)), exponent - bits))


def _working_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def _slack(working: np.dtype[Any]) -> float:
    """Return how far, in steps, a value may lie beyond the middle between two codes and still get the wrong one.

    Two roundings, of the reciprocal and of the product, move a quotient below 127.5 by less than this.
    """
    return 2.0 ** (_CODE_BITS + 1 - significant_bits(working))


class FittedBounded(FittedQuantizer):
    """Steps of each unit.

    Part ``codes`` is int8 in the shape of the values; part ``exact`` holds, in C order, the values whose code
    is -128. The error of a value is at most half a step plus 2**-16 of a step (2**-45 for float64), which
    pays for the rounding of the quotient; steps are shortened by as much, so that it also is at most half of
    `deviations` standard deviations. Margins: ``radius``, see :class:`~mistique_core.quantizers.row_norms.RowNorms`,
    and of wide groups of maps ``sketch``, see :class:`~mistique_core.quantizers.error_sketch.ErrorSketch`.

    Parameters
    ----------
    scheme
        The scheme.
    layout
        Layout of the values.
    steps
        Shape ``(units,)``, float64 for float64 values, else float32; 0.0 for units that are kept exactly.
    exponents
        Weights of a sketch, see there; ``None`` where there is none, as of narrow groups and in older stores.
    """

    scheme: Bounded

    def __init__(
        self,
        scheme: Bounded,
        layout: ValueLayout,
        steps: npt.NDArray[Any],
        exponents: npt.NDArray[np.int8] | None = None,
    ) -> None:
        super().__init__(scheme, layout)
        self._steps = frozen(steps)
        self._sketch = None if exponents is None else ErrorSketch(layout, self._steps, frozen(exponents))

    def sketched(self, sample: npt.NDArray[Any]) -> FittedBounded:
        """Return the same with a sketch that is fitted to a sample, if it gives any."""
        block = by_unit(sample)
        errors = np.empty(block.shape, self._steps.dtype)
        codes, _ = self._codes(block, None, errors)
        found = ErrorSketch.fit(self.layout, self._steps, codes, errors)
        return self if found is None else FittedBounded(self.scheme, self.layout, self._steps, found.exponents)

    def without_sketch(self) -> FittedBounded:
        """Return the same without a sketch."""
        return FittedBounded(self.scheme, self.layout, self._steps)

    @classmethod
    def load(
        cls, config: Mapping[str, Any], layout: ValueLayout, tables: Mapping[str, npt.NDArray[Any]]
    ) -> FittedBounded:
        """Return what :meth:`config` and :meth:`tables` describe."""
        try:
            scheme = Bounded(float(config["deviations"]))
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptPartitionError(
                f"a stored bounded quantizer is damaged ({error}); run 'mistique check'"
            ) from error
        steps = table(tables, "steps", _working_dtype(layout.dtype), (layout.units,))
        low, high = _STEP_RANGES[layout.dtype.name]
        ordinary = (steps >= low) & (steps <= high)
        if not (ordinary | (steps == 0)).all() or (_shorten(steps[ordinary], layout.dtype) != steps[ordinary]).any():
            raise CorruptPartitionError("stored steps are none that were fitted; run 'mistique check'")
        if not config.get("sketch"):
            return cls(scheme, layout, steps)
        return cls(scheme, layout, steps, checked_exponents(layout, table(tables, "weights", np.dtype(np.int8))))

    def parameters(self) -> dict[str, Any]:
        """Return name and length of a step, and whether there is a sketch."""
        named = {"name": "bounded", "deviations": self.scheme.deviations}
        return named if self._sketch is None else {**named, "sketch": 1}

    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """Return ``steps``, and ``weights`` if there is a sketch."""
        return {"steps": self._steps} | ({} if self._sketch is None else {"weights": self._sketch.exponents})

    def encode(self, values: npt.NDArray[Any]) -> Encoded:
        """Round each value to the nearest code; see the class."""
        block = self.layout.check(values, self.scheme.text())
        by_units = by_unit(block)
        norms = RowNorms.of(self.layout, block.shape[1], self._steps.dtype)
        errors = None if self._sketch is None or norms is None else np.empty(by_units.shape, self._steps.dtype)
        codes, escaped = self._codes(by_units, norms, errors)
        exact = [by_units[unit][codes[unit] == ESCAPED] for unit in np.flatnonzero(escaped)]
        parts = {
            "codes": codes.reshape(block.shape),
            "exact": np.concatenate(exact) if exact else np.empty(0, self.dtype),
        }
        margins = {} if norms is None else {RADIUS: norms.radius()}
        if self._sketch is not None and errors is not None:
            margins[SKETCH] = self._sketch.encode(codes, errors)
        return Encoded(parts, self._bound() if block.size else 0.0, margins)

    def _codes(
        self, by_units: npt.NDArray[Any], norms: RowNorms | None, kept: npt.NDArray[Any] | None
    ) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
        """Return codes, and which units have escaped ones; add the errors to `norms`, and put them into `kept`."""
        codes = np.empty(by_units.shape, np.int8)
        escaped = np.zeros(self.units, np.bool_)
        quotients = np.empty(TILE_VALUES, self._steps.dtype)
        with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
            inverse = np.where(self._steps > 0, 1 / self._steps, np.nan).astype(self._steps.dtype)[:, None]
            for units, positions, tile in tiles(by_units):
                numbers = widen(tile) if tile.dtype == np.float16 else tile
                quotient = np.multiply(numbers, inverse[units], out=quotients[: tile.size].reshape(tile.shape))
                np.rint(quotient, out=quotient)
                if not (quotient.max() <= LARGEST_CODE and quotient.min() >= -LARGEST_CODE):
                    escaped[units] |= _escape(quotient, numbers)
                np.copyto(codes[units, positions], quotient, casting="unsafe")
                if norms is None and kept is None:
                    continue
                products = np.multiply(quotient, self._steps[units, None], out=quotient)
                errors = np.subtract(numbers, products, out=products)
                if escaped[units].any():
                    np.copyto(errors, 0, where=codes[units, positions] == ESCAPED)
                if kept is not None:
                    np.copyto(kept[units, positions], errors)
                if norms is not None:
                    norms.add(positions, errors)
        return codes, escaped

    def _bound(self) -> float:
        longest = float(self._steps.max(initial=0.0))
        return math.nextafter(longest * (0.5 + _slack(self._steps.dtype)), math.inf) if longest else 0.0

    def bounds(
        self,
        parts: dict[str, npt.NDArray[Any]],
        rows: int,
        max_abs_error: float = math.inf,
        units: Sequence[int] | None = None,
    ) -> Bounds:
        """Return half a step around each value, and exactly those that have no code."""
        chosen = np.arange(self.units) if units is None else np.asarray(units, np.intp)
        values = self.decode(parts, rows)[chosen].astype(np.float64)
        steps = self._steps[chosen].astype(np.float64)
        reach = np.where(steps > 0, np.nextafter(steps * (0.5 + _slack(self._steps.dtype)), math.inf), 0.0)
        codes = part(parts, "codes", np.dtype(np.int8), self.layout.shape(rows))[chosen]
        errors = np.broadcast_to(reach.reshape(-1, *[1] * (values.ndim - 1)), values.shape)
        coded = (codes != ESCAPED) & (errors > 0)
        with np.errstate(over="ignore", under="ignore"):
            low, high = np.nextafter(values - errors, -math.inf), np.nextafter(values + errors, math.inf)
        return Bounds(np.where(coded, low, values), np.where(coded, high, values))

    def error_products(
        self, parts: dict[str, npt.NDArray[Any]], rows: int, others: npt.NDArray[Any]
    ) -> Products | None:
        """Return what the sketch says of products, if there is one."""
        if self._sketch is None or SKETCH not in parts:
            return None
        codes = part(parts, "codes", np.dtype(np.int8), self.layout.shape(rows))
        return self._sketch.products(codes, others, part(parts, SKETCH, np.dtype(np.float16), (NUMBERS, rows)))

    def decode(self, parts: dict[str, npt.NDArray[Any]], rows: int) -> npt.NDArray[Any]:
        """Multiply codes by steps, and put the exact values back."""
        codes = part(parts, "codes", np.dtype(np.int8), self.layout.shape(rows))
        exact = part(parts, "exact", self.dtype)
        values = np.empty(codes.shape, self.dtype)
        by_units = by_unit(values)
        products = np.empty(TILE_VALUES, self._steps.dtype)
        used = 0
        for units, positions, tile in tiles(by_unit(codes)):
            target = by_units[units, positions]
            product = target if target.dtype == products.dtype else products[: tile.size].reshape(tile.shape)
            np.copyto(product, tile)
            np.multiply(product, self._steps[units, None], out=product)
            if product is not target:
                np.copyto(target, narrow(product))
            if tile.min() == ESCAPED:
                kept = tile == ESCAPED
                first, used = used, used + int(np.count_nonzero(kept))
                if used <= exact.size:
                    target[kept] = exact[first:used]
        if used != exact.size:
            raise CorruptPartitionError(
                f"a block has {used} escaped codes but {exact.size} exact values; run 'mistique check'"
            )
        return values


def _escape(quotient: npt.NDArray[Any], numbers: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Replace quotients that are no codes by ESCAPED, and return which rows have any; zero needs no escape."""
    outside = ~(np.abs(quotient) <= LARGEST_CODE)
    np.copyto(quotient, 0, where=outside)
    outside &= numbers != 0
    np.copyto(quotient, ESCAPED, where=outside)
    return np.asarray(outside.any(axis=1))
