"""Answers over lossy layers say how far off the stored values may be."""

from pathlib import Path

import numpy as np
import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import knn, pointq, topk, vis


@pytest.mark.parametrize("shape", [(30, 4, 4, 3), (30, 3)])
def test_the_bound_of_the_scheme_comes_with_the_answer(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with Mistique.open(tmp_path) as store:
        store.log_array("p", "m", "lossy", values, scheme="bounded(0.1)")
        store.log_array("p", "m", "exact", values)
        bound = store.get_intermediates("p.m.lossy").max_abs_error
        answers = [topk(store, "p.m.lossy.1"), knn(store, "p.m.lossy", 3), vis(store, "p.m.lossy")]
        answers += [pointq(store, "p.m.lossy", 3)]
        without = topk(store, "p.m.exact.1")
    assert bound > 0
    for answer in answers:
        assert 0 < answer.max_abs_error <= bound
        assert answer.to_json()["facts"]["max_abs_error"] == answer.max_abs_error
    assert without.max_abs_error == 0
    assert "max_abs_error" not in without.to_json()["facts"]
