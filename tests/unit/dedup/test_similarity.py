"""Signatures are datasketch's, for exactly the documented items, and measure what is similar."""

import subprocess
import sys
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.dedup.similarity import (
    PERMUTATIONS,
    SEED,
    is_available,
    item_hashes,
    jaccard,
    permutations,
    sampled_rows,
    signature,
    sketch,
    worth_trying,
)
from mistique_core.errors import InvalidInputError

datasketch = pytest.importorskip("datasketch", reason="the extra 'trad' is not installed")

DTYPES = ("<f2", "<f4", "<f8", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8")
MANTISSA = {2: 10, 4: 23, 8: 52}
FLOATS = [2156888, 201517, 50819, 635116]
INTEGERS = [2731543, 6759105, 1355355, 3417755]


def mix(value: int) -> int:
    """Return SplitMix64's output for the state `value`, in Python's integers."""
    value = (value + 0x9E3779B97F4A7C15) % 2**64
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
    return value ^ value >> 31


def item_hash(item: tuple[str, int, int, int, int]) -> int:
    """Return the hash of one item: dtype, length, dropped bits, row, kept bits."""
    dtype, length, dropped, row, bits = item
    salt = mix(ord(dtype[1]) * 2**56 + int(dtype[2]) * 2**48 + dropped * 2**40 + length)
    return mix((mix((row + salt) % 2**64) + bits) % 2**64) // 2**32


def items(array: np.ndarray) -> list[tuple[str, int, int, int, int]]:
    """Return a chunk's items from the documented rules, one value at a time."""
    width = array.dtype.itemsize
    rows = sampled_rows(len(array)).tolist()
    words = [int.from_bytes(array[row].tobytes(), "little") for row in rows]
    often = {word for word, times in Counter(words).items() if times > Fraction(len(words), 8)}
    kept = [(row, word) for row, word in zip(rows, words, strict=True) if word not in often]
    if len(kept) < 128:
        return []
    dropped = 0
    if array.dtype.kind == "f":
        sizes = sorted(word % 2 ** (8 * width - 1) for _, word in kept)
        low, high = sizes[len(sizes) // 10], sizes[9 * len(sizes) // 10]
        dropped = MANTISSA[width] - 1
        while dropped > 4 and high // 2**dropped - low // 2**dropped < 3:
            dropped -= 4
    return [(array.dtype.str, len(array), dropped, row, word // 2**dropped) for row, word in kept]


def chunk(dtype: str, rows: int, seed: int) -> np.ndarray:
    """Return a chunk of some shape of distribution: bits, wide, narrow, gappy, or of few values."""
    random = np.random.default_rng(seed)
    kind = seed % 5
    if kind == 0:
        return np.frombuffer(random.bytes(rows * np.dtype(dtype).itemsize), dtype)
    if kind == 1:
        values = random.normal(0, 30, rows)
    elif kind == 2:
        values = random.uniform(100, 103, rows)
    elif kind == 3:
        values = np.where(random.random(rows) < 0.4, 0, random.lognormal(2, 0.8, rows))
    else:
        values = random.integers(0, 20, rows).astype(float)
    return values.astype("<i8" if np.dtype(dtype).kind in "iu" else "<f8").astype(dtype)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(DTYPES), st.sampled_from([0, 1, 127, 128, 1000, 1024, 1025, 3001]), st.integers(0, 10**6))
def test_a_signature_is_the_minhash_of_the_documented_items(dtype: str, rows: int, seed: int) -> None:
    """datasketch, fed item by item through a hash in plain Python, ends with the same 64 values."""
    array = chunk(dtype, rows, seed)
    expected = items(array)
    values = signature(array)
    if not expected:
        assert values is None
        return
    peer = datasketch.MinHash(num_perm=PERMUTATIONS, seed=SEED, scheme="affine32", hashfunc=item_hash)
    for item in expected:
        peer.update(item)
    assert values is not None
    assert values.dtype == np.uint32
    assert sketch(values) == datasketch.LeanMinHash(peer)
    first = signature(array, 15)
    assert first is not None
    assert first.tolist() == values[:15].tolist()
    hashes = item_hashes(array)
    assert hashes is not None
    assert hashes.tolist() == [item_hash(item) for item in expected]


def test_the_permutations_are_those_of_datasketch() -> None:
    """Both parameters of all of them."""
    peer = datasketch.MinHash(num_perm=PERMUTATIONS, seed=SEED, scheme="affine32")
    assert np.array_equal(np.array(permutations()), peer.permutations)


def test_the_stored_format_does_not_change() -> None:
    """Keys in a catalogue stay findable: these values were recorded with the first version."""
    floats = signature(np.sqrt(np.arange(5000, dtype="<f8")) - 20)
    integers = signature(np.arange(5000, dtype="<i4") ** 2 % 4999)
    assert floats is not None
    assert integers is not None
    assert floats[:4].tolist() == FLOATS
    assert integers[:4].tolist() == INTEGERS


@pytest.mark.parametrize("changed", [0.0, 0.03, 0.2, 0.4, 0.7, 1.0])
def test_jaccard_estimates_the_common_share(changed: float) -> None:
    """Within four standard errors of the true similarity of the sets of items."""
    random = np.random.default_rng(11)
    first = random.integers(0, 2**40, 65_536)
    second = np.where(random.random(65_536) < changed, random.integers(0, 2**40, 65_536), first)
    a, b = set(items(first)), set(items(second))
    true = len(a & b) / len(a | b)
    one, other = signature(first), signature(second)
    assert one is not None
    assert other is not None
    assert abs(jaccard(one, other) - true) <= 4 * (true * (1 - true) / PERMUTATIONS) ** 0.5


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Return the estimated similarity; 0 where one has no signature."""
    a, b = signature(first), signature(second)
    return 0.0 if a is None or b is None else jaccard(a, b)


def test_similar_columns_are_similar_and_others_are_not() -> None:
    """Filled gaps, some new rows, a little noise; against shuffled rows, other lengths and dtypes, common zeros."""
    random = np.random.default_rng(2)
    column = random.lognormal(12, 0.7, 60_000)
    gappy = np.where(random.random(60_000) < 0.4, 0.0, column)
    assert similarity(gappy, np.where(gappy == 0, 250_000.0, gappy)) > 0.95
    assert similarity(column, np.where(random.random(60_000) < 0.03, 1.5 * column, column)) > 0.8
    assert similarity(column, column * (1 + 1e-3 * random.normal(size=60_000))) > 0.9
    assert similarity(column, random.permutation(column)) < 0.35
    assert similarity(gappy, np.where(random.random(60_000) < 0.4, 0.0, random.permutation(column))) < 0.35
    assert similarity(column, column[:-1]) < 0.2
    assert similarity(column, column.astype("<f4")) < 0.2


@pytest.mark.parametrize("spread", [(34.3e6, 34.6e6), (1950, 2010), (0.52, 0.61), (-118.4, -118.1)])
def test_narrow_columns_are_told_apart(spread: tuple[float, float]) -> None:
    """Values that agree in their first bits say nothing; copies with a few new rows still agree."""
    random = np.random.default_rng(8)
    column, other = random.uniform(*spread, (2, 65_536))
    assert similarity(column, other) < 0.3
    assert similarity(column, np.where(random.random(65_536) < 0.05, other, column)) > 0.7


def test_special_floats_are_items_like_others() -> None:
    """Signs of zero, infinities and NaN differ; NaN payloads beyond the kept bits do not."""
    column = np.random.default_rng(4).lognormal(1, 2, 4096)
    marked = column.copy()

    def with_(value: float) -> np.ndarray:
        marked[sampled_rows(4096)[::10]] = value
        return marked.copy()

    variants = [with_(value) for value in (0.0, -0.0, np.inf, -np.inf, np.nan)]
    payload = marked.view("<u8").copy()
    payload[np.isnan(marked)] += 7
    sets = [set(items(variant)) for variant in variants]
    assert len({frozenset(found) for found in sets}) == len(variants)
    assert all(signature(variant) is not None for variant in variants)
    assert np.array_equal(signature(variants[-1]), signature(payload.view("<f8")))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 200_000))
def test_sampled_rows_cover_the_chunk(rows: int) -> None:
    """Ascending, without doubles, inside the chunk, and never two stretches apart."""
    sample = sampled_rows(rows)
    assert len(sample) == min(rows, 1024)
    assert (np.diff(sample) > 0).all()
    assert not len(sample) or (sample[0] >= 0 and sample[-1] < rows)
    assert (np.diff(sample) <= 2 * (rows // 1024 + 1)).all()


def test_what_has_no_signature() -> None:
    """Few rows or few values give none; other shapes and types are refused."""
    assert signature(np.arange(127)) is None
    assert signature(np.repeat(np.arange(6), 100)) is None
    for refused in (np.zeros((200, 2)), np.zeros(200, complex), np.zeros(200, ">f8"), np.zeros(200, "M8[s]")):
        with pytest.raises(InvalidInputError):
            signature(refused)


def test_what_is_worth_trying() -> None:
    """Both thresholds are inclusive; shape and dtype must have deltas."""
    assert worth_trying(np.zeros(40_000), 30_000)
    assert not worth_trying(np.zeros(40_000), 29_999)
    assert worth_trying(np.zeros(10_000, "<f4"), 16_384)
    assert not worth_trying(np.zeros(10_000, "<f4"), 16_383)
    assert not worth_trying(np.zeros((10_000, 2)), 160_000)
    assert not worth_trying(np.zeros(10_000, complex), 160_000)
    assert not worth_trying(np.zeros(127), 16_384)


def test_without_datasketch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs it says so; signatures do not need it."""
    values = signature(np.arange(5000))
    assert values is not None
    assert is_available()
    monkeypatch.setitem(sys.modules, "datasketch", None)
    assert not is_available()
    with pytest.raises(InvalidInputError, match="mistique-airflow\\[trad\\]"):
        jaccard(values, values)
    assert np.array_equal(signature(np.arange(5000)), values)


def test_writing_does_not_import_datasketch() -> None:
    """A process that only writes never pays for SciPy."""
    code = (
        "import sys, numpy as np\n"
        "from mistique_core.dedup import bands, similarity\n"
        "assert similarity.is_available() and len(bands.band_keys(similarity.signature(np.arange(5000)))) == 5\n"
        "print(sorted({'datasketch', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
