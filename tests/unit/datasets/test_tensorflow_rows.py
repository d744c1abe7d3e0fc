"""What TensorFlow gets of an intermediate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mistique_core import Mistique
from mistique_core.datasets.tensorflow_rows import tensorflow_rows
from tests.unit.datasets.conftest import MAPS, NUMBERS, ROWS, expected_numbers

tf = pytest.importorskip("tensorflow")


def test_a_dataset_of_all_rows(home: Path) -> None:
    """Twice, with its signature; batches of one size by tf.data's own means."""
    with Mistique.open(home) as store:
        dataset = tensorflow_rows(store, "p.m.x", NUMBERS, batch_rows=100)
    assert dataset.element_spec["kind"] == tf.TensorSpec((None,), tf.int64)
    assert dataset.element_spec["part"] == tf.TensorSpec((None,), tf.float32)
    for _ in range(2):
        batches = list(dataset.prefetch(2).as_numpy_iterator())
        for name, values in expected_numbers().items():
            np.testing.assert_array_equal(np.concatenate([batch[name] for batch in batches]), values, err_msg=name)
    sizes = [len(batch["step"]) for batch in dataset.unbatch().batch(640).as_numpy_iterator()]
    assert sizes == [640, 640, 640, ROWS - 3 * 640]


def test_maps_and_shares(home: Path) -> None:
    """Maps have their shape; the parts of two readers are all rows."""
    with Mistique.open(home) as store:
        parts = [tensorflow_rows(store, "p.m.conv", ["0"], share=(number, 2)) for number in range(2)]
    assert parts[0].element_spec["0"] == tf.TensorSpec((None, 3, 4), tf.float32)
    batches = [batch for part in parts for batch in part.as_numpy_iterator()]
    ids = np.concatenate([batch["row_id"] for batch in batches])
    values = np.concatenate([batch["0"] for batch in batches])
    np.testing.assert_array_equal(values, MAPS[ids][..., 0])
    assert sorted(ids) == list(range(len(MAPS)))
