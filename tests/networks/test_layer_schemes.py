"""Which scheme each layer of a network gets: what cannot be pooled is kept by what follows, else by the default."""

from pathlib import Path

import numpy as np
import pytest

from mistique_core import Mistique
from tests.networks.architectures import cnn


def schemes_of(store: Mistique, model: str, scheme: str | dict[str, str]) -> dict[str, str]:
    architecture = cnn()
    report = store.log_intermediates(
        architecture.model, lambda: architecture.inputs, project="nets", model=model, scheme=scheme, batch_rows=20
    )
    return {layer.name: layer.scheme for layer in report.layers}


def test_a_flattened_map_does_not_keep_what_pooling_leaves_out(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        by_default = schemes_of(store, "plain", "default")
        pooled = schemes_of(store, "pooled", "pool(S)")
        flatten = store.get_intermediates("nets.pooled.flatten", strategy="read")
        maps = store.get_intermediates("nets.pooled.conv2", strategy="read").values
    assert by_default["flatten"].startswith("bounded(")  # 4 x 4 x 24 values a row: too wide to be kept exactly
    assert by_default["probabilities"] == "lossless"
    assert pooled["conv2"] == "pool(S)"
    assert {name: pooled[name] for name in ("flatten", "probabilities")} == {
        name: by_default[name] for name in ("flatten", "probabilities")
    }
    means = flatten.values.reshape(len(maps), -1, maps.shape[-1]).mean(axis=1)
    np.testing.assert_allclose(means, maps.reshape(len(maps), -1), atol=flatten.max_abs_error + 1e-5)


@pytest.mark.parametrize("follows", ["float16", "bounded(0.1)"])
def test_what_follows_the_pooling_is_kept_for_layers_without_maps(follows: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        found = schemes_of(store, "m", f"pool(2)+{follows}")
    assert found["flatten"] == found["probabilities"] == follows


def test_a_mapping_may_pool_some_layers(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        found = schemes_of(store, "m", {"conv1": "pool(2)", "flatten": "pool(S)", "*": "lossless"})
    assert found["conv1"] == "pool(2)"
    assert found["flatten"].startswith("bounded(")
    assert found["probabilities"] == "lossless"
