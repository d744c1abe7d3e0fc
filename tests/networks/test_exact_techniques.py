"""topk and knn with exact=True answer over lossy layers what NumPy answers over the network's own values."""

from pathlib import Path

import numpy as np
import pytest

from mistique_core import Mistique, diagnostics
from mistique_core.errors import InvalidInputError
from tests.networks.architectures import cnn


def test_exact_answers_of_techniques(tmp_path: Path) -> None:
    architecture = cnn()
    with Mistique.open(tmp_path) as store:
        store.log_intermediates(
            architecture.model, lambda: architecture.inputs, project="nets", model="m", scheme="bounded(0.5)"
        )
        true = {
            name: store.get_intermediates(f"nets.m.{name}", strategy="rerun").values for name in ("conv2", "flatten")
        }
        top = diagnostics.topk(store, "nets.m.conv2.5", 7, by="max", exact=True)
        scores = true["conv2"][..., 5].max(axis=(1, 2))
        assert top.frame.index.tolist() == np.lexsort((np.arange(len(scores)), -scores))[:7].tolist()
        np.testing.assert_allclose(top.frame.iloc[:, 0], np.sort(scores)[::-1][:7], rtol=1e-5)
        near = diagnostics.knn(store, "nets.m.flatten", 3, 5, exact=True)
        distances = np.linalg.norm(true["flatten"] - true["flatten"][3], axis=1)
        order = [row for row in np.argsort(distances, kind="stable").tolist() if row != 3][:5]
        assert near.frame.index.tolist() == order
        np.testing.assert_allclose(near.frame.iloc[:, 0], distances[order], rtol=1e-4)
        assert top.facts["exact"] is near.facts["exact"] is True
        with pytest.raises(InvalidInputError, match="exact"):
            diagnostics.topk(store, "nets.m.conv2.5", 7, row_id=[1, 2], exact=True)
        with pytest.raises(InvalidInputError, match="exact"):
            diagnostics.knn(store, "nets.m.flatten", 3, 5, metric="cosine", exact=True)
