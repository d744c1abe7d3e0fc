"""Chunks come back as they were, and damaged ones never come back as something else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mistique_core.dedup import chunk_hash
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import decode_chunk, encode_chunk
from mistique_core.partition.encoding import ENCODINGS

RANDOM = np.random.default_rng(3)
SAMPLES = {
    "raw": RANDOM.integers(0, 256, 64).astype("u1"),
    "zstd": np.array([5, 200, 7, 90] * 400, "u1"),
    "shuffle": (np.arange(600) * 0.37).round(2),
}


@settings(deadline=None, max_examples=80)
@given(
    hnp.arrays(
        st.sampled_from(["u1", "i2", "f4", "f8", "i8"]),
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=40),
        elements=st.just(1) | st.integers(0, 100),
    ),
    st.sampled_from([1, 3, 19]),
)
def test_round_trip(array: np.ndarray, level: int) -> None:
    """Bytes, dtype and shape, at any level; never larger than the array."""
    chunk = encode_chunk(chunk_hash(array), array, level)
    back = decode_chunk(chunk.payload, chunk.encoding, chunk.dtype, chunk.shape)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert chunk.raw_bytes == array.nbytes
    assert len(chunk.payload) <= array.nbytes


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_encoding_wins_where_it_should(encoding: str) -> None:
    """Noise stays raw, repeated bytes are packed, rounded numbers are packed by planes."""
    assert encode_chunk(bytes(32), SAMPLES[encoding], 3).encoding == encoding


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_truncated_chunk_is_refused(encoding: str) -> None:
    """Every length short of the whole fails."""
    chunk = encode_chunk(bytes(32), SAMPLES[encoding], 3)
    for length in range(0, len(chunk.payload), 7):
        with pytest.raises(CorruptPartitionError):
            decode_chunk(chunk.payload[:length], chunk.encoding, chunk.dtype, chunk.shape)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_fails_or_shows(encoding: str, mask: int) -> None:
    """A damaged payload is refused, or decodes to something of another address or to the very same."""
    array = SAMPLES[encoding]
    chunk = encode_chunk(chunk_hash(array), array, 3)
    for position in range(len(chunk.payload)):
        damaged = bytearray(chunk.payload)
        damaged[position] ^= mask
        try:
            back = decode_chunk(bytes(damaged), chunk.encoding, chunk.dtype, chunk.shape)
        except CorruptPartitionError:
            continue
        assert (chunk_hash(back) == chunk.address) is (back.tobytes() == array.tobytes())
