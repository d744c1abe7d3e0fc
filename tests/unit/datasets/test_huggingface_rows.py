"""What Hugging Face's data sets get of an intermediate; its examples are made without that package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mistique_core import Mistique
from mistique_core.datasets.huggingface_rows import examples, huggingface_rows, plain_schema
from mistique_core.datasets.stored_rows import StoredRows
from tests.unit.datasets.conftest import MAPS, TABLE


def test_examples_are_rows_of_plain_values(home: Path) -> None:
    """Text and categories as text, what is missing as None, maps as lists of lists."""
    with Mistique.open(home) as store:
        table = StoredRows.of(store, "p.m.x")
        maps = StoredRows.of(store, "p.m.conv", ["0"])
        schema = plain_schema(store.stream("p.m.x").schema)
    found = list(examples([table.shared(number, 2) for number in range(2)]))
    frame = pd.DataFrame(found).set_index("row_id").loc[TABLE.index]
    for name in TABLE:
        expected = [None if pd.isna(value) else value for value in TABLE[name].astype(object)]
        assert [None if pd.isna(value) else value for value in frame[name].astype(object)] == expected, name
    assert schema.field("kind").type == pa.large_string()
    cells = [example["0"] for example in examples([maps])]
    np.testing.assert_array_equal(np.array(cells, dtype="f4"), MAPS[..., 0])


def test_an_iterable_dataset(home: Path) -> None:
    """Its features, its shards, and every row once."""
    pytest.importorskip("datasets")
    with Mistique.open(home) as store:
        dataset = huggingface_rows(store, "p.m.x", ["price", "kind", "city"], where=("step", "<", 3_000), shards=3)
        maps = huggingface_rows(store, "p.m.conv", ["1"])
    assert dataset.num_shards == 3
    assert set(dataset.features) == {"row_id", "price", "kind", "city"}
    wanted = TABLE[["price", "city"]][TABLE["step"] < 3_000]
    found = pd.DataFrame(list(dataset)).set_index("row_id").loc[wanted.index]
    assert found["city"].tolist() == wanted["city"].tolist()
    np.testing.assert_array_equal(found["price"].to_numpy(dtype=float), wanted["price"].to_numpy())
    np.testing.assert_array_equal(np.array([item["1"] for item in maps.take(5)], "f4"), MAPS[:5, ..., 1])


def test_without_datasets_the_error_names_the_extra(home: Path) -> None:
    """In a process in which it cannot be imported."""
    program = f"""
import sys
sys.modules["datasets"] = None
from mistique_core import Mistique
from mistique_core.datasets.huggingface_rows import huggingface_rows
from mistique_core.errors import InvalidInputError
with Mistique.open({str(home)!r}) as store:
    try:
        huggingface_rows(store, "p.m.x")
    except InvalidInputError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("install it with: pip install 'mistique-airflow[huggingface]'")
