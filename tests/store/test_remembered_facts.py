"""What a store remembers between queries never hides what another process did meanwhile."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.modeldb_tables import data_frame
from mistique_core.catalogue.tables import chunk, intermediate, partition
from mistique_core.errors import CorruptPartitionError, NotFoundError

KEY = "p.m.x.a"
OTHER_PROCESS = """
import sys
import pandas as pd
from mistique_core import Mistique
with Mistique.open(sys.argv[1]) as store, store.run("p", "m") as run:
    run.log_frame("x", pd.DataFrame({"a": [20.0, 21.0, 22.0]}))
"""


def frame(first: float) -> pd.DataFrame:
    """Return three rows."""
    return pd.DataFrame({"a": np.arange(3) + first})


def answer(store: Mistique, key: str = KEY) -> list[float]:
    """Return all values of the only column."""
    return store.get_intermediates(key).values.ravel().tolist()


def delete(store: Mistique) -> None:
    """Delete every intermediate's rows, as another process would."""
    with store.catalogue.write() as connection:
        connection.execute(sa.delete(data_frame))
        connection.execute(sa.delete(intermediate))


def test_a_new_version_by_another_process_answers(tmp_path: Path) -> None:
    """A key without a version means the latest complete one, whoever made it."""
    with Mistique.open(tmp_path) as store:
        store.log_frame("p", "m", "x", frame(10))
        assert answer(store) == answer(store) == [10, 11, 12]
        subprocess.run([sys.executable, "-c", OTHER_PROCESS, str(tmp_path)], check=True)
        assert answer(store) == [20, 21, 22]
        assert answer(store, "p.m@1.x.a") == [10, 11, 12]


def test_a_deleted_intermediate_is_not_found(tmp_path: Path) -> None:
    """Nothing is answered from memory alone."""
    with Mistique.open(tmp_path) as store, Mistique.open(tmp_path) as other:
        store.log_frame("p", "m", "x", frame(10))
        assert answer(store) == [10, 11, 12]
        delete(other)
        with pytest.raises(NotFoundError, match="'x'"):
            answer(store)


def test_a_reused_id_is_another_intermediate(tmp_path: Path) -> None:
    """SQLite gives a deleted row's id to the next row."""
    with Mistique.open(tmp_path) as store, Mistique.open(tmp_path) as other:
        first = store.log_frame("p", "m", "x", frame(10)).ref
        assert answer(store) == [10, 11, 12]
        delete(other)
        wide = frame(30).assign(b=[1.5, 2.5, 3.5])
        again = other.log_frame("p", "m", "x", wide).ref
        assert again.id == first.id
        assert answer(store) == [30, 31, 32]
        assert store.get_intermediates("p.m.x").columns == ["a", "b"]


def test_a_chunk_that_was_moved_is_looked_up_again(tmp_path: Path) -> None:
    """Another process may write a partition anew and delete the old file."""
    with Mistique.open(tmp_path, cache_bytes=0) as store, Mistique.open(tmp_path) as other:
        store.log_frame("p", "m", "x", frame(10))
        assert answer(store) == [10, 11, 12]
        (old,) = tmp_path.glob("partitions/*/*.h5")
        name = f"{'0' * 64}.h5"
        other.backend.put_if_absent(name, old.read_bytes())
        with other.catalogue.write() as connection:
            new = connection.execute(sa.insert(partition).values(name=name, bytes=1, created_at=0.0))
            assert new.inserted_primary_key is not None
            connection.execute(sa.update(chunk).values(partition_id=new.inserted_primary_key[0]))
        store.backend.delete(old.name)
        assert answer(store) == [10, 11, 12]


def test_a_lost_chunk_is_still_an_error(tmp_path: Path) -> None:
    """Looking it up again does not help when it is where it was."""
    with Mistique.open(tmp_path, cache_bytes=0) as store:
        store.log_frame("p", "m", "x", frame(10))
        assert answer(store) == [10, 11, 12]
        (file,) = tmp_path.glob("partitions/*/*.h5")
        store.backend.delete(file.name)
        for _ in range(2):
            with pytest.raises(CorruptPartitionError, match="missing"):
                answer(store)


def test_where_a_chunk_lies_is_remembered_by_content(tmp_path: Path) -> None:
    """Two intermediates with equal row ids and one equal column give each its own values."""
    with Mistique.open(tmp_path, block_rows=2) as store:
        store.log_frame("p", "m", "x", frame(10).assign(b=1))
        store.log_frame("p", "m", "y", frame(10).assign(b=2))
        for _ in range(2):
            assert store.get_intermediates("p.m.x").values.tolist() == [[10, 1], [11, 1], [12, 1]]
            assert store.get_intermediates("p.m.y", row_id=[2, 0]).values.tolist() == [[12, 2], [10, 2]]
