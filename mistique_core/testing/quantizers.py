"""The contract that every quantizer keeps, as a test class to inherit from."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.quantizers import Centres, Encoded, FittedQuantizer, Quantizer, load_quantizer, parse_scheme
from mistique_core.quantizers.row_norms import LEAST_VALUES

DTYPES = ("float16", "float32", "float64")
LONG_VALUES = 150_001
"""Values of a unit that no encoder handles in one piece."""

_EXAMPLES = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)
_SHAPES = st.tuples(st.integers(0, 3), st.integers(0, 5))


def hard_values(dtype: str, *, nan: bool = True, infinity: bool = True) -> st.SearchStrategy[float]:
    """Return a strategy of numbers that quantizers get wrong: huge, tiny, of either zero, at the limits of a dtype."""
    limits = np.finfo(dtype)
    special = [0.0, -0.0, 1.0, float(limits.max), float(limits.min), float(limits.tiny), -float(limits.tiny)]
    special += [float(limits.smallest_subnormal), -float(limits.smallest_subnormal)]
    special += [math.nan] * nan + [math.inf, -math.inf] * infinity
    width: Any = limits.bits
    return st.sampled_from(special) | st.floats(width=width, allow_nan=nan, allow_infinity=infinity)


@st.composite
def hard_blocks(
    draw: st.DrawFn, dtype: str, shape: tuple[int, ...], *, nan: bool = True, infinity: bool = True
) -> npt.NDArray[Any]:
    """Return an array of few different hard values, constant, all equal but one, or anything."""
    elements = hard_values(dtype, nan=nan, infinity=infinity)
    few = st.sampled_from(draw(st.lists(elements, min_size=1, max_size=4)))
    values = draw(hnp.arrays(dtype, shape, elements=draw(st.sampled_from([few, elements])), fill=few))
    if draw(st.booleans()):
        values[...] = draw(few)
        if values.size and draw(st.booleans()):
            values.flat[draw(st.integers(0, values.size - 1))] = draw(elements)
    return values


class QuantizerContract:
    """Inherit from it and set ``scheme``, or override :meth:`quantizer`.

    Attributes
    ----------
    scheme
        Text of the scheme.
    map_shape
        Shape of one value in the tests.
    long_values
        Values of a unit in the tests of long blocks.
    holds_nan, holds_infinity
        Whether the scheme stores them; otherwise it has to refuse them.

    Examples
    --------
    >>> class TestMine(QuantizerContract):                                    # doctest: +SKIP
    ...     scheme = "bounded(0.25)"
    """

    scheme: str
    map_shape: tuple[int, ...] = ()
    long_values = LONG_VALUES
    holds_nan = True
    holds_infinity = True

    def quantizer(self) -> Quantizer:
        """Return the scheme under test."""
        found = parse_scheme(self.scheme)
        assert found is not None
        return found

    def meaning(self, fitted: FittedQuantizer, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what decoded values stand for: the values, in float64, unless the scheme summarises them."""
        return values.astype(np.float64)

    def refuses(self, fitted: FittedQuantizer, values: npt.NDArray[Any]) -> bool:
        """Whether the scheme cannot store a block."""
        has_nan, has_infinity = bool(np.isnan(values).any()), bool(np.isinf(values).any())
        return (has_nan and not self.holds_nan) or (has_infinity and not self.holds_infinity)

    # ------------------------------------------------------------ helpers

    def _ordinary(self, rows: int, dtype: str = "float32", units: int = 3) -> npt.NDArray[Any]:
        """Return values of ordinary units: normal, never negative, never varying."""
        random = np.random.default_rng(rows)
        values = random.normal(size=(units, rows, *self.map_shape)).astype(dtype)
        values[1:2] = np.maximum(values[1:2], 0)
        values[2:3] = 0
        return values

    def _ordinary_block(self, rows: int, dtype: str = "float32") -> tuple[FittedQuantizer, npt.NDArray[Any], Encoded]:
        values = self._ordinary(rows, dtype)
        fitted = self.quantizer().fit(values)
        return fitted, values, fitted.encode(values)

    def _check(self, fitted: FittedQuantizer, values: npt.NDArray[Any], encoded: Encoded) -> npt.NDArray[Any]:
        """Check shape, dtype and error of a decoded block, and return it."""
        decoded = fitted.decode(encoded.parts, values.shape[1])
        assert decoded.shape == (fitted.units, values.shape[1], *fitted.decoded_map_shape)
        assert decoded.dtype == fitted.decoded_dtype
        assert decoded.flags.c_contiguous
        meaning = self.meaning(fitted, values)
        if decoded.dtype == np.bool_:
            assert encoded.max_abs_error == 0.0
            np.testing.assert_array_equal(decoded, meaning)
            return decoded
        finite = np.isfinite(meaning)
        np.testing.assert_array_equal(decoded[~finite], meaning[~finite])
        with np.errstate(over="ignore"):
            errors = np.abs(decoded[finite].astype(np.float64) - meaning[finite])
        assert not math.isnan(encoded.max_abs_error)
        assert encoded.max_abs_error >= 0
        assert errors.max(initial=0.0) <= encoded.max_abs_error
        return decoded

    @staticmethod
    def _same_parts(one: Mapping[str, npt.NDArray[Any]], other: Mapping[str, npt.NDArray[Any]]) -> None:
        assert one.keys() == other.keys()
        for name, part in one.items():
            assert part.dtype == other[name].dtype
            assert part.shape == other[name].shape
            assert part.tobytes() == other[name].tobytes()

    # ------------------------------------------------------------ the scheme

    def test_text_is_canonical(self) -> None:
        """The text of a scheme reads as the same scheme, in any case."""
        quantizer = self.quantizer()
        for text in (quantizer.text(), quantizer.text().upper(), f"  {quantizer.text()} "):
            assert parse_scheme(text) == quantizer
        assert parse_scheme(quantizer) is quantizer

    def test_config_is_json(self) -> None:
        """Document and tables are all that is needed to decode, and to encode the next block to the same bytes."""
        for dtype in DTYPES:
            fitted, values, encoded = self._ordinary_block(50, dtype)
            document = json.loads(json.dumps(fitted.config()))
            loaded = load_quantizer(document, {name: table.reshape(-1) for name, table in fitted.tables().items()})
            assert loaded.config() == fitted.config() == document
            assert loaded.scheme == fitted.scheme == self.quantizer()
            assert (loaded.units, loaded.map_shape, loaded.dtype) == (3, self.map_shape, values.dtype)
            assert loaded.summary == fitted.summary
            self._same_parts(loaded.tables(), fitted.tables())
            self._same_parts(loaded.encode(values).parts, encoded.parts)
            assert loaded.decode(encoded.parts, 50).tobytes() == fitted.decode(encoded.parts, 50).tobytes()

    def test_unknown_documents_are_refused(self) -> None:
        """Another version, or a scheme of a later release, is an error and not a guess."""
        fitted, _, _ = self._ordinary_block(5)
        for change in ({"version": 2}, {"version": None}, {"name": "kbits"}, {"name": None}):
            with pytest.raises(InvalidInputError):
                load_quantizer({**fitted.config(), **change}, fitted.tables())

    def test_damaged_documents_are_refused(self) -> None:
        """Sizes, dtypes and tables are not believed."""
        fitted, _, _ = self._ordinary_block(5)
        for change in (
            {"units": -1},
            {"units": True},
            {"units": "3"},
            {"map_shape": None},
            {"map_shape": [1.5]},
            {"dtype": "int64"},
            {"dtype": None},
        ):
            with pytest.raises(CorruptPartitionError):
                load_quantizer({**fitted.config(), **change}, fitted.tables())
        for name, table in fitted.tables().items():
            for damaged in (table[:-1], np.append(table, table), table.astype(np.int16), table * np.nan, None):
                tables: dict[str, Any] = {**fitted.tables(), name: damaged}
                with pytest.raises(CorruptPartitionError):
                    load_quantizer(fitted.config(), tables)
            with pytest.raises(CorruptPartitionError):
                load_quantizer(fitted.config(), {key: other for key, other in fitted.tables().items() if key != name})

    # ------------------------------------------------------------ values

    @_EXAMPLES
    @given(data=st.data())
    def test_errors_are_within_the_bound(self, data: st.DataObject) -> None:
        """Whatever the values, they come back within the stated error, or they are refused."""
        dtype = data.draw(st.sampled_from(DTYPES))
        units, rows = data.draw(_SHAPES)
        shape = (units, rows, *self.map_shape)
        sample = data.draw(hard_blocks(dtype, shape, nan=False, infinity=False))
        fitted = self.quantizer().fit(sample)
        values = sample
        if sample.size:
            values = data.draw(st.just(sample) | hard_blocks(dtype, (units, data.draw(st.integers(0, 5)), *shape[2:])))
        before = values.tobytes()
        if self.refuses(fitted, values):
            with pytest.raises(InvalidInputError):
                fitted.encode(values)
            return
        encoded = fitted.encode(values)
        assert values.tobytes() == before
        self._check(fitted, values, encoded)

    @_EXAMPLES
    @given(data=st.data())
    def test_bounds_hold(self, data: st.DataObject) -> None:
        """Whatever the values, they lie within their bounds and near their centres, with margins and without."""
        dtype = data.draw(st.sampled_from(DTYPES))
        wide = -(-LEAST_VALUES // math.prod(self.map_shape))
        units, rows = data.draw(st.sampled_from([1, 2, wide])), data.draw(st.integers(0, 3))
        shape = (units, rows, *self.map_shape)
        fitted = self.quantizer().fit(data.draw(hard_blocks(dtype, shape, nan=False, infinity=False)))
        values = data.draw(hard_blocks(dtype, shape, nan=self.holds_nan, infinity=self.holds_infinity))
        if (rows and not fitted.tables().get("levels", fitted.tables().get("limits", values)).size) or self.refuses(
            fitted, values
        ):
            return
        encoded = fitted.encode(values)
        everything = {**encoded.parts, **encoded.margins}
        if fitted.decoded_dtype == np.bool_:
            with pytest.raises(InvalidInputError, match="rerun"):
                fitted.bounds(everything, rows)
            return
        meaning = self.meaning(fitted, values)
        for parts, error in itertools.product((encoded.parts, everything), (encoded.max_abs_error, math.inf)):
            low, high = fitted.bounds(parts, rows, error)
            assert low.shape == high.shape == meaning.shape
            assert low.dtype == high.dtype == np.float64
            missing = np.isnan(meaning)
            np.testing.assert_array_equal(np.isnan(low), missing)
            np.testing.assert_array_equal(np.isnan(high), missing)
            assert (low[~missing] <= meaning[~missing]).all()
            assert (meaning[~missing] <= high[~missing]).all()
            some = fitted.bounds(parts, rows, error, [units - 1])
            np.testing.assert_array_equal(some.low, low[-1:])
            np.testing.assert_array_equal(some.high, high[-1:])
            self._check_centres(fitted.centres(parts, rows, error), meaning)

    @staticmethod
    def _check_centres(centres: Centres, meaning: npt.NDArray[Any]) -> None:
        finite = np.isfinite(meaning)
        np.testing.assert_array_equal(centres.values[~finite], meaning[~finite])
        for row, radius in enumerate(centres.radius.tolist()):
            assert radius >= 0
            chosen = finite[:, row]
            pairs = zip(centres.values[:, row][chosen].tolist(), meaning[:, row][chosen].tolist(), strict=True)
            square = sum((Fraction(value) - Fraction(other)) ** 2 for value, other in pairs)
            assert math.isinf(radius) or square <= Fraction(radius) ** 2

    def test_ordinary_wide_rows_are_near_their_centres(self) -> None:
        """The radius of wide rows is not only right but near the truth, unless it was not kept."""
        units = -(-LEAST_VALUES // math.prod(self.map_shape))
        values = self._ordinary(40, units=units)
        fitted = self.quantizer().fit(values)
        encoded = fitted.encode(values)
        if "radius" not in encoded.margins:
            return
        centres = fitted.centres({**encoded.parts, **encoded.margins}, 40, encoded.max_abs_error)
        errors = centres.values.astype(np.float64) - self.meaning(fitted, values)
        norms = np.sqrt(np.square(errors).sum(axis=(0, *range(2, errors.ndim))))
        assert (norms <= centres.radius).all()
        assert (centres.radius <= norms * 1.01).all()

    @_EXAMPLES
    @given(data=st.data())
    def test_one_row_at_a_time(self, data: st.DataObject) -> None:
        """A value comes back the same whatever the block around it."""
        dtype = data.draw(st.sampled_from(DTYPES))
        shape = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4)), *self.map_shape)
        values = data.draw(hard_blocks(dtype, shape, nan=False, infinity=False))
        fitted = self.quantizer().fit(values)
        if self.refuses(fitted, values):
            return
        whole = fitted.decode(fitted.encode(values).parts, shape[1])
        rows = [fitted.decode(fitted.encode(values[:, row : row + 1]).parts, 1) for row in range(shape[1])]
        assert np.concatenate(rows, axis=1).tobytes() == whole.tobytes()

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_long_blocks(self, dtype: str) -> None:
        """Blocks of many pieces keep the bound, and come back as their parts would."""
        rows = self.long_values // math.prod(self.map_shape)
        fitted, values, encoded = self._ordinary_block(rows, dtype)
        decoded = self._check(fitted, values, encoded)
        for first in (0, rows // 2, rows - 20):
            few = slice(first, first + 20)
            again = fitted.decode(fitted.encode(values[:, few]).parts, 20)
            assert again.tobytes() == np.ascontiguousarray(decoded[:, few]).tobytes()

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_memory_layout_does_not_matter(self, dtype: str) -> None:
        """Fit and encoding see values, not their order in memory."""
        rows = 2 * self.long_values // math.prod(self.map_shape) // LEAST_VALUES
        values = self._ordinary(rows, dtype, units=LEAST_VALUES)
        fitted = self.quantizer().fit(values)
        expected = fitted.encode(values)
        side_by_side = np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 0, -1)), -1, 0)
        backwards = np.ascontiguousarray(values[:, ::-1])[:, ::-1]
        spread = np.zeros((*values.shape[:-1], 2 * values.shape[-1]), dtype)
        spread[..., ::2] = values
        reversed_axes = np.asfortranarray(values)
        swapped = values.astype(values.dtype.newbyteorder())
        for other in (side_by_side, backwards, spread[..., ::2], reversed_axes, swapped):
            again = self.quantizer().fit(other)
            self._same_parts(again.tables(), fitted.tables())
            encoded = again.encode(other)
            self._same_parts(encoded.parts, expected.parts)
            self._same_parts(encoded.margins, expected.margins)
            assert encoded.max_abs_error == expected.max_abs_error

    def test_parts_can_be_stored(self) -> None:
        """Parts and tables have short names, and are plain little-endian C arrays that do not change later."""
        for dtype in DTYPES:
            fitted, values, encoded = self._ordinary_block(40, dtype)
            for name, array in (*encoded.parts.items(), *encoded.margins.items(), *fitted.tables().items()):
                assert 1 <= len(name) <= 8
                assert array.flags.c_contiguous
                assert array.dtype.kind in "biuf"
                assert array.dtype.newbyteorder("<") == array.dtype
                assert not np.shares_memory(array, values)
            assert not any(table.flags.writeable for table in fitted.tables().values())

    def test_parts_come_back_flat_and_read_only(self) -> None:
        """Storage hands out bytes at any address, without a shape."""
        fitted, _, encoded = self._ordinary_block(41)
        stored = {
            name: np.frombuffer(b"x" + part.tobytes(), part.dtype, offset=1) for name, part in encoded.parts.items()
        }
        assert fitted.decode(stored, 41).tobytes() == fitted.decode(encoded.parts, 41).tobytes()

    def test_damaged_parts_are_refused(self) -> None:
        """Parts that are missing, cut, or of another block are never decoded to something."""
        fitted, _, encoded = self._ordinary_block(41)
        for name, part in encoded.parts.items():
            flat = part.reshape(-1)
            changed = [np.append(flat, flat[:1]), flat.astype(np.complex64)]
            changed += [flat[:-1]] if flat.size else []
            for damaged in changed:
                if damaged.size != flat.size or damaged.dtype != flat.dtype:
                    with pytest.raises(CorruptPartitionError):
                        fitted.decode({**encoded.parts, name: damaged}, 41)
            with pytest.raises(CorruptPartitionError):
                fitted.decode({key: other for key, other in encoded.parts.items() if key != name}, 41)
        with pytest.raises(CorruptPartitionError):
            fitted.decode(encoded.parts, 1000)

    def test_damaged_margins_are_refused(self) -> None:
        """Margins that are cut or of another block bound nothing."""
        fitted = self.quantizer().fit(self._ordinary(41, units=LEAST_VALUES))
        encoded = fitted.encode(self._ordinary(41, units=LEAST_VALUES))
        for name, margin in encoded.margins.items():
            for damaged in (np.append(margin, margin[:1]), margin.astype(np.complex64), margin[:-1]):
                if damaged.size != margin.size or damaged.dtype != margin.dtype:
                    with pytest.raises(CorruptPartitionError):
                        fitted.centres({**encoded.parts, **encoded.margins, name: damaged}, 41)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)], ids=str)
    def test_empty_blocks(self, dtype: str, shape: tuple[int, int]) -> None:
        """No rows and no units can be fitted, stored, loaded and read."""
        values = np.empty((*shape, *self.map_shape), dtype)
        fitted = self.quantizer().fit(values)
        encoded = fitted.encode(values)
        assert encoded.max_abs_error == 0.0
        loaded = load_quantizer(fitted.config(), fitted.tables())
        assert loaded.decode(encoded.parts, shape[1]).shape == (*shape, *fitted.decoded_map_shape)
        if shape[0]:
            filled = self.quantizer().fit(self._ordinary(10, dtype, units=2))
            assert filled.decode(filled.encode(values).parts, 0).shape == (2, 0, *filled.decoded_map_shape)

    # ------------------------------------------------------------ refused

    @pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "complex64", "datetime64[s]", "U3", "O"])
    def test_other_dtypes_are_refused(self, dtype: str) -> None:
        """Nothing but floating-point numbers is rounded."""
        with pytest.raises(InvalidInputError, match="lossless"):
            self.quantizer().fit(np.zeros((1, 4, *self.map_shape), dtype))
        fitted, _, _ = self._ordinary_block(4)
        with pytest.raises(InvalidInputError, match="lossless"):
            fitted.encode(np.zeros((3, 4, *self.map_shape), dtype))

    def test_other_layouts_are_refused(self) -> None:
        """A block of other units, maps or dtype was not what was fitted."""
        fitted, values, _ = self._ordinary_block(4)
        others: list[Any] = [values[:2], values[..., None], values.astype(np.float64), np.float32(1), values.tolist()]
        for other in others:
            with pytest.raises(InvalidInputError):
                fitted.encode(other)
        wrong: list[Any] = [values.reshape(-1), np.float32(1), values.tolist(), None]
        for other in wrong:
            with pytest.raises(InvalidInputError):
                self.quantizer().fit(other)
