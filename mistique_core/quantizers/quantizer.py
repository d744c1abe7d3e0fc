"""What every quantizer is: a scheme as a user states it, and the same scheme fitted to a group of units.

Values are handed over as arrays of shape ``(units, rows, *map_shape)`` of float16, float32 or float64.
A column of a table is one unit whose values have ``map_shape == ()``; a unit of a convolutional layer
has small maps, ``map_shape == (height, width)``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mistique_core.quantizers.error_sketch import Products
from mistique_core.quantizers.margins import RADIUS
from mistique_core.quantizers.row_norms import largest_norms, least_norms
from mistique_core.quantizers.stored import part
from mistique_core.quantizers.value_layout import ValueLayout

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Encoded:
    """One block of values, quantized.

    Attributes
    ----------
    parts
        Name -> C-contiguous array. Which parts there are depends on the scheme only.
    max_abs_error
        No finite value of the block differs by more than this from what decoding returns. Where values are
        summarised (``FittedQuantizer.summary``), the exact summary takes the place of the value. 0.0 where
        decoding is exact, and for schemes that decode to bool.
    margins
        Further parts that decoding does not need: they say more about how far off it is.
    """

    parts: dict[str, npt.NDArray[Any]]
    max_abs_error: float
    margins: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


class Bounds(NamedTuple):
    """What the logged values of a block can have been.

    Attributes
    ----------
    low, high
        float64, shape ``(units, rows, *decoded_map_shape)``: no value is outside (both inclusive). Where they are equal
        the value is known; NaN and infinities are, if any. Where values are summarised, they are about the summary.
    """

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


class Centres(NamedTuple):
    """Points near the logged rows of a block, and how near.

    Attributes
    ----------
    values
        Shape ``(units, rows, *decoded_map_shape)``.
    radius
        float64 (rows,): the Euclidean norm of the difference from the logged values of the row, in all units, is at
        most this. Values that are not finite are the logged ones.
    least
        float64 (rows,): the norm is at least this.
    """

    values: npt.NDArray[Any]
    radius: npt.NDArray[np.float64]
    least: npt.NDArray[np.float64]


class Quantizer(ABC):
    """A scheme as a user states it: immutable, comparable, not yet fitted to any values."""

    @abstractmethod
    def fit(self, sample: npt.NDArray[Any]) -> FittedQuantizer:
        """Fit the scheme to a group of units.

        Parameters
        ----------
        sample
            Values of the group, shape ``(units, rows, *map_shape)``, any number of rows. Of a large sample a
            part is looked at, always the same one. A sample without rows fits a quantizer for blocks
            without rows.

        Raises
        ------
        InvalidInputError
            If the values cannot be stored by this scheme; the message names one that can.
        """

    @abstractmethod
    def text(self) -> str:
        """Return the canonical text, for example ``bounded(0.25)``; ``parse_scheme`` reads it."""


class FittedQuantizer(ABC):
    """A scheme fitted to a group of units: encodes and decodes blocks of rows of that group.

    It never changes, and may be used by several threads at once. ``config()`` and ``tables()`` are what has
    to be stored for ``load_quantizer`` to return an equal one.

    Attributes
    ----------
    scheme
        The scheme as the user stated it.
    layout
        Number of units, shape of their maps, and dtype of the values.
    """

    def __init__(self, scheme: Quantizer, layout: ValueLayout) -> None:
        self.scheme = scheme
        self.layout = layout

    @abstractmethod
    def encode(self, values: npt.NDArray[Any]) -> Encoded:
        """Quantize a block.

        Parameters
        ----------
        values
            Shape ``(units, rows, *map_shape)`` and dtype as in the sample, any number of rows, any memory
            layout. Layouts in which a unit's values lie together, or in which the units lie side by side
            (a transposed ``(rows, height, width, units)``), are read without a copy of the whole.

        Returns
        -------
        Encoded
            The same bytes for the same values, in any memory layout.

        Raises
        ------
        InvalidInputError
            If shape or dtype are not those of the sample, or a value cannot be stored by this scheme.
        """

    @abstractmethod
    def decode(self, parts: dict[str, npt.NDArray[Any]], rows: int) -> npt.NDArray[Any]:
        """Return the values of a block.

        Parameters
        ----------
        parts
            The parts that ``encode`` returned. Their shapes may have been flattened.
        rows
            Number of rows in the block.

        Returns
        -------
        ndarray
            Shape ``(units, rows, *decoded_map_shape)`` and dtype ``decoded_dtype``, C-contiguous. It may share
            its memory with a part that already holds the values.

        Raises
        ------
        CorruptPartitionError
            If the parts are not those of a block of `rows` rows.
        """

    def bounds(
        self,
        parts: dict[str, npt.NDArray[Any]],
        rows: int,
        max_abs_error: float = math.inf,
        units: Sequence[int] | None = None,
    ) -> Bounds:
        """Return between what the logged values of a block lie.

        Parameters
        ----------
        parts
            The parts that ``encode`` returned, with or without margins.
        rows
            Number of rows in the block.
        max_abs_error
            As ``encode`` returned it, or the largest of several blocks.
        units
            Positions of the wanted units; ``None`` for all.

        Raises
        ------
        InvalidInputError
            If what is stored bounds no values.
        CorruptPartitionError
            If the parts are not those of a block of `rows` rows.
        """
        decoded = self.decode(parts, rows)
        return within(decoded if units is None else decoded[list(units)], max_abs_error)

    def centres(self, parts: dict[str, npt.NDArray[Any]], rows: int, max_abs_error: float = math.inf) -> Centres:
        """Return points near the rows of a block, and how near; the parameters are those of :meth:`bounds`."""
        values = self.near_values(parts, rows)
        if RADIUS in parts:
            halves = part(parts, RADIUS, np.dtype(np.uint16), (rows,))
            return Centres(values, largest_norms(halves), least_norms(halves, self.layout))
        return Centres(values, row_reach(values, self.bounds(parts, rows, max_abs_error)), np.zeros(rows))

    def error_products(
        self, parts: dict[str, npt.NDArray[Any]], rows: int, others: npt.NDArray[Any]
    ) -> Products | None:
        """Return between what the product of the errors of each row with another row lies.

        Parameters
        ----------
        parts, rows
            As for :meth:`bounds`.
        others
            Of each row what to multiply its errors (logged less decoded values) with, shape
            ``(units, rows, *decoded_map_shape)``, float64 for float64 values, else float32.

        Returns
        -------
        Products or None
            ``None`` where nothing is stored that says more than the norm of the errors.
        """
        return None

    def near_values(self, parts: dict[str, npt.NDArray[Any]], rows: int) -> npt.NDArray[Any]:
        """Return the values that the margin ``radius`` counts from: the decoded ones, or better ones from margins."""
        return self.decode(parts, rows)

    def summarize(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return exactly what decoding approximates: the values, or the summaries that take their place.

        Parameters
        ----------
        values
            Shape ``(units, rows, *map_shape)``.

        Returns
        -------
        ndarray
            Shape ``(units, rows, *decoded_map_shape)``.
        """
        return values

    def config(self) -> dict[str, Any]:
        """Return what ``load_quantizer`` needs besides the tables, as a JSON document."""
        return {"version": FORMAT_VERSION, **self.parameters(), **self.layout.document()}

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """Return the scheme's name and parameters, as a JSON document."""

    @abstractmethod
    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """Return the fitted arrays by name; they have to be stored beside the data."""

    @property
    def units(self) -> int:
        """Number of units in the group."""
        return self.layout.units

    @property
    def map_shape(self) -> tuple[int, ...]:
        """Shape of one value before encoding."""
        return self.layout.map_shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values before encoding."""
        return self.layout.dtype

    @property
    def decoded_map_shape(self) -> tuple[int, ...]:
        """Shape of one value after decoding."""
        return self.layout.map_shape

    @property
    def decoded_dtype(self) -> np.dtype[Any]:
        """Dtype of the values after decoding."""
        return self.layout.dtype

    @property
    def summary(self) -> str | None:
        """What a decoded value means where it is not the logged one, for example ``value > 3.1``."""
        return None


def within(decoded: npt.NDArray[Any], error: float) -> Bounds:
    """Return bounds at most `error` away from each finite decoded value; the others are exact."""
    values = decoded.astype(np.float64)
    if error == 0.0:
        return Bounds(values, values)
    finite = np.isfinite(values)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        low = np.where(finite, np.nextafter(values - error, -math.inf), values)
        high = np.where(finite, np.nextafter(values + error, math.inf), values)
    return Bounds(low, high)


def row_reach(values: npt.NDArray[Any], bounds: Bounds) -> npt.NDArray[np.float64]:
    """Return how far rows within bounds can be from others, float64 (rows,); values that are not finite count nothing.

    Parameters
    ----------
    values
        Shape ``(units, rows, *map_shape)``.
    bounds
        Of the same shape.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        furthest = np.maximum(bounds.high - values, values - bounds.low)
        furthest[~np.isfinite(values)] = 0.0
        squares = np.square(furthest).sum(axis=(0, *range(2, furthest.ndim)))
        rounded: npt.NDArray[np.float64] = np.sqrt(squares) * (1.0 + (furthest.size + 4) * 2.0**-52)
        return rounded + math.sqrt(furthest.size) * 2.0**-500
