"""POINTQ equals ``frame.loc``."""

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import pointq
from mistique_core.errors import InvalidInputError, NotFoundError


@pytest.mark.parametrize("model", ["first", "other", "single"])
def test_a_row_of_all_columns(store: Mistique, frames: dict[str, pd.DataFrame], model: str) -> None:
    frame = frames[model]
    row = int(frame.index[0])
    result = pointq(store, f"p.{model}.x", row)
    pd.testing.assert_frame_equal(result.frame, frame.loc[[row]])
    assert result.sentence == f"p.{model}@1.x holds these {frame.shape[1]} columns for row {row}."


def test_some_rows_keep_the_order_in_which_they_are_named(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    rows = [int(row) for row in frames["first"].index[[40, 3, 17]]]
    for given in (rows, tuple(rows), np.array(rows)):
        result = pointq(store, ["p.first.x.word", "p.first.x.number"], given)
        pd.testing.assert_frame_equal(result.frame, frames["first"].loc[rows, ["word", "number"]])


def test_one_value_is_told_in_the_sentence(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    row = frames["first"].index[5]
    result = pointq(store, "p.first.x.whole", row)
    assert result.sentence == f"p.first@1.x holds whole = {frames['first'].loc[row, 'whole']} for row {row}."


def test_two_models_are_side_by_side(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    rows = [int(row) for row in frames["other"].index[:3]]
    result = pointq(store, ["p.other.x.number", "p.second.x.number"], rows)
    assert list(result.frame.columns) == ["p.other.x.number", "p.second.x.number"]
    for model in ("other", "second"):
        expected = frames[model].loc[rows, "number"]
        pd.testing.assert_series_equal(result.frame[f"p.{model}.x.number"], expected, check_names=False)


def test_no_row_is_refused(store: Mistique) -> None:
    with pytest.raises(InvalidInputError, match="is empty; give at least one of the row ids"):
        pointq(store, "p.first.x", [])


def test_a_row_that_one_model_lacks_is_named(store: Mistique, frames: dict[str, pd.DataFrame]) -> None:
    row = int(frames["far"].index[0])
    with pytest.raises(NotFoundError, match=f"row_id {row} is not in the intermediate; known: 60 rows from -50"):
        pointq(store, "p.first.x", row)
    with pytest.raises(NotFoundError, match=f"row_id {row}"):
        pointq(store, ["p.first.x.number", "p.far.x.number"], row)
    with pytest.raises(NotFoundError, match="it has no rows"):
        pointq(store, "p.none.x", 1)


def test_maps_of_units(models: Mistique, maps: dict[str, np.ndarray], map_rows: np.ndarray) -> None:
    rows = map_rows[[7, 2]]
    result = pointq(models, ["p.net.conv.4", "p.net.conv.1"], rows)
    expected = maps["conv"][[7, 2]][..., [4, 1]]
    np.testing.assert_array_equal(result.arrays["maps"], expected)
    assert result.arrays["units"].tolist() == ["4", "1"]
    np.testing.assert_array_equal(result.frame["1[2,3]"], expected[:, 2, 3, 1])
    assert result.row_id.tolist() == rows.tolist()
    assert result.sentence == "p.net@1.conv holds these maps of 4 x 4 of 2 units for 2 rows."
