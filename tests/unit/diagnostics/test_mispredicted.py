"""What one model gets right and the other wrong, compared row by row in plain Python."""

import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import mispredicted
from mistique_core.errors import InvalidInputError

Y = "p.models.y"


def test_labels(models: Mistique, predictions: pd.DataFrame) -> None:
    keys = [f"{Y}.truth", f"{Y}.guess_a", f"{Y}.guess_b"]
    result = mispredicted(models, *keys, columns=f"{Y}.kind")
    cases = [(t == a, t == b) for t, a, b in predictions[["truth", "guess_a", "guess_b"]].itertuples(index=False)]
    expected = [row for row, case in sorted(zip(predictions.index, cases, strict=True)) if case == (True, False)]
    assert sorted(result.row_id) == expected
    assert result.facts["only_a_right_rows"] == len(expected)
    assert result.facts["only_b_right_rows"] == cases.count((False, True))
    assert result.facts["both_right_rows"] == cases.count((True, True))
    assert result.facts["both_wrong_rows"] == cases.count((False, False))
    assert result.frame["kind"].tolist() == predictions["kind"].loc[result.row_id].tolist()
    assert result.sentence.startswith(f"guess_a is right and guess_b wrong for {len(expected)} of 300 examples (")


def test_amounts_within_a_tolerance_worst_first(models: Mistique, predictions: pd.DataFrame) -> None:
    result = mispredicted(models, f"{Y}.price", f"{Y}.price_a", f"{Y}.price_b", tolerance=0.5)
    a, b = ((predictions[name] - predictions["price"]).abs() for name in ("price_a", "price_b"))
    expected = b[(a <= 0.5) & (b > 0.5)].sort_values(ascending=False)
    assert result.row_id.tolist() == expected.index.tolist()


def test_a_missing_prediction_is_wrong_and_a_missing_truth_is_left_out(
    models: Mistique, predictions: pd.DataFrame
) -> None:
    result = mispredicted(models, f"{Y}.town", "p.half.y.town", f"{Y}.kind_guess")
    half = predictions.iloc[:150]
    assert set(result.row_id) == set(half.index[half["town"].notna()])
    assert result.facts["missing_rows"] == half["town"].isna().sum()


def test_the_same_key_twice_is_refused(models: Mistique) -> None:
    with pytest.raises(InvalidInputError, match="name a truth and two different predictions"):
        mispredicted(models, f"{Y}.truth", f"{Y}.guess_a", f"{Y}.guess_a")
