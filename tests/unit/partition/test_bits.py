"""Small codes, several to a byte."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mistique_core.partition import encode_chunk
from mistique_core.partition.bits import code_bits, pack_bits, unpack_bits

RANDOM = np.random.default_rng(8)


@given(st.data(), st.sampled_from([1, 2, 4]), st.integers(0, 70))
def test_round_trip(data: st.DataObject, bits: int, size: int) -> None:
    """Any codes, any length; the filling is zero."""
    codes = data.draw(hnp.arrays("u1", size, elements=st.integers(0, 2**bits - 1)))
    packed = pack_bits(codes, bits)
    assert packed.size == -(-size * bits // 8)
    back = unpack_bits(packed, bits)
    assert back[:size].tolist() == codes.tolist()
    assert not back[size:].any()


@given(hnp.arrays("u1", st.integers(0, 70), elements=st.integers(0, 1)))
def test_flags_are_packed_as_numpy_does(codes: np.ndarray) -> None:
    """The lowest bit is the first flag."""
    assert pack_bits(codes, 1).tolist() == np.packbits(codes, bitorder="little").tolist()


def test_the_codes_stay_as_they_were() -> None:
    """Packing writes into no array of the caller."""
    codes = np.ones(64, "u1")
    pack_bits(codes, 1)
    assert codes.tolist() == [1] * 64


@pytest.mark.parametrize(
    ("codes", "bits"),
    [
        (np.zeros(3, "u1"), 1), (np.array([1], "u1"), 1), (np.array([0, 2], "u1"), 2), (np.array([3], "u1"), 2),
        (np.array([4], "u1"), 4), (np.array([15], "u1"), 4), (np.array([16], "u1"), 8), (np.zeros((2, 2), "u1"), 8),
        (np.zeros(2, "u2"), 8), (np.zeros(2, "i1"), 8), (np.empty(0, "u1"), 1),
    ],
)  # fmt: skip
def test_as_few_bits_as_the_largest_needs(codes: np.ndarray, bits: int) -> None:
    """Only unsigned bytes of one dimension are packed."""
    assert code_bits(codes) == bits


@pytest.mark.parametrize(("values", "share"), [(2, 0.05), (2, 0.5), (3, 0.2), (4, 0.5), (12, 0.4)])
def test_flags_and_categories_take_less_than_bytes(values: int, share: float) -> None:
    """Less than an entropy code of bytes, which spends a bit on each at least."""
    codes = np.where(RANDOM.random(65_536) < share, RANDOM.integers(1, values, 65_536), 0).astype("u1")
    counts = np.bincount(codes)
    shares = counts[counts > 0] / codes.size
    entropy = float(-(shares * np.log2(shares)).sum())
    stored = encode_chunk(bytes(32), codes, 3).stored_bytes
    assert stored < codes.size / 8 * (1.12 * entropy + 0.13)
