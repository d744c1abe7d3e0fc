"""Learned facts that are plain JSON come back equal, with equal bytes."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.fitted import dump_fitted, load_fitted

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=()))
)
VALUES = st.recursive(SCALARS, lambda item: st.lists(item, max_size=4) | st.dictionaries(st.text(), item, max_size=4))


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_round_trip(value: dict[str, object]) -> None:
    """Values, their types and the order of keys."""
    form, data = dump_fitted(value)
    back = load_fitted(form, data)
    assert form == "json"
    assert repr(back) == repr(value)
    assert dump_fitted(back) == (form, data)


def test_numbers_that_json_lacks() -> None:
    """NaN and the infinities are thresholds too."""
    back = load_fitted(*dump_fitted({"a": math.nan, "b": [math.inf, -math.inf]}))
    assert math.isnan(back["a"])
    assert back["b"] == [math.inf, -math.inf]
