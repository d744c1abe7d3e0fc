"""Folds are those of scikit-learn: disjoint, covering, with the class shares of all; each row keeps its row id."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, StratifiedKFold

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.search.fold_stage import FoldStage

ROWS = 47


@pytest.fixture
def frame() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    ids = generator.permutation(1000)[:ROWS]
    data = {"value": generator.normal(size=ROWS), "kind": np.where(np.arange(ROWS) % 4 == 0, "rare", "common")}
    return pd.DataFrame(data, index=pd.Index(ids, name="row_id"))


@pytest.mark.parametrize("stratify", [None, "kind"])
def test_the_rows_of_scikit_learn(frame: pd.DataFrame, stratify: str | None) -> None:
    kind = KFold if stratify is None else StratifiedKFold
    expected = list(kind(4, shuffle=True, random_state=9).split(frame, frame["kind"]))
    seen: list[int] = []
    for fold, (train, test) in enumerate(expected, start=1):
        made = FoldStage(fold, 4, 9, stratify).execute({"data": frame}).frames
        pd.testing.assert_frame_equal(made["train"], frame.iloc[train])
        pd.testing.assert_frame_equal(made["test"], frame.iloc[test])
        assert not set(made["train"].index) & set(made["test"].index)
        assert set(made["train"].index) | set(made["test"].index) == set(frame.index)
        seen += list(made["test"].index)
    assert sorted(seen) == sorted(frame.index)


def test_stratified_folds_keep_the_shares(frame: pd.DataFrame) -> None:
    shares = [
        (FoldStage(fold, 3, 1, "kind").execute({"data": frame}).frames["test"]["kind"] == "rare").sum()
        for fold in (1, 2, 3)
    ]
    assert sum(shares) == 12
    assert max(shares) - min(shares) <= 1


def test_it_is_rebuilt_from_its_parameters() -> None:
    stage = FoldStage(2, 5, 7, "kind")
    assert FoldStage.from_params(stage.params()).params() == {"fold": 2, "folds": 5, "seed": 7, "stratify": "kind"}
    assert stage.facts() == {"seed": 7, "weights": [0.8, 0.2]}


@pytest.mark.parametrize(("fold", "folds"), [(0, 3), (4, 3), (1, 1)])
def test_folds_that_do_not_exist(fold: int, folds: int) -> None:
    with pytest.raises(InvalidInputError, match=f"fold {fold} of {folds} does not exist"):
        FoldStage(fold, folds)


def test_a_column_that_does_not_exist(frame: pd.DataFrame) -> None:
    with pytest.raises(InvalidInputError, match="did you mean 'kind'"):
        FoldStage(1, 2, 0, "kinds").execute({"data": frame})
