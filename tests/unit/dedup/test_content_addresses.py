"""Content addresses: equal content has one address, any difference another."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mistique_core.dedup import bytes_hash, chunk_hash, column_hash, frame_hash, json_hash

ARRAYS = hnp.arrays(
    st.sampled_from(["u1", "i4", "f8"]), hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=4)
)


@settings(deadline=None, max_examples=80)
@given(ARRAYS, ARRAYS)
def test_equal_addresses_mean_equal_arrays(first: np.ndarray, second: np.ndarray) -> None:
    """Dtype, shape and bytes are all that counts."""
    same = first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()
    assert (chunk_hash(first) == chunk_hash(second)) is same
    assert chunk_hash(first.copy()) == chunk_hash(first)


def test_the_same_bytes_as_another_dtype_or_shape() -> None:
    """Reinterpreted bytes are other content."""
    array = np.arange(8, dtype="i8")
    views = [array, array.view("u8"), array.view("f8"), array.reshape(2, 4), array.reshape(8, 1), array.view("u1")]
    assert len({chunk_hash(view) for view in views}) == len(views)
    empties = [np.empty(0, "f8"), np.empty(0, "i8"), np.empty((0, 2), "i8")]
    assert len({chunk_hash(array) for array in empties}) == len(empties)


def test_every_fact_of_a_column_counts() -> None:
    """Type, length, block size, order and place of chunks, and categories."""
    a, b = bytes(32), bytes([1] * 32)
    variants = [
        ("t", 4, 2, [("values", 0, a), ("values", 1, b)], None),
        ("u", 4, 2, [("values", 0, a), ("values", 1, b)], None),
        ("t", 3, 2, [("values", 0, a), ("values", 1, b)], None),
        ("t", 4, 3, [("values", 0, a), ("values", 1, b)], None),
        ("t", 4, 2, [("values", 0, b), ("values", 1, a)], None),
        ("t", 4, 2, [("values", 0, a), ("missing", 1, b)], None),
        ("t", 4, 2, [("values", 0, a)], None),
        ("t", 4, 2, [("values", 0, a), ("values", 1, b)], a),
    ]
    assert len({column_hash(*variant) for variant in variants}) == len(variants)


def test_every_fact_of_a_frame_counts() -> None:
    """Row ids, names, their boundaries and their order."""
    a, b = bytes(32), bytes([1] * 32)
    variants = [
        (a, [("x", a), ("y", b)]),
        (b, [("x", a), ("y", b)]),
        (a, [("y", b), ("x", a)]),
        (a, [("x", b), ("y", a)]),
        (a, [("x", a)]),
        (a, []),
    ]
    assert len({frame_hash(*variant) for variant in variants}) == len(variants)


def test_json_addresses_ignore_the_order_of_keys_only() -> None:
    """A document is the same document however it was built."""
    assert json_hash({"a": 1, "b": [1, 2]}) == json_hash({"b": [1, 2], "a": 1})
    variants = [{"a": 1}, {"a": 1.5}, {"a": "1"}, {"a": True}, {"a": None}, {"a": [1]}, {"b": 1}, {"a": [2, 1]}]
    assert len({json_hash(item) for item in variants}) == len(variants)
    assert bytes_hash(b"a") != bytes_hash(b"b")
