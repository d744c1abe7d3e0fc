"""After how many queries a re-run is stored, against gamma itself, asked query by query."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mistique_core.materialization import queries_needed, queries_until_kept

seconds = st.floats(0, 100, allow_nan=False)


@given(st.integers(0, 60), st.floats(0.001, 10), st.floats(0, 10), st.floats(1, 1e10), st.integers(1, 500))
def test_the_foreseen_query_is_the_first_that_passes(
    asked: int, rerun: float, read: float, stored_bytes: float, tenth_seconds: int
) -> None:
    """The oracle divides saved seconds by gigabytes after each query, as thesis Eq. 5.5 is written."""
    threshold = tenth_seconds / 10
    needed = queries_needed(rerun, read, stored_bytes, threshold)
    passes = [
        count
        for count in range(1, 200)
        if (rerun - read) > 0 and (rerun - read) * count / (stored_bytes / 1e9) >= threshold
    ]
    if rerun <= read:
        assert needed is None
        assert queries_until_kept(needed, asked) is None
    elif passes:
        assert needed == passes[0]
        more = queries_until_kept(needed, asked)
        assert more == max(1, passes[0] - asked)
    else:
        assert needed is not None
        assert needed >= 200


def test_what_costs_nothing_is_kept_at_once() -> None:
    assert queries_needed(1.0, 0.1, 0, 1e9) == 1
    assert queries_needed(1.0, 0.1, 1e9, 0.0) == 1


def test_the_thesis_threshold() -> None:
    """0.5 s per KB: a re-run of 2 s that saves 1.9 s needs 264 queries to pay for 1 MB (500 s)."""
    assert queries_needed(2.0, 0.1, 1e6, 0.5 * 1e6) == 264
    assert queries_until_kept(264, 260) == 4
    assert queries_until_kept(264, 400) == 1
