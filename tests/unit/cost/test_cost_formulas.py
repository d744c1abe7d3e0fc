"""The formulas of thesis section 5.5."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mistique_core.cost import HostRates, Rate, StageCost, StoredPart, WantedRows, gamma, read_work, stage_seconds
from mistique_core.cost.stage_cost import ROWS_STEP_SECONDS

SECONDS = st.floats(0, 1e6)
TERMS = ("chunk", "stored", "decoded", "output")


@given(st.integers(0, 10**12), st.integers(0, 10**6), st.floats(1e-12, 1), st.floats(0, 1))
def test_reading_costs_its_bytes_and_its_chunks(stored: int, chunks: int, byte: float, each: float) -> None:
    """Eq. 5.4 with the seek apart."""
    rates = HostRates({"stored.kbit": Rate(byte), "chunk.kbit": Rate(each)})
    work = read_work([StoredPart("kbit", stored, chunks, 0, 0, 10, 10)])
    assert rates.seconds(work) == pytest.approx(stored * byte + chunks * each)


@given(
    st.integers(1, 500),
    st.integers(1, 100),
    st.sampled_from([None, 7]),
    st.sets(st.integers(0, 499), min_size=1, max_size=30),
)
def test_some_rows_touch_the_blocks_and_pages_that_hold_them(
    rows: int, block_rows: int, page_rows: int | None, places: set[int]
) -> None:
    """Counted one by one; where nobody knows the places, each row is taken to lie in a block of its own."""
    wanted = np.array(sorted(place for place in places if place < rows), np.int64)
    part = StoredPart("plain", 1.0, 1.0, 1.0, 1.0, rows, block_rows, page_rows)
    work = read_work([part], WantedRows(len(wanted), wanted))
    blocks = len({place // block_rows for place in wanted.tolist()}) / -(-rows // block_rows)
    assert work["chunk.plain"] == pytest.approx(blocks)
    assert work["output.plain"] == pytest.approx(len(wanted) / rows)
    if page_rows is None or page_rows >= block_rows:
        assert work["stored.plain"] == work["decoded.plain"] == pytest.approx(blocks)
    else:
        pages = len({place // page_rows for place in wanted.tolist()}) / -(-rows // page_rows)
        assert work["stored.plain"] == pytest.approx(min(blocks, pages))
    anywhere = read_work([part], WantedRows(len(wanted)))
    assert anywhere["chunk.plain"] == pytest.approx(min(1.0, len(wanted) / -(-rows // block_rows)))


@given(SECONDS, SECONDS)
def test_rerunning_adds_its_terms(transformer: float, execute: float) -> None:
    """Eq. 5.2, whose input is read apart; for some rows their share, and what a call costs."""
    cost = StageCost(transformer, execute, 10)
    assert stage_seconds(cost, HostRates(), None) == pytest.approx(transformer + execute)
    assert stage_seconds(cost, HostRates(), 5) == pytest.approx(transformer + execute / 2 + ROWS_STEP_SECONDS)
    assert stage_seconds(cost, HostRates(), None, loaded=True) == pytest.approx(execute)


def test_a_layer_is_called_batch_by_batch() -> None:
    """Eq. 5.3: 2,500 rows at most 1,000 at a time are three calls, at most 100 at a time 25."""
    cost = StageCost(0.5, 2.5 + 3 * 0.1, 2_500, 0.1, kind="layer")
    assert stage_seconds(cost, HostRates(), None) == pytest.approx(0.5 + 2.5 + 0.3)
    assert stage_seconds(cost, HostRates(), None, batch=100) == pytest.approx(0.5 + 2.5 + 2.5)
    assert stage_seconds(cost, HostRates(), 1, loaded=True) == pytest.approx(0.001 + 0.1)


@given(SECONDS, SECONDS, st.integers(0, 1000), st.integers(1, 10**12))
def test_gamma_is_seconds_saved_a_gigabyte(rerun: float, read: float, queries: int, stored: int) -> None:
    """Eq. 5.5, in decimal gigabytes; negative where reading is slower."""
    assert gamma(rerun, read, queries, stored) == pytest.approx((rerun - read) * queries / stored * 1e9)


def test_what_costs_no_bytes_is_worth_storing_only_if_it_helps() -> None:
    """A fully deduplicated intermediate."""
    assert gamma(2.0, 1.0, 1, 0) == math.inf
    assert gamma(1.0, 2.0, 1, 0) == 0.0
    assert gamma(2.0, 1.0, 0, 0) == 0.0
