"""What PyTorch gets of an intermediate; what needs no PyTorch of it is in ``test_stored_rows.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mistique_core import Mistique
from tests.unit.datasets.conftest import MAPS, NUMBERS, TABLE, expected_numbers


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_every_row_once(home: Path, workers: int) -> None:
    """In this process, and from workers, each of which streams row blocks of its own; twice."""
    pytest.importorskip("torch")
    from torch.utils.data import DataLoader

    from mistique_core.datasets.torch_rows import TorchRows

    with Mistique.open(home) as store:
        dataset = TorchRows(store, "p.m.x", NUMBERS, batch_rows=100)
        maps = TorchRows(store, "p.m.conv", ["1"])
    context = "spawn" if workers else None
    loader = DataLoader(dataset, batch_size=None, num_workers=workers, multiprocessing_context=context)
    for _ in range(2):
        batches = list(loader)
        order = np.argsort(-np.concatenate([batch["row_id"].numpy() for batch in batches]))
        for name, values in expected_numbers().items():
            found = np.concatenate([batch[name].numpy() for batch in batches])[order]
            np.testing.assert_array_equal(found, values, err_msg=name)
    np.testing.assert_array_equal(np.concatenate([batch["1"].numpy() for batch in maps]), MAPS[..., 1])
    assert len(TABLE) == sum(len(batch["row_id"]) for batch in dataset)


def test_without_pytorch_the_error_names_the_extra() -> None:
    """In a process in which it cannot be imported."""
    program = """
import sys
sys.modules["torch"] = None
from mistique_core.errors import InvalidInputError
try:
    import mistique_core.datasets.torch_rows
except InvalidInputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "this needs PyTorch; install it with: pip install 'mistique-airflow[torch]'"
