"""KBIT: quantile bins fitted to a sample, and one value for each bin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.native import kernels
from mistique_core.quantizers.arguments import is_integer, parse_integer
from mistique_core.quantizers.bins import Bins, BinScratch
from mistique_core.quantizers.code_pairs import CODES, CodePairs
from mistique_core.quantizers.half import narrow, widen
from mistique_core.quantizers.margins import RADIUS, TAILS
from mistique_core.quantizers.quantizer import Bounds, Encoded, FittedQuantizer, Quantizer, within
from mistique_core.quantizers.rounding import FiniteRange, finite_range
from mistique_core.quantizers.row_norms import RowNorms
from mistique_core.quantizers.sampling import SAMPLE_VALUES, every_nth
from mistique_core.quantizers.stored import frozen, part, table
from mistique_core.quantizers.tiles import by_unit, tiles
from mistique_core.quantizers.upper_half import ends_of, half_dtype, middle_of, upper_half
from mistique_core.quantizers.value_layout import ValueLayout

_FEW_VALUES = 1 << 15
_TAIL_BITS = 8


@dataclass(frozen=True)
class KBit(Quantizer):
    """At most ``2**bits`` bins of equally many values, shared by the units of a group (thesis section 5.4.1, KBIT_QT).

    Attributes
    ----------
    bits
        1 to 8.
    """

    bits: int = 8

    def __post_init__(self) -> None:
        if not (is_integer(self.bits) and 1 <= self.bits <= 8):
            raise InvalidInputError(f"kbit({self.bits!r}) is outside 1 to 8 bits; kbit(8) is the default")

    @classmethod
    def from_arguments(cls, arguments: list[str]) -> KBit:
        """Return the scheme that is written ``kbit(arguments)``."""
        if len(arguments) > 1:
            raise InvalidInputError(f"kbit({', '.join(arguments)}): give one number of bits, such as kbit(8)")
        return cls(*(parse_integer("kbit", argument) for argument in arguments))

    def text(self) -> str:
        """Return ``kbit(K)``."""
        return f"kbit({self.bits})"

    def fit(self, sample: npt.NDArray[Any]) -> FittedKBit:
        """Find the bins.

        The upper end of bin ``i`` is the sample's quantile ``i / 2**bits`` (the smallest value with at least that
        part of the sample at or below it). A value that is several quantiles at once gets a bin of its own in their
        place, and so is exact. The value of a bin is the mean of the sample in it, which has the least squared
        error.

        Raises
        ------
        InvalidInputError
            If the sample holds NaN or an infinity.
        """
        layout = ValueLayout.of(sample, self.text())
        seen = every_nth(layout.check(sample, self.text())).reshape(-1)
        seen = seen[:: max(1, -(-seen.size // SAMPLE_VALUES))]
        seen = narrow(np.sort(widen(seen))) if seen.dtype == np.float16 else np.sort(seen)
        _refuse_non_finite(self, finite_range(seen))
        edges = _edges(seen, 1 << self.bits)
        return FittedKBit(self, layout, edges, _levels(seen, edges))


def _refuse_non_finite(scheme: KBit, bounds: FiniteRange) -> None:
    if bounds.has_nan or bounds.has_infinity:
        what = "NaN" if bounds.has_nan else "infinity"
        raise InvalidInputError(f"{scheme.text()} cannot hold {what}; use 'bounded(0.25)', 'float16' or 'lossless'")


def _edges(seen: npt.NDArray[Any], bins: int) -> npt.NDArray[Any]:
    """Return the upper ends of all bins but the last, strictly increasing; `seen` is sorted."""
    if not seen.size:
        return np.empty(0, seen.dtype)
    ranks = np.arange(1, bins, dtype=np.int64) * seen.size
    quantiles, repeats = np.unique(seen[-(-ranks // bins) - 1], return_counts=True)
    with np.errstate(over="ignore", under="ignore"):
        below = np.nextafter(quantiles[repeats > 1], seen.dtype.type(-np.inf))
    edges = np.sort(np.concatenate([below, quantiles]))
    # An edge with no value of the sample on one side, or between it and the edge before, makes an empty bin.
    counts = np.searchsorted(seen, edges, side="right")
    kept: npt.NDArray[Any] = edges[(np.diff(counts, prepend=0) > 0) & (counts < seen.size)]
    return kept


def _levels(seen: npt.NDArray[Any], edges: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the mean of the sample in each bin, of which none is empty; nothing for an empty sample."""
    if not seen.size:
        return np.empty(0, seen.dtype)
    starts = np.append(0, np.searchsorted(seen, edges, side="right"))
    ends = np.append(starts[1:], seen.size)
    # Scaled by a power of two, so that no sum overflows.
    exponent = math.frexp(finite_range(seen).magnitude)[1]
    sums = np.add.reduceat(np.ldexp(seen.astype(np.float64), -exponent), starts)
    with np.errstate(under="ignore"):
        means = np.ldexp(sums / (ends - starts), exponent).astype(seen.dtype)
    return np.asarray(np.clip(means, seen[starts], seen[ends - 1]))


class FittedKBit(FittedQuantizer):
    """Bins and their values.

    Part ``codes`` is uint8 in the shape of the values; whatever compresses it brings it to `bits` bits a value or
    fewer. NaN and infinities are refused. The error is at most the distance between the value of a bin and the
    further of its ends; the first and the last bin end at the smallest and largest value of the block. Margins:
    ``radius``, see :class:`~mistique_core.quantizers.row_norms.RowNorms`, and of 8 bits ``tails``, in C order the
    values in the first and the last bin, cut to the upper half of their bits; ``radius`` counts from their middles.

    Parameters
    ----------
    scheme
        The scheme.
    layout
        Layout of the values.
    edges
        Upper ends (inclusive) of all bins but the last, strictly increasing; dtype of the values.
    levels
        Value of each bin, one more than edges; none for an empty sample.
    """

    scheme: KBit

    def __init__(self, scheme: KBit, layout: ValueLayout, edges: npt.NDArray[Any], levels: npt.NDArray[Any]) -> None:
        super().__init__(scheme, layout)
        self._edges = frozen(edges)
        self._levels = frozen(levels)
        self._levels_of_all = np.append(levels, np.zeros(CODES - levels.size, levels.dtype))
        self._pairs = CodePairs(self._levels_of_all)

    @classmethod
    def load(cls, config: Mapping[str, Any], layout: ValueLayout, tables: Mapping[str, npt.NDArray[Any]]) -> FittedKBit:
        """Return what :meth:`config` and :meth:`tables` describe."""
        bits = config.get("bits")
        if not (is_integer(bits) and 1 <= bits <= 8):
            raise CorruptPartitionError(f"a stored kbit quantizer has bits={bits!r}; run 'mistique check'")
        edges = table(tables, "edges", layout.dtype)
        levels = table(tables, "levels", layout.dtype)
        if levels.size > 1 << bits or edges.size != max(levels.size - 1, 0):
            raise CorruptPartitionError(
                f"kbit({bits}) was stored with {edges.size} edges and {levels.size} levels; run 'mistique check'"
            )
        finite = np.isfinite(edges).all() and np.isfinite(levels).all()
        if not finite or (edges[1:] <= edges[:-1]).any() or (np.signbit(edges) & (edges == 0)).any():
            raise CorruptPartitionError("stored bins are not finite and increasing; run 'mistique check'")
        return cls(KBit(bits), layout, edges, levels)

    def parameters(self) -> dict[str, Any]:
        """Return name and bits."""
        return {"name": "kbit", "bits": self.scheme.bits}

    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """Return ``edges`` and ``levels``."""
        return {"edges": self._edges, "levels": self._levels}

    def encode(self, values: npt.NDArray[Any]) -> Encoded:
        """Find the bin of each value; see the class."""
        block = self.layout.check(values, self.scheme.text())
        codes = np.empty(block.shape, np.uint8)
        if not block.size:
            return Encoded({"codes": codes}, 0.0)
        if not self._levels.size:
            raise InvalidInputError(f"{self.scheme.text()} was fitted to an empty sample; fit it to some rows")
        target, by_units = by_unit(codes), by_unit(block)
        scratch = BinScratch(self.dtype)
        norms = RowNorms.of(self.layout, block.shape[1], self._working)
        skipped = np.zeros(CODES, np.uint8)
        skipped[list(self._tail_codes)] = 1
        bounds: FiniteRange | None = None
        for units, positions, tile in tiles(by_units):
            found = finite_range(tile)
            bounds = found if bounds is None else bounds.join(found)
            _refuse_non_finite(self.scheme, found)
            if self.dtype == np.float16:
                np.copyto(target[units, positions], self._half_codes[tile.view(np.uint16)])
            elif block.size < _FEW_VALUES:
                np.copyto(target[units, positions], np.searchsorted(self._edges, tile), casting="unsafe")
            else:
                found_codes = self._bins.codes(tile, scratch)
                np.copyto(target[units, positions], found_codes)
                if norms is not None and norms.add_coded(positions, tile, found_codes, self._levels_of_all, skipped):
                    continue
            if norms is not None:
                coded = target[units, positions]
                levels = self._pairs.look_up(np.ascontiguousarray(coded))
                if self.dtype == np.float16:
                    errors = np.subtract(widen(tile), widen(levels))
                else:
                    errors = np.subtract(tile, levels, out=levels)
                if self._tail_codes:
                    np.copyto(errors, 0, where=self._in_tail(coded))
                norms.add(positions, errors)
        assert bounds is not None
        margins = self._margins(target, by_units, norms)
        return Encoded({"codes": codes}, self._bound(bounds), margins)

    @property
    def _working(self) -> np.dtype[Any]:
        return np.dtype(np.float64 if self.dtype == np.float64 else np.float32)

    @cached_property
    def _tail_codes(self) -> tuple[int, ...]:
        """Codes of the outer bins whose values are kept roughly.

        With fewer than eight bits they would be a fair share of the codes, and where a bin holds one value there is
        nothing to tell apart.
        """
        if self.scheme.bits != _TAIL_BITS or not self._edges.size:
            return ()
        with np.errstate(over="ignore", under="ignore"):
            above = np.nextafter(self._edges[-1], self.dtype.type(np.inf))
        first = (0,) if self._levels[0] < self._edges[0] else ()
        return (*first, self._levels.size - 1) if self._levels[-1] > above else first

    def _in_tail(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        if not self._tail_codes:
            return np.zeros(codes.shape, np.bool_)
        marked: npt.NDArray[np.bool_] = codes == self._tail_codes[0]
        for code in self._tail_codes[1:]:
            marked |= codes == code
        return marked

    def _places_in_tail(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        if kernels is None or not codes.flags.c_contiguous:
            return np.flatnonzero(self._in_tail(codes))
        places = np.empty(codes.size, np.int64)
        count = kernels.places_of(codes, self._tail_codes[0], self._tail_codes[-1], places)
        return places[:count].copy()

    def _margins(
        self, codes: npt.NDArray[Any], values: npt.NDArray[Any], norms: RowNorms | None
    ) -> dict[str, npt.NDArray[Any]]:
        margins: dict[str, npt.NDArray[Any]] = {}
        if self._tail_codes:
            places = [self._places_in_tail(unit) for unit in codes]
            tails = np.concatenate([values[unit][place] for unit, place in enumerate(places)])
            margins[TAILS] = upper_half(tails)
            if norms is not None:
                with np.errstate(over="ignore", under="ignore"):
                    errors = tails.astype(np.float64) - middle_of(margins[TAILS], self.dtype).astype(np.float64)
                    rows = np.concatenate(places) // self.layout.map_values
                    sums = np.bincount(rows, np.square(errors), codes.shape[1] // self.layout.map_values)
                    norms.add_rows(sums.astype(np.float64, copy=False))
        if norms is not None:
            margins[RADIUS] = norms.radius()
        return margins

    @cached_property
    def _bins(self) -> Bins:
        return Bins(self._edges)

    @cached_property
    def _half_codes(self) -> npt.NDArray[np.uint8]:
        """The code of every float16; NaN does not matter."""
        halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
        return np.searchsorted(self._edges.astype(np.float32), halves).astype(np.uint8)

    def _bound(self, bounds: FiniteRange) -> float:
        """Return the largest distance of a value between `bounds` and the level of its bin, rounded up."""
        first, last = np.searchsorted(self._edges, np.array([bounds.low, bounds.high], self.dtype))
        levels = self._levels[first : last + 1].astype(np.float64)
        with np.errstate(over="ignore", under="ignore"):
            above_edge = np.nextafter(self._edges[first:last], self.dtype.type(np.inf)).astype(np.float64)
            lowest = np.append(bounds.low, above_edge)
            highest = np.append(self._edges[first:last].astype(np.float64), bounds.high)
            error = float(np.maximum(highest - levels, levels - lowest).max())
        return math.nextafter(error, math.inf) if error > 0 else 0.0

    def bounds(
        self,
        parts: dict[str, npt.NDArray[Any]],
        rows: int,
        max_abs_error: float = math.inf,
        units: Sequence[int] | None = None,
    ) -> Bounds:
        """Return the ends of the bins; of the outer ones those of the kept halves, or `max_abs_error`."""
        chosen = np.arange(self.units) if units is None else np.asarray(units, np.intp)
        codes = part(parts, "codes", np.dtype(np.uint8), self.layout.shape(rows))
        around = within(self.decode(parts, rows)[chosen], max_abs_error)
        ends = np.full(CODES + 1, math.inf)
        ends[0] = -math.inf
        ends[1 : self._edges.size + 1] = self._edges
        low = np.maximum(around.low, ends[codes[chosen]])
        high = np.minimum(around.high, ends[codes[chosen].astype(np.intp) + 1])
        if TAILS in parts:
            masked, halves = self._tails(parts, codes)
            firsts = np.append(0, np.cumsum(np.count_nonzero(masked.reshape(self.units, -1), axis=1)))
            for place, unit in enumerate(chosen):
                ends_of_tails = ends_of(halves[firsts[unit] : firsts[unit + 1]], self.dtype)
                low[place][masked[unit]], high[place][masked[unit]] = ends_of_tails
        return Bounds(low, high)

    def near_values(self, parts: dict[str, npt.NDArray[Any]], rows: int) -> npt.NDArray[Any]:
        """Return the values of the bins, and of the outer ones the middles of the kept halves."""
        values = self.decode(parts, rows)
        if TAILS in parts:
            masked, halves = self._tails(parts, part(parts, "codes", np.dtype(np.uint8), self.layout.shape(rows)))
            values[masked] = middle_of(halves, self.dtype)
        return values

    def _tails(
        self, parts: dict[str, npt.NDArray[Any]], codes: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[Any]]:
        """Return which values are in outer bins, and their halves in C order."""
        masked = self._in_tail(codes)
        return masked, part(parts, TAILS, half_dtype(self.dtype), (int(np.count_nonzero(masked)),))

    def decode(self, parts: dict[str, npt.NDArray[Any]], rows: int) -> npt.NDArray[Any]:
        """Look the codes up."""
        codes = part(parts, "codes", np.dtype(np.uint8), self.layout.shape(rows))
        if codes.size and self._levels.size < CODES and int(codes.max()) >= self._levels.size:
            raise CorruptPartitionError(
                f"code {int(codes.max())} of a block has no bin, there are {self._levels.size}; run 'mistique check'"
            )
        return self._pairs.look_up(codes)
