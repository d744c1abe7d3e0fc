"""SVCCA of stored layers equals angles between subspaces (SciPy), and a multiple correlation for one class."""

import numpy as np
import pandas as pd
import pytest
from scipy import linalg

from mistique_core import Mistique
from mistique_core.diagnostics import svcca
from mistique_core.diagnostics.values.mean_cca import mean_cca
from mistique_core.errors import InvalidInputError


def by_angles(x: np.ndarray, y: np.ndarray, variance: float) -> np.ndarray:
    bases = []
    for values in (x, y):
        flat = values.reshape(len(values), -1).astype(np.float64)
        left, sizes, _ = linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
        shares = np.cumsum(sizes**2) / np.sum(sizes**2)
        bases.append(left[:, : int(np.argmax(shares >= variance)) + 1])
    return np.sort(np.cos(linalg.subspace_angles(*bases)))[::-1]


@pytest.mark.parametrize("variance", [0.5, 0.9])
def test_layers_without_rows_that_miss_values(models: Mistique, maps: dict[str, np.ndarray], variance: float) -> None:
    complete = ~np.isnan(maps["conv"]).any(axis=(1, 2, 3))
    expected = by_angles(maps["conv"][complete], maps["logits"][complete], variance)
    result = svcca(models, "p.net.conv", "p.net.logits", variance=variance)
    np.testing.assert_allclose(result.frame["correlation"], expected, atol=1e-9)
    assert result.facts["coefficient"] == pytest.approx(expected.mean(), abs=1e-9)
    assert result.facts["left_out_rows"] == 1
    assert f"is {expected.mean():.4f} over 39 rows" in result.sentence


def test_the_logit_of_one_class_is_one_direction(models: Mistique, maps: dict[str, np.ndarray]) -> None:
    result = svcca(models, "p.net.deep.3", "p.net.logits.1")
    flat, logit = maps["deep"][..., 3].reshape(40, -1).astype(float), maps["logits"][:, 1].astype(float)
    design = np.column_stack([np.ones(40), flat])
    fitted = design @ np.linalg.lstsq(design, logit, rcond=None)[0]
    assert result.facts["directions"] == [by_angles(flat, flat, 0.99).size, 1]
    if result.facts["directions"][0] == flat.shape[1]:
        assert result.facts["coefficient"] == pytest.approx(np.corrcoef(fitted, logit)[0, 1], abs=1e-9)


def test_columns_of_tables_on_common_rows(models: Mistique, predictions: pd.DataFrame) -> None:
    half = predictions.iloc[:150]
    result = svcca(models, ["p.half.y.a", "p.half.y.d"], ["p.models.y.price_b", "p.models.y.p1"], variance=1.0)
    expected = by_angles(half[["a", "d"]].to_numpy(), half[["price_b", "p1"]].to_numpy(), 1 - 1e-12)
    np.testing.assert_allclose(result.frame["correlation"], expected, atol=1e-7)
    assert set(result.row_id) == set(half.index)


def test_a_constant_side_has_no_coefficient(models: Mistique) -> None:
    result = svcca(models, "p.models.y.constant", "p.models.y.a")
    assert result.facts["coefficient"] is None
    assert "cannot be compared: one of them does not vary" in result.sentence
    assert np.isnan(mean_cca(np.full((300, 3), 0.1), np.random.default_rng(0).normal(size=(300, 2))))
    assert np.isnan(mean_cca(np.full((300, 3), 1e6 / 3, np.float32), np.random.default_rng(0).normal(size=(300, 2))))


def test_too_few_rows_are_refused(store: Mistique) -> None:
    with pytest.raises(
        InvalidInputError, match="needs two rows that both sides hold without missing values, but 1 of 1"
    ):
        svcca(store, "p.single.x.whole", "p.single.x.small")
    with pytest.raises(InvalidInputError, match="0 of 60 are; leave out columns that miss many"):
        svcca(store, "p.first.x.gone", "p.first.x.small")
