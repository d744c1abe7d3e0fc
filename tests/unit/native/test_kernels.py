"""The compiled loops give, bit for bit, what NumPy gives; where they were not built, these tests are skipped."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mistique_core.dedup import decimals
from mistique_core.engine import stored_array
from mistique_core.frames import text
from mistique_core.native import kernels
from mistique_core.partition import decimal_codes, digits, factorize, sparse
from mistique_core.partition.choice import choose_transform
from mistique_core.partition.transform import UNSIGNED, invert
from mistique_core.quantizers import bins
from mistique_core.quantizers.row_norms import RowNorms
from mistique_core.quantizers.value_layout import ValueLayout

pytestmark = pytest.mark.skipif(kernels is None, reason="the kernels were not built (no C compiler)")

SCALES = (1, 10, 100, 1_000, 10_000, 1_000_000)
FLOATS = st.sampled_from(["<f4", "<f8"])


def without_kernels(module, function, *arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "kernels", None)
        return function(*arguments)


def specials(dtype):
    """Values at which arithmetic on floats changes its ways, as bit patterns and as numbers."""
    width = np.dtype(dtype).itemsize
    numbers = [0.0, -0.0, 0.5, 1.5, 2.5, -0.5, 1e-320, 1e300, -1e300, np.inf, -np.inf, np.nan, 2.0**52, 2.0**53,
               2.0**51 + 0.5, -(2.0**53), 4503599627370495.5, 16777217.0, 0.1, 12.34, -12.34, 1e15 / 3]  # fmt: skip
    with np.errstate(over="ignore"):
        values = np.array(numbers, "<f8").astype(dtype)
    payloads = np.array([1, 3, (1 << (8 * width)) - 1], UNSIGNED[width]).view(dtype)
    return np.concatenate([values, payloads])


@st.composite
def columns(draw):
    """Decimals of one scale with any other values between them, sometimes none, sometimes only those."""
    dtype = np.dtype(draw(FLOATS))
    scale = draw(st.sampled_from(SCALES))
    whole = draw(arrays.arrays(np.int64, st.integers(1, 200), elements=st.integers(-(1 << 40), 1 << 40)))
    column = (whole / scale).astype(dtype)
    others = specials(dtype)
    places = draw(arrays.arrays(np.int64, len(column), elements=st.integers(0, 4 * len(others))))
    pool = draw(st.integers(1, len(others)))
    hit = places < len(others)
    column[hit] = others[places[hit] % pool]
    return np.tile(column, draw(st.sampled_from([1, 13]))), scale


@given(columns())
@example((np.repeat(np.array([np.nan, -0.0, 7.25]), 5_000), 100))
@example((np.arange(3_000, dtype="<f4") / np.float32(10), 10))
@example((np.full(100, np.nan), 1))
@example((np.arange(1_000) * np.pi, 1))
def test_decimals_are_those_of_numpy(case):
    column, scale = case
    ours = decimal_codes.scan_decimals(column, scale)
    theirs = without_kernels(decimal_codes, decimal_codes.scan_decimals, column, scale)
    assert (ours is None) == (theirs is None)
    if ours is None or theirs is None:
        return
    assert (ours.low, ours.high, ours.patterns) == (theirs.low, theirs.high, theirs.patterns)
    np.testing.assert_array_equal(ours.whole.view("u8"), theirs.whole.view("u8"))
    top = ours.high - ours.low + 1
    if top + 16 >= 1 << 52:
        return  # no codes are made of so wide a range
    for width, dtype in UNSIGNED.items():
        if top + 16 < 1 << (8 * width):
            codes = decimal_codes.narrow_decimals(column, ours, top, dtype)
            expected = without_kernels(decimal_codes, decimal_codes.narrow_decimals, column, theirs, top, dtype)
            np.testing.assert_array_equal(codes, expected)


@given(columns(), st.lists(st.sampled_from(SCALES), unique=True))
@example((np.concatenate([np.full(70, np.nan), np.arange(70) / 10]), 10), [1, 10])
@example((np.concatenate([np.arange(8) * np.pi, np.arange(99.0)]), 1), [1])
@example((np.concatenate([np.arange(9) * np.pi + 1, np.arange(99.0)]), 1), [1])
def test_the_scale_of_a_sample_is_that_of_numpy(case, scales):
    sample = case[0]
    ours = decimal_codes.scale_of_sample(sample, scales)
    assert ours == without_kernels(decimal_codes, decimal_codes.scale_of_sample, sample, scales)


@given(columns())
def test_a_chunk_gets_the_same_codes_and_comes_back(case):
    column = np.resize(case[0], max(len(case[0]), 100))
    ours = choose_transform(column)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decimal_codes, "kernels", None)
        patch.setattr(factorize, "kernels", None)
        theirs = choose_transform(column)
    assert ours.transform == theirs.transform
    assert ours.codes.dtype == theirs.codes.dtype
    assert ours.codes.tobytes() == theirs.codes.tobytes()
    assert (ours.table is None) == (theirs.table is None)
    if ours.table is not None and theirs.table is not None:
        assert ours.table.tobytes() == theirs.table.tobytes()
    assert invert(ours.transform, ours.codes, column.dtype, ours.table).tobytes() == column.tobytes()


@given(st.sampled_from(["<u4", "<u8"]), st.sampled_from(SCALES), st.data())
def test_decimals_change_places_as_in_numpy_and_back(dtype, scale, data):
    floats = dtype.replace("u", "f")
    random = data.draw(arrays.arrays(dtype, st.integers(0, 50)))
    small = data.draw(arrays.arrays(dtype.replace("u", "i"), st.integers(0, 50), elements=st.integers(-100, 100)))
    prices = (data.draw(arrays.arrays(np.int64, 20, elements=st.integers(-(1 << 51), 1 << 51))) / scale).astype(floats)
    words = np.concatenate([random, small.view(dtype), prices.view(dtype), specials(floats).view(dtype)])
    ours = decimals.swap_decimals(words, scale)
    np.testing.assert_array_equal(ours, without_kernels(decimals, decimals.swap_decimals, words, scale))
    np.testing.assert_array_equal(decimals.swap_decimals(ours, scale), words)


@given(st.sampled_from(["<u2", "<u4", "<u8"]), st.integers(1, 300), st.data())
def test_different_words_are_found_in_order_of_occurrence(dtype, different, data):
    pool = data.draw(arrays.arrays(dtype, different))
    words = pool[data.draw(arrays.arrays(np.int64, st.integers(1, 400), elements=st.integers(0, different - 1)))]
    most = data.draw(st.integers(1, 256))
    first = {}
    for word in words.tolist():
        first.setdefault(word, len(first))
    found = factorize.factorize_words(words, most)
    expected = without_kernels(factorize, factorize.factorize_words, words, most)
    assert (found is None) == (expected is None) == (len(first) > most)
    if found is not None and expected is not None:
        assert found[1].tolist() == expected[1].tolist() == list(first)
        assert found[0].tolist() == expected[0].tolist() == [first[word] for word in words.tolist()]


def test_as_many_words_as_a_table_may_have():
    words = np.random.default_rng(5).permutation(np.arange(8_192, dtype="<u8") << 40)
    positions, found = factorize.factorize_words(words, 8_192)
    np.testing.assert_array_equal(found[positions], words)
    assert factorize.factorize_words(np.append(words, np.uint64(1)), 8_192) is None


@given(st.lists(st.binary(max_size=6), min_size=1, max_size=20), st.data())
def test_strings_are_put_end_to_end(strings, data):
    codes = data.draw(arrays.arrays(np.intp, st.integers(0, 50), elements=st.integers(0, len(strings) - 1)))
    content = np.frombuffer(b"".join(strings), np.uint8)
    lengths = np.array([len(item) for item in strings], np.int32)
    expected = b"".join(strings[code] for code in codes)
    assert text._expand(content, lengths, codes).tobytes() == expected
    assert without_kernels(text, text._expand, content, lengths, codes).tobytes() == expected


def test_what_does_not_fit_is_refused_before_anything_is_written():
    eight, four = np.zeros(8), np.zeros(4)
    with pytest.raises(ValueError, match="as many"):
        kernels.decimal_scan(eight, 8, 1.0, four)
    with pytest.raises(ValueError, match="decimal_sample"):
        kernels.decimal_sample(eight, 3, eight, 64, 8)
    with pytest.raises(ValueError, match="decimal_sample"):
        kernels.decimal_sample(eight, 8, eight, 64, 17)
    with pytest.raises(ValueError, match="decimal_codes"):
        kernels.decimal_codes(eight, 8, eight, 0.0, 1.0, np.zeros(0, "u8"), np.zeros(8, "u2"), 4)
    with pytest.raises(ValueError, match="as many"):
        kernels.swap_decimals(eight, 8, 1.0, 1 << 50, four)
    with pytest.raises(ValueError, match="as many"):
        kernels.factorize(eight, 8, np.zeros(4, "u2"), eight)
    with pytest.raises(ValueError, match="room"):
        kernels.gather(np.zeros(4, "u1"), np.array([2, 4]), np.array([0, 2]), np.zeros(4, "u1"))
    frozen = np.zeros(8)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        kernels.decimal_scan(eight, 8, 1.0, frozen)


def test_they_can_be_switched_off():
    code = "from mistique_core.native import kernels; raise SystemExit(kernels is not None)"
    environment = {"MISTIQUE_KERNELS": "off", "PYTHONPATH": ":".join(filter(None, sys.path))}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


@given(
    st.integers(1, 40),
    st.integers(0, 200),
    st.sampled_from(["<u1", "<f2", "<f4", "<f8"]),
)
def test_units_side_by_side(units, values, dtype):
    words = np.random.default_rng(units).integers(0, 256, (units, values * np.dtype(dtype).itemsize), np.uint8)
    pieces = [row.view(dtype).reshape(-1, 1) for row in words]
    made = stored_array.units_last(pieces)
    assert made.dtype == np.dtype(dtype)
    assert made.tobytes() == without_kernels(stored_array, stored_array.units_last, pieces).tobytes()
    assert made.tobytes() == np.stack(pieces, axis=-1).tobytes()


def test_units_of_other_sizes_are_refused():
    out = np.empty(8, np.uint8)
    for pieces, itemsize in (([out[:4], out[:2]], 1), ([out[:4]], 1), ([], 1), ([out], 3), ([out[:3]], 2)):
        with pytest.raises(ValueError, match="interleave"):
            kernels.interleave(pieces, itemsize, out)


@given(st.lists(st.sampled_from(["", "a", "b", "ab", "größer", "x" * 8, "x" * 9, "y" * 40]), min_size=1, max_size=60))
def test_distinct_strings(items: list[str]) -> None:
    """In order of occurrence; one more than there is room for is too many."""
    encoded = [item.encode() for item in items]
    text = np.frombuffer(b"#" + b"".join(encoded), np.uint8)
    ends = np.cumsum([1, *map(len, encoded)], dtype=np.int64)
    words = list(dict.fromkeys(items))
    codes = np.empty(len(items), np.int32)
    firsts = np.empty(len(words), np.int32)
    assert kernels.distinct(text, ends, firsts, codes) == len(words)
    assert codes.tolist() == [words.index(item) for item in items]
    assert firsts.tolist() == [items.index(word) for word in words]
    assert kernels.distinct(text, ends, firsts[1:], codes) == -1


def test_distinct_strings_that_lie_elsewhere() -> None:
    firsts, codes = np.empty(9, np.int32), np.empty(2, np.int32)
    text = np.zeros(4, np.uint8)
    for ends in ([0, 2, 5], [-1, 2, 4], [0, 3, 2], [1 << 62, 0, 1], [0, -(1 << 62), 4]):
        assert kernels.distinct(text, np.array(ends, np.int64), firsts, codes) == -1
    assert kernels.distinct(text[:0], np.zeros(1, np.int64), firsts, codes[:0]) == 0
    with pytest.raises(ValueError, match="distinct needs"):
        kernels.distinct(text, np.zeros(2, np.int64), firsts, codes)


@given(st.integers(0, 200), st.sampled_from(["<f2", "<f4", "<f8"]), st.floats(0, 1))
def test_zeros_and_the_rest(size, dtype, share):
    """Negative zeros and NaN are kept; what lies behind the values does not matter."""
    rng = np.random.default_rng(size)
    values = np.resize(np.append(specials(dtype), rng.normal(size=9).astype(dtype)), size)
    values[rng.random(size) < share] = 0
    packed, kept = sparse.split_zeros(values)
    expected = without_kernels(sparse, sparse.split_zeros, values)
    assert packed.tobytes() == expected[0].tobytes()
    assert kept.tobytes() == expected[1].tobytes()
    assert sparse.join_zeros(packed, kept, dtype, size).tobytes() == values.tobytes()


def test_zeros_in_buffers_of_other_sizes_are_refused():
    words = np.zeros(16, np.uint8)
    for itemsize, packed, kept in ((4, 1, 12), (4, 2, 16), (3, 1, 16), (8, 0, 16), (1, 2, 16)):
        with pytest.raises(ValueError, match="split_zeros"):
            kernels.split_zeros(words, itemsize, np.zeros(packed, np.uint8), np.zeros(kept, np.uint8))


@st.composite
def bins_and_values(draw):
    """Sorted edges, near each other or not, and values that are edges, lie next to them, or anywhere."""
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
    pool = draw(
        st.lists(numbers | st.sampled_from([1.0, 1.0000001, 1.0000002, 1.0000004, 1.5]), min_size=1, max_size=40)
    )
    edges = np.unique(np.abs(pool) if draw(st.booleans()) else np.array(pool)).astype(np.float32)
    edges = np.unique(edges + np.float32(0))
    with np.errstate(over="ignore", under="ignore"):
        beside = [np.nextafter(edges, np.float32(side)) for side in (np.inf, -np.inf)]
    around = np.concatenate([edges, *beside])
    others = np.array([0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38], np.float32)
    return edges, np.resize(np.concatenate([around, others]), draw(st.integers(1, 300)))


@given(bins_and_values())
@example(
    (np.arange(1, 256, dtype=np.float32) / np.float32(1 << 20), np.arange(600, dtype=np.float32) / np.float32(1 << 21))
)
def test_bins_of_numbers(drawn):
    edges, values = drawn
    scratch = bins.BinScratch(np.dtype(np.float32))
    found = bins.Bins(edges).codes(values, scratch).copy()
    expected = without_kernels(bins, bins.Bins(edges).codes, values, bins.BinScratch(np.dtype(np.float32)))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, np.searchsorted(edges, values))


@given(st.integers(1, 5), st.integers(1, 70), st.lists(st.integers(0, 255), max_size=2))
def test_squared_errors_are_added_unit_after_unit(units, positions, skipped):
    rng = np.random.default_rng(units * 100 + positions)
    codes = rng.integers(0, 256, (units, positions), dtype=np.uint8)
    levels = rng.normal(size=256).astype(np.float32)
    values = (levels[codes] + rng.normal(size=codes.shape) * 10.0 ** rng.integers(-30, 20, codes.shape)).astype("<f4")
    mask = np.zeros(256, np.uint8)
    mask[skipped] = 1
    layout = ValueLayout(128, (positions,), np.dtype(np.float32))
    found, expected = RowNorms(layout, 1, np.dtype(np.float32)), RowNorms(layout, 1, np.dtype(np.float32))
    for _ in range(2):
        assert found.add_coded(slice(0, positions), values, codes, levels, mask)
        with np.errstate(over="ignore"):
            errors = values - levels[codes]
        expected.add(slice(0, positions), np.where(mask[codes], np.float32(0), errors))
    assert found.radius().tobytes() == expected.radius().tobytes()
    assert found._sums.tobytes() == expected._sums.tobytes()


@given(st.integers(0, 300), st.integers(0, 255), st.integers(0, 255), st.floats(0, 0.3))
def test_places_of_two_bytes(size, first, second, share):
    rng = np.random.default_rng(size)
    codes = rng.integers(0, 256, size, dtype=np.uint8)
    codes[rng.random(size) < share] = first
    places = np.empty(size, np.int64)
    count = kernels.places_of(codes, first, second, places)
    np.testing.assert_array_equal(places[:count], np.flatnonzero((codes == first) | (codes == second)))


@given(st.integers(0, 200), st.floats(0.05, 1))
def test_digits_of_bytes(size, share):
    rng = np.random.default_rng(size)
    values = np.minimum(rng.geometric(share, size) - 1, 255).astype(np.uint8)
    values[rng.random(size) < 0.1] = rng.integers(0, 256)
    found, expected = digits.split_digits(values), without_kernels(digits, digits.split_digits, values)
    assert [item.tobytes() for item in found] == [item.tobytes() for item in expected]
    np.testing.assert_array_equal(digits.join_digits(*found, size), values)


def test_buffers_of_other_sizes_are_refused():
    floats, codes, words = np.zeros(8, np.float32), np.zeros(8, np.uint8), np.zeros(8, np.int64)
    table = np.zeros(256, np.float32), np.zeros(256, np.uint8)
    for call, arguments in (
        (kernels.bin_codes, (floats, codes, floats[:7], None, None, floats, codes, 16, 0, False)),
        (kernels.bin_codes, (floats, codes, floats, None, None, floats, codes[:7], 16, 0, False)),
        (kernels.bin_codes, (floats, codes, floats, None, None, floats, codes, 32, 0, False)),
        (kernels.bin_codes, (floats, codes, floats, floats[:1], None, floats, codes, 16, 0, True)),
        (kernels.bin_codes, (floats, codes[:0], floats[:0], None, None, floats, codes, 16, 0, True)),
        (kernels.add_errors, (floats, codes[:7], *table, floats)),
        (kernels.add_errors, (floats, codes, *table, floats[:3])),
        (kernels.add_errors, (floats, codes, *table, floats[:0])),
        (kernels.add_errors, (floats, codes, table[0][:9], table[1], floats)),
        (kernels.places_of, (codes, 1, 2, words[:7])),
        (kernels.split_digits, (codes, codes[:1], codes)),
        (kernels.split_digits, (codes, codes[:2], codes[:7])),
    ):
        with pytest.raises(ValueError, match="buffers of other sizes"):
            call(*arguments)
