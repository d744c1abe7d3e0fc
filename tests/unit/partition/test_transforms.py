"""Whatever a transform is chosen, its inverse gives back the same bits, without a warning."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.errors import CorruptPartitionError
from mistique_core.partition.choice import choose_transform
from mistique_core.partition.transform import Transform, invert
from tests.unit.partition.chunk_values import FLOATS, MAKERS, SIZES, Make, columns

RANDOM = np.random.default_rng(11)


def assert_same_bits(back: np.ndarray, array: np.ndarray) -> None:
    """Fail unless dtype, shape and every bit are equal."""
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


@settings(deadline=None, max_examples=600)
@given(columns())
def test_round_trip(array: np.ndarray) -> None:
    """Every dtype and kind of value; the codes are never wider than the values."""
    made = choose_transform(array)
    assert made.codes.dtype.str == made.transform.dtype
    assert made.codes.dtype.itemsize <= array.dtype.itemsize
    assert_same_bits(invert(made.transform, made.codes, array.dtype, made.table), array)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_part_of_the_codes_inverts(data: st.DataObject) -> None:
    """Rows in any order, several times or not at all."""
    array = data.draw(columns(sizes=SIZES[1:]))
    rows = np.array(data.draw(st.lists(st.integers(0, array.size - 1), max_size=40)), np.intp)
    made = choose_transform(array)
    assert_same_bits(invert(made.transform, made.codes[rows], array.dtype, made.table), array[rows])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_floats_of_every_kind(make: Make, dtype: str) -> None:
    """The same for many arrays of every kind, so that no kind depends on what hypothesis draws."""
    for seed in range(12):
        array = make(np.random.default_rng(seed), 2_000, np.dtype(dtype))
        made = choose_transform(array)
        assert_same_bits(invert(made.transform, made.codes, array.dtype, made.table), array)


def test_whole_numbers_at_both_ends_of_what_floats_hold_exactly() -> None:
    """Their differences are larger than a float64 holds, so they cannot be codes."""
    steps = np.arange(400)
    array = np.where(steps % 2, -(2.0**53 - 1) + steps, 2.0**53 - 1 - steps)
    made = choose_transform(array)
    assert_same_bits(invert(made.transform, made.codes, array.dtype, made.table), array)


@pytest.mark.parametrize("span", [254, 255, 256, 65_534, 65_535, 65_536])
@pytest.mark.parametrize("others", [0, 1, 2, 3])
@pytest.mark.parametrize("base", [0.0, 2.0**53 - 70_000])
def test_codes_are_as_wide_as_the_largest_needs(span: int, others: int, base: float) -> None:
    """Ranges that just fit, with exceptions that just do not, also where floats end to be exact."""
    exceptions = np.array([np.nan, np.inf, -np.inf])[:others]
    array = np.concatenate(
        [base + np.arange(span + 1.0)[:: max(1, span // 300)], [base + span], exceptions, [base] * 64]
    )
    made = choose_transform(array)
    assert_same_bits(invert(made.transform, made.codes, array.dtype, made.table), array)
    assert made.transform.kind == "decimal"
    assert (
        np.iinfo(made.codes.dtype).max
        >= span + others
        > np.iinfo(made.codes.dtype).max >> (8 * made.codes.itemsize // 2)
    )


CENTS = (np.arange(3_000) * 7919 % 100_003) / 100
CHOICES = {
    "cents": (CENTS, "decimal", "<u4"),
    "cents as float32": (CENTS.astype("<f4"), "decimal", "<u4"),
    "whole numbers": (np.arange(3_000.0), "decimal", "<u2"),
    "cents with NaN": (np.where(np.arange(3_000) % 9, CENTS, np.nan), "decimal", "<u4"),
    "cents with a median": (np.where(np.arange(3_000) % 9, CENTS, 1 / 3), "decimal", "<u4"),
    "full precision": (RANDOM.normal(size=3_000), "plain", "<f8"),
    "float32 finer than any scale": (RANDOM.normal(1e5, 1e3, 3_000).astype("<f4"), "plain", "<f4"),
    "float16": (RANDOM.normal(size=65_536).astype("<f2"), "plain", "<f2"),
    "few floats": (RANDOM.choice(RANDOM.normal(size=20), 3_000), "dictionary", "|u1"),
    "few integers": (RANDOM.choice(RANDOM.integers(0, 2**60, 300), 9_000), "dictionary", "<u2"),
    "scaled pixels": (RANDOM.integers(0, 256, (3, 30, 8, 8)).astype("<f4") / 255 - 0.5, "dictionary", "|u1"),
    "more levels than a byte": (RANDOM.integers(0, 300, (3, 30, 8, 8)).astype("<f4"), "plain", "<f4"),
    "a dead unit": (np.zeros((3, 30, 8, 8), "<f4"), "sparse", "|u1"),
    "ids": (10_000_000 + RANDOM.integers(0, 60_000, 3_000), "offset", "<u2"),
    "negative ids": (-(10**12) - np.arange(3_000), "offset", "<u2"),
    "any integers": (RANDOM.integers(-(2**62), 2**62, 3_000), "plain", "<i8"),
    "bytes": (RANDOM.integers(0, 5, 3_000).astype("u1"), "plain", "|u1"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_each_transform_wins_where_it_should(name: str) -> None:
    """Which one, and how wide its codes are."""
    array, kind, dtype = CHOICES[name]
    made = choose_transform(array)
    assert (made.transform.kind, made.transform.dtype) == (kind, dtype)


@given(st.integers(0, 6), st.integers(1, 50))
def test_every_scale_is_found(digits: int, step: int) -> None:
    """Decimals of up to six digits after the point, and five digits are six."""
    made = choose_transform(np.round(np.arange(1, 400) * step / 10**digits, digits))
    assert made.transform.kind == "decimal"
    assert made.transform.scale in (1, 10, 100, 1_000, 10_000, 1_000_000)
    assert made.transform.scale <= 10 ** (digits if digits != 5 else 6)


@settings(max_examples=200)
@given(columns(sizes=(0, 64, 300)))
def test_json_round_trip(array: np.ndarray) -> None:
    """What the catalogue and the file keep of a transform is all of it."""
    item = choose_transform(array).transform
    assert Transform.from_json(item.to_json()) == item


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "3", '"plain"', "{}", '{"kind":"plain"}', '{"kind":"magic","dtype":"|u1"}',
        '{"kind":["plain"],"dtype":"|u1"}', '{"kind":"plain","dtype":"banana"}', '{"kind":"plain","dtype":3}',
        '{"kind":"plain","dtype":"|O"}', '{"kind":"plain","dtype":">u4"}', '{"kind":"plain","dtype":"<u4","more":1}',
        '{"kind":"offset","dtype":"|u1","base":"1"}', '{"kind":"offset","dtype":"|u1","base":1.5}',
        '{"kind":"offset","dtype":"<f8","base":1}', '{"kind":"dictionary","dtype":"<f8"}',
        '{"kind":"decimal","dtype":"|u1","scale":0}', '{"kind":"decimal","dtype":"|u1","scale":"10"}',
        '{"kind":"decimal","dtype":"|u1","top":300,"exceptions":[1]}', '{"kind":"decimal","dtype":"|u1","top":-1}',
        '{"kind":"decimal","dtype":"|u1","top":3,"exceptions":[-1]}',
        '{"kind":"decimal","dtype":"|u1","top":3,"exceptions":["1"]}',
        '{"kind":"decimal","dtype":"|u1","top":3,"exceptions":3}',
        '{"kind":"delta","dtype":"<u8"}', '{"kind":"delta","dtype":"<u8","delta":"zz"}',
        '{"kind":"delta","dtype":"<u8","delta":7}', '{"kind":"plain","dtype":"|u1","base":' + "9" * 5000 + "}",
        '{"kind":"plain","dtype":"<u4","bits":2}', '{"kind":"plain","dtype":"|u1","bits":3}',
        '{"kind":"plain","dtype":"|u1","bits":"1"}', '{"kind":"plain","dtype":"|u1","bits":0}',
        '{"kind":"digits","dtype":"|u1","bits":2}', '{"kind":"plain","dtype":"|u1","bits":true}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:60],
)  # fmt: skip
def test_damaged_json_is_refused(text: str) -> None:
    """Only what :meth:`Transform.to_json` can return is read."""
    with pytest.raises(CorruptPartitionError):
        Transform.from_json(text)


def test_codes_without_a_meaning_are_refused() -> None:
    """A code beyond the table, or beyond the exceptions."""
    with pytest.raises(CorruptPartitionError):
        invert(Transform("dictionary", "|u1"), np.array([0, 3], "u1"), "<f8", np.array([1.5, 2.5, 3.5]))
    with pytest.raises(CorruptPartitionError):
        invert(Transform("dictionary", "|u1"), np.array([0], "u1"), "<f8", None)
    item = Transform("decimal", "|u1", top=5, exceptions=(7,))
    with pytest.raises(CorruptPartitionError):
        invert(item, np.array([4, 6], "u1"), "<f8")
