"""THRESHOLD: one bit a value, whether it lies above a threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.quantizers.arguments import is_finite, number_text, parse_number
from mistique_core.quantizers.half import widen
from mistique_core.quantizers.quantizer import Bounds, Encoded, FittedQuantizer, Quantizer
from mistique_core.quantizers.sampling import every_nth
from mistique_core.quantizers.stored import frozen, part, table
from mistique_core.quantizers.tiles import TILE_VALUES, by_unit, tiles
from mistique_core.quantizers.value_layout import ValueLayout


@dataclass(frozen=True)
class Threshold(Quantizer):
    """Whether ``value > threshold`` (thesis section 5.4.1, THRESHOLD_QT).

    Exactly one of the two attributes is given.

    Attributes
    ----------
    percentile
        Each unit's threshold is this percentile of its finite values in the sample, as NetDissect asks for;
        above 0 and below 100.
    value
        One threshold for all units.
    """

    percentile: float | None = None
    value: float | None = None

    def __post_init__(self) -> None:
        if (self.percentile is None) == (self.value is None):
            raise InvalidInputError(
                "a threshold is a percentile or a value; write threshold(99.5%) or threshold(value 3.1)"
            )
        if self.percentile is not None and not (is_finite(self.percentile) and 0 < self.percentile < 100):
            raise InvalidInputError(f"threshold({self.percentile!r}%) is not between 0% and 100%; 99.5% is usual")
        if self.value is not None and not is_finite(self.value):
            raise InvalidInputError(f"threshold(value {self.value!r}) is not finite; give a number")
        for name in ("percentile", "value"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))

    @classmethod
    def from_arguments(cls, arguments: list[str]) -> Threshold:
        """Return the scheme that is written ``threshold(arguments)``."""
        if not arguments:
            return cls(percentile=99.5)
        text = arguments[0]
        if len(arguments) == 1 and text.endswith("%"):
            return cls(percentile=parse_number("threshold", text[:-1].strip()))
        kind, _, number = text.partition(" ")
        if len(arguments) == 1 and kind == "value":
            return cls(value=parse_number("threshold", number.strip()))
        raise InvalidInputError(
            f"threshold({', '.join(arguments)}): say what the number is, threshold(99.5%) or threshold(value 3.1)"
        )

    def text(self) -> str:
        """Return ``threshold(P%)`` or ``threshold(value V)``."""
        if self.percentile is not None:
            return f"threshold({number_text(self.percentile)}%)"
        assert self.value is not None
        return f"threshold(value {number_text(self.value)})"

    def fit(self, sample: npt.NDArray[Any]) -> FittedThreshold:
        """Find each unit's threshold.

        A percentile is the smallest value of the sample with at least that part of the sample at or below it.

        Raises
        ------
        InvalidInputError
            If a percentile is asked for and a unit has no finite value in the sample.
        """
        layout = ValueLayout.of(sample, self.text())
        if self.value is not None:
            return FittedThreshold(self, layout, np.full(layout.units, _round_down(self.value, layout.dtype)))
        assert self.percentile is not None
        seen = every_nth(layout.check(sample, self.text()), least_per_unit=4096)
        if not seen.shape[1]:
            return FittedThreshold(self, layout, np.empty(0, layout.dtype))
        share = Fraction(repr(self.percentile)) / 100
        finite = np.isfinite(seen)
        if finite.all():
            rank = math.ceil(share * seen.shape[1]) - 1
            wide = widen(seen) if seen.dtype == np.float16 else seen
            return FittedThreshold(self, layout, np.partition(wide, rank, axis=1)[:, rank].astype(layout.dtype))
        limits = np.empty(layout.units, layout.dtype)
        for unit, values in enumerate(seen):
            values = np.sort(values[finite[unit]])
            if not values.size:
                raise InvalidInputError(
                    f"{self.text()}: unit {unit} has no finite value in the sample; give a sample that has, "
                    "or a threshold(value V)"
                )
            limits[unit] = values[math.ceil(share * values.size) - 1]
        return FittedThreshold(self, layout, limits)


def _round_down(value: float, dtype: np.dtype[Any]) -> Any:
    """Return the largest number of a dtype that is not above `value`: the same numbers of the dtype are above it."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = np.float64(value).astype(dtype)
        return rounded if float(rounded) <= value else np.nextafter(rounded, dtype.type(-np.inf))


class FittedThreshold(FittedQuantizer):
    """Thresholds of each unit.

    Part ``bits`` is uint8 of shape ``(units, bytes)``: the bits of each unit in C order, first bit highest, padded
    to whole bytes with zeros. Decoded values are exactly ``value > threshold``: NaN is not above, infinity is.

    Parameters
    ----------
    scheme
        The scheme.
    layout
        Layout of the values.
    limits
        Shape ``(units,)``, dtype of the values; empty for a percentile of an empty sample.
    """

    scheme: Threshold

    def __init__(self, scheme: Threshold, layout: ValueLayout, limits: npt.NDArray[Any]) -> None:
        super().__init__(scheme, layout)
        self._limits = frozen(limits)

    @classmethod
    def load(
        cls, config: Mapping[str, Any], layout: ValueLayout, tables: Mapping[str, npt.NDArray[Any]]
    ) -> FittedThreshold:
        """Return what :meth:`config` and :meth:`tables` describe."""
        try:
            given = {name: float(config[name]) for name in ("percentile", "value") if config.get(name) is not None}
            scheme = Threshold(**given)
        except (TypeError, ValueError) as error:
            raise CorruptPartitionError(f"a stored threshold is damaged ({error}); run 'mistique check'") from error
        limits = table(tables, "limits", layout.dtype)
        if limits.size not in {layout.units, 0} or np.isnan(limits).any():
            raise CorruptPartitionError(
                f"{limits.size} thresholds are stored for {layout.units} units, or one is NaN; run 'mistique check'"
            )
        return cls(scheme, layout, limits)

    def parameters(self) -> dict[str, Any]:
        """Return name, percentile and value."""
        return {"name": "threshold", "percentile": self.scheme.percentile, "value": self.scheme.value}

    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """Return ``limits``."""
        return {"limits": self._limits}

    @property
    def decoded_dtype(self) -> np.dtype[Any]:
        """Bool."""
        return np.dtype(np.bool_)

    @property
    def summary(self) -> str:
        """The comparison, for example ``value > 3.1``."""
        if self.scheme.percentile is not None:
            return f"value > percentile {number_text(self.scheme.percentile)} of its unit"
        assert self.scheme.value is not None
        return f"value > {number_text(self.scheme.value)}"

    def encode(self, values: npt.NDArray[Any]) -> Encoded:
        """Compare and pack; see the class."""
        block = self.layout.check(values, self.scheme.text())
        by_units = by_unit(block)
        bits = np.empty((self.units, -(-by_units.shape[1] // 8)), np.uint8)
        if block.size and not self._limits.size:
            raise InvalidInputError(f"{self.scheme.text()} was fitted to an empty sample; fit it to some rows")
        limits = (widen(self._limits) if self.dtype == np.float16 else self._limits)[:, None]
        flags = np.empty(TILE_VALUES, np.bool_)
        for units, positions, tile in tiles(by_units):
            above = flags[: tile.size].reshape(tile.shape)
            np.greater(widen(tile) if tile.dtype == np.float16 else tile, limits[units], out=above)
            bits[units, positions.start // 8 : -(-positions.stop // 8)] = np.packbits(above, axis=1)
        return Encoded({"bits": bits}, 0.0)

    def bounds(
        self,
        parts: dict[str, npt.NDArray[Any]],
        rows: int,
        max_abs_error: float = math.inf,
        units: Sequence[int] | None = None,
    ) -> Bounds:
        """Refuse: one bit bounds a value on one side only."""
        raise InvalidInputError(
            f"{self.scheme.text()} keeps only whether {self.summary}, which bounds no value; "
            "re-run all rows with strategy='rerun', or store the values by another scheme"
        )

    def summarize(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return which values are above the limit, which is what is stored."""
        return self.decode(self.encode(values).parts, values.shape[1])

    def decode(self, parts: dict[str, npt.NDArray[Any]], rows: int) -> npt.NDArray[Any]:
        """Unpack the bits."""
        positions = rows * self.layout.map_values
        bits = part(parts, "bits", np.dtype(np.uint8), (self.units, -(-positions // 8)))
        flags = np.unpackbits(bits, axis=1, count=positions)
        return flags.view(np.bool_).reshape(self.layout.shape(rows))
