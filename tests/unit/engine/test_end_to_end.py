"""The blocks of a column, read into one array: the same values, and never those of another read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.engine.block_reader import end_to_end
from mistique_core.frames import LogicalType, join_blocks
from mistique_core.partition.location import ChunkLocation


def chunk(dtype: str, *shape: int) -> StoredChunk:
    """Return a chunk of which nothing but its place is asked."""
    return StoredChunk(1, "x.h5", ChunkLocation(bytes(32), dtype, shape, "pages", None, ()))


def test_parts_lie_one_after_the_other() -> None:
    """Parts of all blocks get one array each; the last block may be shorter."""
    requests = end_to_end([{"values": chunk("<f8", rows), "missing": chunk("|u1", rows)} for rows in (4, 4, 3)])
    blocks = [dict(request.out) for request in requests]
    for number, block in enumerate(blocks):
        block["values"][:] = number
        block["missing"][:] = number
    joined = join_blocks(LogicalType("nullable", "Float64"), blocks)
    assert joined.parts["values"].tolist() == [0.0] * 4 + [1.0] * 4 + [2.0] * 3
    assert joined.parts["missing"].tolist() == [0] * 4 + [1] * 4 + [2] * 3
    assert joined.parts["values"] is blocks[0]["values"].base


@pytest.mark.parametrize(
    "blocks",
    [
        [{"values": chunk("<f8", 4)}, {}],
        [{"values": chunk("<f8", 4)}, {"values": chunk("<f4", 4)}],
        [{"values": chunk("<f8", 4, 2)}, {"values": chunk("<f8", 4, 2)}],
        [{"values": chunk("<f8", 2**60)}, {"values": chunk("<f8", 2**60)}],
        [{"values": chunk("<f8", 0)}],
        [],
    ],
)
def test_no_place_for_what_has_no_common_one(blocks: list[dict[str, StoredChunk]]) -> None:
    """Such parts get arrays of their own; a damaged size allocates nothing."""
    assert [dict(request.out) for request in end_to_end(blocks)] == [{} for _ in blocks]


@pytest.mark.parametrize("order", [[1, 0], [0, 0], [0]])
def test_slices_in_another_order_are_put_end_to_end(order: list[int]) -> None:
    """Only slices that fill their array in order stand for it."""
    whole = np.arange(6.0)
    slices = [whole[:3], whole[3:]]
    blocks = [{"values": slices[number], "more": whole[:3]} for number in [*order, 1]]
    joined = join_blocks(LogicalType("numeric", "<f8"), blocks)
    expected = np.concatenate([slices[number] for number in [*order, 1]])
    assert joined.parts["values"].tolist() == expected.tolist()


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20])
def test_answers_are_the_callers_own(tmp_path: Path, cache_bytes: int) -> None:
    """Writing into one answer changes no other, with the cache and without."""
    frame = pd.DataFrame({"a": np.arange(150_000) / 4, "b": np.arange(150_000) % 3, "t": ["x", None, "zz"] * 50_000})
    with Mistique.open(tmp_path, cache_bytes=cache_bytes) as store:
        store.log_frame("p", "m", "x", frame)
        first = store.get_intermediates("p.m.x", strategy="read").to_pandas()
        pd.testing.assert_frame_equal(first, frame, check_names=False)
        first.loc[:, "a"] = -1.0
        first.loc[:, "b"] = -1
        again = store.get_intermediates("p.m.x", strategy="read").to_pandas()
        pd.testing.assert_frame_equal(again, frame, check_names=False)
