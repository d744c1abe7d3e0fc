"""Weights are encoded while the network runs: the store and the report are those of a capture that does it after."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.open_writes import open_writes
from mistique_core.catalogue.tables import chunk, fitted
from mistique_core.engine.chunk_writer import ChunkWriter
from mistique_core.engine.write_ahead import WriteAhead
from mistique_core.errors import InvalidInputError, StorageError
from mistique_core.networks import layer_record
from tests.networks.architectures import cnn
from tests.networks.test_equal_to_keras import assert_close
from tests.networks.test_once_only import log


def stored_weights(store: Mistique) -> list[tuple[str, bytes]]:
    query = sa.select(fitted.c.output, chunk.c.address).join(chunk, chunk.c.id == fitted.c.chunk_id)
    with store.catalogue.read() as connection:
        return sorted((row.output, bytes(row.address)) for row in connection.execute(query))


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if "ahead" in thread.name}


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many sets of outputs are made ready ahead, counted as they are."""
    count = [0]
    original = WriteAhead.add_made

    def add_made(self: WriteAhead, make: Any) -> None:
        count[0] += 1
        original(self, make)

    monkeypatch.setattr(WriteAhead, "add_made", add_made)
    return count


def test_it_makes_no_difference_to_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: list[int]
) -> None:
    architecture = cnn()
    found = []
    for limit in (layer_record.MOST_BYTES_AHEAD, 0):
        monkeypatch.setattr(layer_record, "MOST_BYTES_AHEAD", limit)
        ahead[0] = 0
        with Mistique.open(tmp_path / str(limit)) as store:
            report = log(store, architecture)
            assert (ahead[0] > 0) == (limit > 0)
            assert report.weight_bytes > 0
            assert log(store, architecture).weight_bytes == 0, "all of them are stored"
            assert store.check(read_data=True).problems == ()
            rerun = store.get_intermediates("nets.m@1.probabilities", strategy="rerun").values
            assert_close(rerun, architecture.model.predict(architecture.inputs["images"], verbose=0), "probabilities")
            found.append((report.weight_bytes, report.stored_bytes, stored_weights(store)))
            with store.catalogue.read() as connection:
                assert open_writes(connection) == []
    assert found[0] == found[1]
    assert threads() == set()


def test_a_pass_that_fails_gives_them_up(tmp_path: Path, ahead: list[int]) -> None:
    """The sample has no NaN; row block 4 has."""
    import keras
    from keras import layers

    inputs = keras.Input((4,), name="x")
    model = keras.Model(inputs, layers.Dense(3, name="d")(keras.ops.log(inputs)))
    rows = np.ones((1_000, 4), np.float32)
    rows[453] = -1.0
    with Mistique.open(tmp_path) as store:
        with pytest.raises(InvalidInputError, match="cannot hold NaN"):
            store.log_intermediates(
                model, lambda: rows, project="nets", model="m", scheme="kbit(8)", batch_rows=100, progress=False
            )
        assert ahead[0] > 0
        assert threads() == set()
        assert stored_weights(store) == []
        with store.catalogue.read() as connection:
            assert open_writes(connection) == []


def test_weights_that_cannot_be_put_meanwhile_are_written_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, refused = ChunkWriter.put, 0

    def put(self: ChunkWriter, *given: Any) -> Any:
        nonlocal refused
        if "ahead" in threading.current_thread().name:
            refused += 1
            raise StorageError("no space left on device")
        return original(self, *given)

    monkeypatch.setattr(ChunkWriter, "put", put)
    architecture = cnn()
    with Mistique.open(tmp_path, partition_bytes=2_000) as store:
        report = log(store, architecture)
        assert refused
        assert report.weight_bytes > 0
        assert store.check(read_data=True).problems == ()
        rerun = store.get_intermediates("nets.m.probabilities", strategy="rerun").values
        assert_close(rerun, architecture.model.predict(architecture.inputs["images"], verbose=0), "probabilities")
        with store.catalogue.read() as connection:
            assert open_writes(connection) == []


def test_several_tasks_leave_them_to_the_last(tmp_path: Path, ahead: list[int]) -> None:
    architecture = cnn()
    with Mistique.open(tmp_path) as store:
        with store.run("nets", "m") as run:
            for blocks in ([0, 1], [2, 3, 4]):
                report = run.log_network(architecture.model, lambda: architecture.inputs, batch_rows=20, blocks=blocks)
        assert report.is_complete
        assert report.weight_bytes > 0
        assert ahead[0] == 0
