"""Fifteen stages that keep the rows and change few columns each."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from benchmarks.zillow_stages import MEDIAN_FOR_NONE, SCALED, run_stages
from mistique_core.workflows.zillow import properties

ROWS = 20_000


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    return dict(run_stages(properties(ROWS)))


def changed(before: pd.DataFrame, after: pd.DataFrame) -> set[str]:
    return {name for name in after if name not in before or not after[name].equals(before[name])}


def test_there_are_fifteen_stages_of_about_58_columns(frames):
    assert len(frames) == 15
    assert all(45 <= frame.shape[1] <= 65 for frame in frames.values())


def test_every_stage_keeps_the_rows(frames):
    for name, frame in frames.items():
        assert frame.index.name == "row_id", name
        assert frame.index.equals(pd.RangeIndex(ROWS)), name


def test_most_columns_pass_untouched(frames):
    stages = list(frames)
    for before, after in pairwise(stages):
        assert 1 <= len(changed(frames[before], frames[after])) <= 11, after


def test_text_stays_objects_until_it_is_numbered(frames):
    assert {"object"} == set(frames["join"].dtypes[["propertyzoningdesc", "transactiondate"]].astype(str))
    assert frames["label_index"]["propertyzoningdesc"].dtype == np.int32


def test_filling_leaves_what_was_known(frames):
    before, after = frames["fill_zero"], frames["fill_median"]
    for name in MEDIAN_FOR_NONE:
        assert after[name].notna().all()
        pd.testing.assert_series_equal(after[name][before[name].notna()], before[name].dropna())


def test_scaling_standardizes(frames):
    scaled = frames["scale"][list(SCALED)]
    np.testing.assert_allclose(scaled.mean(), 0, atol=1e-9)
    np.testing.assert_allclose(scaled.std(), 1)


def test_the_join_matches_sales_by_parcel(frames):
    joined = frames["join"]
    assert joined["logerror"].notna().mean() == pytest.approx(0.03, abs=0.01)
    assert joined["logerror"].notna().equals(joined["transactiondate"].notna())


def test_predictions_differ_from_home_to_home_and_from_model_to_model(frames):
    last = frames["combine"]
    for name in ("prediction_a", "prediction_b", "prediction"):
        assert last[name].dtype == np.float32
        assert last[name].nunique() > 0.9 * ROWS
    assert not last["prediction_a"].equals(last["prediction_b"])


def test_stages_are_the_same_every_time(frames):
    for name, frame in run_stages(properties(ROWS)):
        pd.testing.assert_frame_equal(frame, frames[name])
