"""Content-defined chunks cover the bytes, follow the content, and are counted once."""

import numpy as np
import pytest

from benchmarks import block_dedup
from benchmarks.block_dedup import AVERAGE_BYTES, LEAST_BYTES, MOST_BYTES, WINDOW_BYTES, BlockStore, cuts

DATA = np.random.default_rng(1).bytes(6_000_000)


def test_window_hashes_are_those_of_a_rolling_gear_hash():
    data = np.frombuffer(DATA[:500], np.uint8)
    rolling, expected = 0, []
    for byte in data.tolist():
        rolling = ((rolling << 1) + int(block_dedup._GEAR[byte])) % 2**32
        expected.append(rolling)
    # Until the window is full the two agree as well: both start from nothing.
    assert block_dedup._window_hashes(data).tolist() == expected
    assert WINDOW_BYTES == 32


def test_chunks_cover_everything_within_their_bounds():
    pieces = list(cuts(DATA))
    assert [start for start, _ in pieces] == [0, *[stop for _, stop in pieces[:-1]]]
    assert pieces[-1][1] == len(DATA)
    sizes = [stop - start for start, stop in pieces]
    assert all(LEAST_BYTES <= size <= MOST_BYTES for size in sizes[:-1])
    assert np.mean(sizes) == pytest.approx(AVERAGE_BYTES, rel=0.25)


@pytest.mark.parametrize("data", [b"", b"x", b"x" * LEAST_BYTES])
def test_short_data_is_one_chunk_or_none(data):
    assert list(cuts(data)) == ([(0, len(data))] if data else [])


def test_equal_files_count_once():
    store = BlockStore()
    assert store.add(DATA) == len(DATA)
    assert store.add(DATA) == 0
    assert (store.unique_bytes, store.total_bytes) == (len(DATA), 2 * len(DATA))


def test_an_insertion_changes_the_chunks_around_it_only():
    store = BlockStore()
    store.add(DATA)
    assert store.add(DATA[:3_000_000] + b"inserted" + DATA[3_000_000:]) <= 4 * MOST_BYTES
    assert store.add(b"before" + DATA) <= 4 * MOST_BYTES
