"""The stores that are interrupted hold what is worth interrupting."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from mistique_core.catalogue.tables import chunk
from tests.faults.works import WORKS, open_store


@pytest.mark.parametrize("name", ["log", "session", "compact"])
def test_there_are_differences_and_several_partitions(
    name: str, memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISTIQUE_APPROXIMATE_DEDUP", "true")
    WORKS[name].prepare(memory_path)
    with open_store(memory_path) as store:
        before = store.stats()
    WORKS[name].run(memory_path)
    with open_store(memory_path) as store:
        assert store.stats().partitions != before.partitions
        assert before.partitions > 2
        with store.catalogue.read() as connection:
            assert connection.scalar(sa.select(sa.func.count(chunk.c.base_id))) > 0
