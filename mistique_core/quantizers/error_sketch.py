"""Three numbers a row that bound the product of its quantization errors with any other row, far below their norms.

With ``r = x - c`` the errors of a row whose decoded values are ``c``, ``|x - q|^2 = |c - q|^2 - 2 <q - c, r> + |r|^2``.
Of ``<a, r>`` the norms alone say that it is at most ``|a| |r|``. That is met where ``r`` points as ``a`` does, which
errors of rounding do not: ``a``, the difference of two rows, is smooth where ``r`` is noise; ``r`` is small where the
code is zero; and of what ``a`` has along ``c`` itself the product is simply stored. So kept are

- a weighted norm, ``N^2 = <y, M y>``, where ``y`` is ``r`` in steps, times :data:`ZERO_WEIGHT` where the code is zero,
  and ``M`` gives more weight to the slow waves of a unit's map, as fitted: a product is at most ``N`` times the root of
  ``<a, M^-1 a>``, where these waves count less, and they hold most of ``a``;
- ``<c, r>``, and the sum of the errors where the code is not zero, each times its step.

For any numbers ``m``, ``<a, r> = sum m_j <d_j, r> + <a - sum m_j d_j, r>``, with the ``d_j`` of the stored products;
the ``m`` that make the bound least are found here, and whatever they are, it holds.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mistique_core.errors import CorruptPartitionError
from mistique_core.quantizers.low_frequencies import LowFrequencies, low_frequencies, products
from mistique_core.quantizers.value_layout import ValueLayout

ZERO_WEIGHT = 1.3125
NUMBERS = 3
_LEAST_VALUES = 1024
"""Of narrower groups three numbers a row would be more than a few percent of the codes."""
_LEAST_MAP = 16
_NEIGHBOURS = 2
_ROUNDED = 0.501
"""By how much an error that was rounded to a whole number is off, the rounding of its quotient included."""
_ESCAPED = -128

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.float64]


class Products(NamedTuple):
    """Between what products with the errors of each row lie, (rows,) each; NaN where nothing is known."""

    low: Numbers
    high: Numbers


class ErrorSketch:
    """Weights of one group of units.

    Parameters
    ----------
    layout
        Layout of the values.
    steps
        Length of a step of each unit, (units,); 0 where all errors are.
    exponents
        int8, (units, 1 + waves): the weight of each unit, and of the waves over its map, as halves of binary orders.
    """

    def __init__(self, layout: ValueLayout, steps: Array, exponents: npt.NDArray[np.int8]) -> None:
        waves = sketched_waves(layout)
        assert waves is not None
        self._layout, self._waves = layout, waves
        self.exponents = exponents
        self._longest = float(steps.max(initial=0.0))
        with np.errstate(under="ignore"):
            self._relative = steps.astype(np.float64) / (self._longest or 1.0)
            self._factors = (self._waves.parts / np.where(steps > 0, steps, 1)).astype(steps.dtype)
        weights = _weight(exponents)
        self._weights = weights[:, 0]
        self._further = np.maximum(weights[:, 1:] / weights[:, :1] - 1.0, 0.0)

    @classmethod
    def fit(cls, layout: ValueLayout, steps: Array, codes: npt.NDArray[np.int8], errors: Array) -> ErrorSketch | None:
        """Return weights that suit a sample; ``None`` where the group is too narrow, or the sample too small.

        Parameters
        ----------
        layout, steps
            As above.
        codes, errors
            Of the sample, shape ``(units, positions)``.
        """
        waves = sketched_waves(layout)
        rows = codes.shape[1] // max(layout.map_values, 1)
        if waves is None or rows < 2 or not (steps > 0).any():
            return None
        shape = (layout.units, rows, layout.map_values)
        with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
            steps64 = steps.astype(np.float64)[:, None, None]
            relative = steps64 / steps64.max()
            coded = np.where(codes == _ESCAPED, 0, codes).reshape(shape).astype(np.float64)
            weight = np.where(coded == 0, ZERO_WEIGHT, 1.0)
            noise = np.where(steps64 > 0, errors.reshape(shape) / steps64, 0.0) * weight
            coded *= relative
            near = _nearest(coded.transpose(1, 0, 2).reshape(rows, -1).astype(np.float32))
            differences = [_energies(waves, (coded[:, other] - coded) * (relative / weight)) for other in near]
        mean = tuple(np.mean(energies, axis=0) for energies in zip(*differences, strict=True))
        return cls(layout, steps, _exponents(mean, _energies(waves, noise)))

    def encode(self, codes: npt.NDArray[np.int8], errors: Array) -> npt.NDArray[np.float16]:
        """Return the numbers of each row, shape ``(3, rows)``, the first rounded up and the others to the nearest.

        Parameters
        ----------
        codes
            int8, shape ``(units, positions)``.
        errors
            Of the same shape, float32 or float64, 0 where the code is that of an exact value; C-contiguous.
        """
        size = self._layout.map_values
        found = np.zeros((NUMBERS, codes.shape[1] // size))
        for unit in np.flatnonzero(self._relative > 0):
            coded = codes[unit].astype(np.float32).reshape(-1, size)
            parts = np.multiply(errors[unit], self._factors[unit]).astype(np.float32, copy=False).reshape(-1, size)
            square = self._relative[unit] ** 2 / self._waves.parts
            found[1] += square * np.einsum("rm,rm->r", coded, parts)
            np.abs(coded, out=coded)
            np.minimum(coded, 1.0, out=coded)
            coded *= parts
            found[2] += square * np.einsum("rm->r", coded)
            parts *= np.float32(ZERO_WEIGHT)
            coded *= np.float32(ZERO_WEIGHT - 1.0)
            parts -= coded
            np.rint(parts, out=parts)
            heights = self._waves.of(parts)
            heights *= self._roots[unit]
            found[0] += self._weights[unit] * (
                np.einsum("rm,rm->r", parts, parts).astype(np.float64) + np.einsum("rk,rk->r", heights, heights)
            )
        found[0] = np.sqrt(found[0]) * ((1.0 + self._slack) / self._waves.parts) + self._rounding
        found /= self._unit
        with np.errstate(over="ignore", under="ignore"):
            numbers = found.astype(np.float16)
            numbers[0] = np.where(numbers[0] < found[0], np.nextafter(numbers[0], np.float16(np.inf)), numbers[0])
        return numbers

    def products(self, codes: npt.NDArray[np.int8], others: Array, numbers: npt.NDArray[np.float16]) -> Products:
        """Return between what the product of each row's errors with another row lies.

        Parameters
        ----------
        codes
            int8, shape ``(units, rows, *map_shape)``.
        others
            The other rows, one for each, of the same shape; values that are exact in the row do not matter.
        numbers
            What :meth:`encode` returned.
        """
        with np.errstate(all="ignore"):
            limit = 1000 if others.dtype == np.float64 else 120
            largest = float(np.abs(others).max(initial=0.0, where=np.isfinite(others)))
            exponent = min(max(math.frexp(largest)[1], -limit), limit)
            inner, plain = self._inner(codes, others, 2.0**-exponent)
            middle = numbers.astype(np.float64)
            off = self._unit * (np.abs(middle) * 2.0**-10 + 2.0**-24)
            low, high = self._unit * middle - off, self._unit * middle + off
            high[0] = self._unit * middle[0]
            least, most = (
                np.ldexp(self._longest * self._most(inner, plain, low, high, sign), exponent) for sign in (-1.0, 1.0)
            )
            return Products(-np.nextafter(least, math.inf), np.nextafter(most, math.inf))

    def _inner(self, codes: npt.NDArray[np.int8], others: Array, scale: float) -> tuple[Numbers, Numbers]:
        """Return the products, by the inverse of M, of the other row, the codes and their places, (rows, 3, 3).

        The other row is taken `scale` times. The root of their diagonal without what waves take off, by which rounding
        is measured, is returned too, (rows, 3).
        """
        rows, size = codes.shape[1], self._layout.map_values
        found, plain = np.zeros((rows, 3, 3)), np.zeros((rows, 3))
        working = np.dtype(np.float64 if others.dtype == np.float64 else np.float32)
        vectors = np.empty((3, rows, size), working)
        inverse = np.array([scale / ZERO_WEIGHT, scale], working)
        for unit in np.flatnonzero(self._relative > 0):
            coded = codes[unit].reshape(rows, size)
            nonzero = coded != 0
            np.multiply(others[unit].reshape(rows, size), inverse[nonzero.view(np.uint8)], out=vectors[0])
            np.copyto(vectors[1], coded)
            np.copyto(vectors[2], nonzero)
            if coded.min() == _ESCAPED:
                vectors[:, coded == _ESCAPED] = 0
            heights = products(self._waves.sums(vectors.reshape(3 * rows, size)), self._whitened[unit].astype(working))
            heights = heights.reshape(3, rows, -1)
            scales = self._relative[unit] ** np.array([1.0, 2.0, 2.0])
            for i, j in _PAIRS:
                squares = np.einsum("rm,rm->r", vectors[i], vectors[j]).astype(np.float64)
                if i == j:  # and the squares that are too small for the dtype
                    squares += size * float(np.finfo(np.float32).tiny)
                    plain[:, i] += scales[i] ** 2 / self._weights[unit] * squares
                squares -= np.einsum("rk,rk->r", heights[i], heights[j])
                found[:, i, j] += scales[i] * scales[j] / self._weights[unit] * squares
        for i, j in _PAIRS:
            found[:, j, i] = found[:, i, j]
        return found, np.sqrt(plain)

    def _most(self, inner: Numbers, plain: Numbers, low: Numbers, high: Numbers, sign: float) -> Numbers:
        """Return the largest that the product of errors, in longest steps, with `sign` times the other row can be."""
        others, known, between = inner[:, 0, 0], sign * inner[:, 0, 1:], inner[:, 1:, 1:].copy()
        between[:, [0, 1], [0, 1]] += 1e-6 * np.square(plain[:, 1:]) + 1e-300
        norm, middle = high[0], 0.5 * (low[1:] + high[1:]).T
        inverse = _inverse_of_pairs(between)
        best = np.einsum("rij,rj->ri", inverse, known)
        stored = np.einsum("rij,rj->ri", inverse, middle)
        rest = np.maximum(others - np.einsum("ri,ri->r", best, known), 0.0)
        left = np.square(norm) - np.einsum("ri,ri->r", stored, middle)
        share = np.where(left > 0, np.sqrt(rest / np.where(left > 0, left, 1.0)), 0.0)
        factors = best - share[:, None] * stored
        factors[~np.isfinite(factors).all(axis=1)] = 0.0
        square = (
            others
            - 2.0 * np.einsum("ri,ri->r", factors, known)
            + np.einsum("ri,rij,rj->r", factors, inner[:, 1:, 1:], factors)
        )
        reach = plain[:, 0] + np.einsum("ri,ri->r", np.abs(factors), plain[:, 1:])
        bound = norm * np.sqrt(np.maximum(square, 0.0) + self._slack * np.square(reach))
        bound += np.maximum(factors * low[1:].T, factors * high[1:].T).sum(axis=1)
        # Stored products were summed in float32, of errors that are at most half a step each.
        values = self._layout.units * self._layout.map_values
        error = self._layout.map_values * 2.0**-22 * math.sqrt(values * float(self._weights.max()))
        bound += error * np.einsum("ri,ri->r", np.abs(factors), plain[:, 1:])
        return np.asarray(bound + self._slack * np.abs(bound))

    @cached_property
    def _slack(self) -> float:
        """Relative error of sums of float32 products over a map, and over its cells and waves."""
        return float(self._layout.map_values + 8 * self._waves.waves.shape[1] + self._layout.units) * 2.0**-22

    @cached_property
    def _unit(self) -> float:
        """What a stored 1 stands for: all numbers are then in the range of float16."""
        return math.sqrt(self._layout.units * self._layout.map_values)

    @cached_property
    def _roots(self) -> npt.NDArray[np.float32]:
        return (np.sqrt(self._further) / self._waves.scale).astype(np.float32)

    @cached_property
    def _gram(self) -> Numbers:
        waves = self._waves.waves.astype(np.float64) / self._waves.scale
        return np.asarray(waves @ waves.T) * self._waves.cell_values

    @cached_property
    def _rounding(self) -> float:
        """How much rounding errors to parts of a step can change a weighted norm."""
        longest = float(np.abs(self._gram).sum(axis=1).max(initial=0.0)) * 1.001
        most = self._weights * (1.0 + self._further.max(axis=1, initial=0.0) * longest)
        values = most[self._relative > 0].sum() * self._layout.map_values
        return _ROUNDED / self._waves.parts * math.sqrt(float(values))

    @cached_property
    def _whitened(self) -> Numbers:
        """Of each unit the matrix from cells to what waves take off the inverse of M, ``(units, cells, waves)``.

        By Woodbury, ``(I + F'CF)^-1 = I - F'R (I + R FF' R)^-1 R F`` with ``R`` the root of the diagonal ``C``.
        """
        roots = np.sqrt(self._further)
        inside = np.eye(len(self._gram)) + roots[:, :, None] * self._gram * roots[:, None, :]
        lower = np.linalg.cholesky(inside)
        waves = roots[:, :, None] * (self._waves.waves.astype(np.float64) / self._waves.scale)
        return np.ascontiguousarray(np.linalg.solve(lower, waves).transpose(0, 2, 1))


_PAIRS = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]


def sketched_waves(layout: ValueLayout) -> LowFrequencies | None:
    """Return the waves over the maps of a group that is wide enough for sketches, ``None`` for others."""
    if layout.map_values < _LEAST_MAP or layout.units * layout.map_values < _LEAST_VALUES:
        return None
    return low_frequencies(layout.map_shape)


def checked_exponents(layout: ValueLayout, exponents: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Return a stored table of exponents in its shape.

    Raises
    ------
    CorruptPartitionError
        If it is none of the layout.
    """
    waves = sketched_waves(layout)
    shape = (layout.units, 1 + (0 if waves is None else len(waves.waves)))
    if waves is None or exponents.size != math.prod(shape) or (exponents == _ESCAPED).any():
        raise CorruptPartitionError(f"stored weights are none of {layout}; run 'mistique check'")
    return exponents.reshape(shape)


def _weight(exponents: npt.NDArray[np.int8]) -> Numbers:
    """Return 2, 3, 4, 6, 8, 12 ... for 2, 3, 4, 5, 6, 7 ..., exactly."""
    whole = exponents.astype(np.int64)
    return np.asarray(np.ldexp(1.0 + 0.5 * (whole & 1), whole >> 1))


def _exponents(differences: tuple[Numbers, Numbers], noise: tuple[Numbers, Numbers]) -> npt.NDArray[np.int8]:
    """Return exponents of the roots of signal over noise, which make the bound of a product least."""
    signal = np.concatenate([differences[0][:, None], differences[1]], axis=1)
    errors = np.concatenate([noise[0][:, None], noise[1]], axis=1)
    floors = [1e-3 * float(part.mean()) + 1e-290 for part in (signal, errors)]
    logs = 0.5 * np.log2((signal + floors[0]) / (errors + floors[1]))
    logs -= logs[:, 0].max()
    return np.clip(np.rint(2.0 * logs), -120, 120).astype(np.int8)


def _energies(waves: LowFrequencies, values: Numbers) -> tuple[Numbers, Numbers]:
    """Return the mean square of what no wave takes of each unit, and of each of its waves."""
    units, rows, size = values.shape
    heights = waves.of(values.reshape(-1, size)).reshape(units, rows, -1) / waves.scale
    squares = np.square(heights)
    rest = np.maximum(np.square(values).sum(axis=2) - squares.sum(axis=2), 0.0) / (size - heights.shape[2])
    return rest.mean(axis=1), squares.mean(axis=1)


def _nearest(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """Return the nearest other rows of each, at most a few, (neighbours, rows)."""
    squares = np.square(rows).sum(axis=1)
    distances = squares[:, None] + squares[None] - 2.0 * np.einsum("id,jd->ij", rows, rows)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1, kind="stable")[:, : min(_NEIGHBOURS, len(rows) - 1)].T


def _inverse_of_pairs(matrices: Numbers) -> Numbers:
    """Return the inverses of symmetric 2 x 2 matrices."""
    a, b, d = matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1]
    return np.asarray(np.array([[d, -b], [-b, a]]).transpose(2, 0, 1) / (a * d - b * b)[:, None, None])
