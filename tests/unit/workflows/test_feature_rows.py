"""Feature stages give for a few rows the same bits as for all, also when rebuilt from their parameters."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core.workflows.operator_names import OPERATORS

HOMES = pd.DataFrame(
    {
        "yearbuilt": [1990.0, np.nan, 2000.0],
        "kind": ["b", None, "a"],
        "propertylandusetypeid": [261.0, 31.0, np.nan],
        "rooms": np.array([1, np.nan, 3], dtype=np.float32),
    },
    index=pd.Index([5, 7, 9], name="row_id"),
)
PARAMS: dict[str, dict[str, Any]] = {
    "SelectColumn": {"columns": ["kind"]},
    "DropColumns": {"columns": ["kind"]},
    "OneHotEncoding": {"columns": ["kind"]},
    "FillNa": {},
    "Avg": {"columns": ["yearbuilt", "rooms"], "output": "mean"},
    "GetConstructionRecency": {},
    "IsResidential": {},
    "LabelIndex": {"columns": ["kind"]},
}


@pytest.mark.parametrize("rows", [[7], [9, 5]])
@pytest.mark.parametrize("name", PARAMS)
def test_a_few_rows_equal_those_of_all(name: str, rows: list[int]) -> None:
    stage = OPERATORS[name].make(PARAMS[name])
    whole = stage.execute({"data": HOMES})
    again = type(stage).from_params(stage.params())
    few = again.execute_rows("", {"data": HOMES.loc[rows]}, whole.fitted)
    assert stage.row_wise
    pd.testing.assert_frame_equal(few, whole.frames[""].loc[rows], check_exact=True)
