"""Row ids: taken from where the user said, never guessed for a derived frame."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.errors import InvalidInputError
from mistique_core.frames import RowIndex, check_row_id, split_row_id

PLAIN = pd.DataFrame({"a": [1.0, 2.0, 3.0]})


def split(frame: pd.DataFrame, row_id: object = None, *, derived: bool = False) -> tuple[list[int], list[str]]:
    """Return the ids and the names of the columns that stay."""
    ids, rest = split_row_id(frame, row_id, derived=derived, what="frame 'f'")
    assert ids.dtype == np.int64
    return ids.tolist(), list(rest.columns)


def test_a_source_frame_is_numbered() -> None:
    """Only a source frame with the default index gets numbers."""
    assert split(PLAIN) == (list(range(len(PLAIN))), ["a"])


def test_a_named_index_is_the_row_id() -> None:
    """Also for a derived frame, in its own order."""
    frame = PLAIN.set_axis(pd.Index([30, 10, 20], name="row_id"))
    assert split(frame, derived=True) == ([30, 10, 20], ["a"])


def test_a_column_named_row_id_is_taken_out() -> None:
    """The column row_id identifies the rows and is no data."""
    assert split(PLAIN.assign(row_id=[3, 1, 2]), derived=True) == ([3, 1, 2], ["a"])


def test_another_column_is_kept_as_data() -> None:
    """A user's own identifier stays a column."""
    assert split(PLAIN.assign(key=[3, 1, 2]), "key") == ([3, 1, 2], ["a", "key"])


def test_the_same_ids_twice_are_kept() -> None:
    """A column row_id that says what the named one says contradicts nothing."""
    assert split(PLAIN.assign(key=[3, 1, 2], row_id=[3, 1, 2]), "key") == ([3, 1, 2], ["a", "key", "row_id"])


def test_an_array_of_ids() -> None:
    """One integer a row, of any integer dtype."""
    assert split(PLAIN, np.array([5, 6, 7], "u2"), derived=True) == ([5, 6, 7], ["a"])


REFUSED = {
    "derived without ids": (PLAIN, None, True),
    "filtered source": (PLAIN.iloc[1:], None, False),
    "named otherwise": (PLAIN.rename_axis("id"), None, False),
    "shuffled": (PLAIN.iloc[[2, 0, 1]], None, False),
    "duplicates": (PLAIN, [1, 1, 2], False),
    "floats": (PLAIN, [1.0, 2.0, 3.0], False),
    "strings": (PLAIN, ["a", "b", "c"], False),
    "booleans": (PLAIN, [True, False, True], False),
    "ragged": (PLAIN, [[1], [2, 3], [4]], False),
    "two dimensions": (PLAIN, [[1], [2], [3]], False),
    "too few": (PLAIN, [1, 2], False),
    "too large": (PLAIN, np.array([1, 2, 2**63], "u8"), False),
    "missing id": (PLAIN.assign(row_id=pd.array([1, None, 2], "Int64")), None, False),
    "unknown column": (PLAIN, "key", False),
    "row_id asked for but absent": (PLAIN, "row_id", False),
    "repeated index": (PLAIN.set_axis(pd.Index([1, 1, 2], name="row_id")), None, False),
    "multiindex rows": (PLAIN.set_axis(pd.MultiIndex.from_product([[1], [1, 2, 3]])), None, False),
    "a column of other ids": (PLAIN.assign(key=[1, 2, 3], row_id=[3, 2, 1]), "key", False),
    "an array and other ids": (PLAIN.assign(row_id=[3, 2, 1]), [1, 2, 3], False),
    "duplicate columns": (pd.concat([PLAIN, PLAIN], axis=1), None, False),
    "multiindex columns": (pd.concat({"x": PLAIN}, axis=1), None, False),
    "numbered columns": (pd.DataFrame(np.ones((2, 2))), None, False),
    "empty name": (PLAIN.rename(columns={"a": ""}), None, False),
    "star": (PLAIN.rename(columns={"a": "*"}), None, False),
    "unwritable name": (PLAIN.set_axis(pd.Index(["\ud800"], dtype=object), axis=1), None, False),
    "nul in name": (PLAIN.rename(columns={"a": "a\0b"}), None, False),
    "series": (PLAIN["a"], None, False),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """Each refusal names what is logged, in one line."""
    frame, row_id, derived = REFUSED[case]
    with pytest.raises(InvalidInputError, match="frame 'f'") as caught:
        split(frame, row_id, derived=derived)
    assert "\n" not in str(caught.value)


def test_the_number_of_repeats_is_shown() -> None:
    """The message names the repeated id and how often it occurs."""
    with pytest.raises(InvalidInputError, match="7 occurs 3 times"):
        check_row_id([7, 1, 7, 2, 7], "x")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-20, 20), unique=True), st.lists(st.integers(-25, 25)), st.booleans())
def test_positions_agree_with_a_dictionary(ids: list[int], wanted: list[int], ordered: bool) -> None:
    """Sorted or not, each wanted id is found where it stands."""
    ids = sorted(ids) if ordered else ids
    positions, found = RowIndex(np.array(ids, "i8")).find(np.array(wanted, "i8"))
    oracle = {item: place for place, item in enumerate(ids)}
    assert found.tolist() == [item in oracle for item in wanted]
    assert positions.tolist() == [oracle.get(item, 0) for item in wanted]
