"""Neighborhoods from coordinates, against plain NumPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.neighborhood import NeighborhoodStage


def homes(rows: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(2)
    frame = pd.DataFrame({"latitude": random.normal(34, 1, rows), "longitude": random.normal(-118, 1, rows)})
    frame.loc[::50, "latitude"] = np.nan
    return frame.rename_axis("row_id")


def test_a_grid_is_numpys_digitize() -> None:
    frame = homes()
    made = NeighborhoodStage(bins=7).execute({"data": frame}).frames[""]["neighborhood"]
    assert made.dtype == np.int32
    known = frame.dropna()
    cells = []
    for name in ("latitude", "longitude"):
        edges = np.linspace(known[name].min(), known[name].max(), 8)[1:-1]
        cells.append(np.digitize(known[name], edges))
    np.testing.assert_array_equal(made.loc[known.index], cells[0] * 7 + cells[1])
    assert (made.drop(known.index) == -1).all()


def test_centres_are_those_of_kmeans() -> None:
    frame = homes()
    stage = NeighborhoodStage(method="kmeans", bins=9, seed=3)
    result = stage.execute({"data": frame})
    known = frame.dropna()
    model = KMeans(9, n_init=1, random_state=3).fit(known.to_numpy())
    np.testing.assert_array_equal(result.frames[""]["neighborhood"].loc[known.index], model.labels_)


@settings(deadline=None)
@given(st.sampled_from(["grid", "kmeans"]), st.lists(st.integers(0, 399), unique=True, min_size=1, max_size=30))
def test_a_few_rows_are_those_of_all(method: str, rows: list[int]) -> None:
    frame = homes()
    stage = NeighborhoodStage(method=method, bins=5)
    whole = stage.execute({"data": frame})
    few = NeighborhoodStage.from_params(stage.params()).execute_rows("", {"data": frame.iloc[rows]}, whole.fitted)
    pd.testing.assert_frame_equal(few, whole.frames[""].iloc[rows], check_exact=True)


def test_homes_outside_of_what_was_learned_go_to_the_edge() -> None:
    train, far = homes(), homes().assign(latitude=90.0, longitude=-190.0)
    made = NeighborhoodStage(bins=4).execute({"train": train, "test": far}).frames["test"]["neighborhood"]
    assert (made == 3 * 4 + 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"method": "circle"}, "pass one of grid, kmeans"), ({"bins": 0}, "bins=0"), ({"bins": True}, "bins=True")],
)
def test_other_settings_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        NeighborhoodStage(**options)  # type: ignore[arg-type]


def test_no_coordinates_at_all_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="no row has both"):
        NeighborhoodStage().execute({"data": homes().assign(latitude=np.nan)})
