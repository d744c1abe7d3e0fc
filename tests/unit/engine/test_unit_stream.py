"""Units that come row block by row block become the chunks that the whole array becomes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.engine.unit_columns import hash_group, hash_units
from mistique_core.engine.unit_stream import UnitCodec, sample_rows
from mistique_core.errors import InvalidInputError
from mistique_core.quantizers import parse_scheme


def assembled(codec: UnitCodec, values: np.ndarray[Any, Any], batch_rows: int, order: list[int]) -> Any:
    blocks = {}
    for number in order:
        start = number * batch_rows
        blocks[number] = codec.encode(start, values[start : start + batch_rows])
    chunks = [chunk for number in order for chunk in blocks[number].chunks]
    errors = [max(block.errors[group] for block in blocks.values()) for group in range(len(codec.fitted))]
    arrays = {address: array for block in blocks.values() for address, array in block.arrays.items()}
    return codec.columns(len(values), chunks, errors), {**arrays, **codec.tables().arrays}


@settings(deadline=None, max_examples=60)
@given(
    units=st.integers(1, 40),
    side=st.sampled_from([None, 1, 3, 8]),
    rows=st.integers(1, 61),
    batch_rows=st.sampled_from([1, 7, 20, 1000]),
    data=st.data(),
)
def test_lossless_blocks_are_the_whole(units: int, side: int | None, rows: int, batch_rows: int, data: Any) -> None:
    shape = (rows, units) if side is None else (rows, side, side, units)
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    codec = UnitCodec.fit(values[: rows // 2], None, batch_rows)
    order = data.draw(st.permutations(range(-(-rows // batch_rows))))
    columns, arrays = assembled(codec, values, batch_rows, list(order))
    whole = hash_units(values, None, batch_rows)
    assert columns == whole.versions
    assert codec.members == whole.members
    assert set(arrays) == set(whole.arrays)
    for address, array in arrays.items():
        np.testing.assert_array_equal(array, whole.arrays[address])


@pytest.mark.parametrize(
    "scheme", ["float16", "bounded(0.25)", "kbit(8)", "pool(2)+bounded(0.5)", "pool(S)", "threshold(90%)"]
)
def test_a_codec_that_was_stored_goes_on_as_before(scheme: str) -> None:
    values = np.random.default_rng(1).standard_normal((60, 6, 6, 20)).astype(np.float32)
    codec = UnitCodec.fit(values[::3], parse_scheme(scheme), 20)
    again = UnitCodec.from_bytes(codec.to_bytes())
    first, second = (assembled(item, values, 20, [0, 1, 2]) for item in (codec, again))
    assert first[0] == second[0]
    assert set(first[1]) == set(second[1])
    # The oracle: the same quantizers, used for each group as a whole.
    for group, column in enumerate(first[0]):
        fitted = codec.fitted[group]
        assert fitted is not None
        piece = np.moveaxis(values, -1, 0)[group * codec.groups.units : (group + 1) * codec.groups.units]

        class Same:
            """A scheme that is fitted already."""

            def fit(self, sample: Any, kept: Any = fitted) -> Any:
                return kept

        expected, _ = hash_group(piece, Same(), codec.groups.block_rows)  # type: ignore[arg-type]
        assert column == expected


def test_maps_that_were_pooled_before_are_stored_as_those_that_were_not() -> None:
    values = np.random.default_rng(2).integers(0, 4, (40, 4, 4, 17)).astype(np.float32)
    codec = UnitCodec.fit(values, parse_scheme("pool(2)+float16"), 20)
    pooled = values.reshape(40, 2, 2, 2, 2, 17).mean(axis=(2, 4))
    first, second = codec.encode(20, values[20:]), codec.encode(20, pooled[20:], pooling_error=0.0)
    assert first.chunks == second.chunks
    assert max(second.errors) <= max(first.errors)


def test_rows_must_begin_a_block() -> None:
    values = np.zeros((40, 4), np.float32)
    codec = UnitCodec.fit(values, None, 20)
    with pytest.raises(InvalidInputError, match="row 10 does not begin a row block of 20 rows"):
        codec.encode(10, values[10:])


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 400))
def test_a_sample_comes_from_all_over(rows: int, most: int) -> None:
    found = sample_rows(rows, most)
    assert len(found) == min(rows, most)
    assert len(np.unique(found)) == len(found)
    assert (found[0], found[-1]) == (0, rows - 1) or len(found) == 1
    assert (np.diff(found) > 0).all()
