"""A partition that is registered between two statements of a compaction is left to the next one."""

from pathlib import Path

import sqlalchemy as sa

from mistique_core import Mistique
from tests.concurrency.test_races import frame


def test_a_partition_comes_while_they_are_listed(catalogue_url: str, memory_path: Path) -> None:
    came: list[str] = []
    with (
        Mistique.open(memory_path / "store", catalogue_url) as store,
        Mistique.open(memory_path / "store", catalogue_url) as other,
    ):
        for seed in range(3):
            store.log_frame("p", f"m{seed}", "x", frame(seed))

        def write(_connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
            if not came and "FROM partition" in statement:
                came.append(statement)
                other.log_frame("p", "m3", "x", frame(3))

        sa.event.listen(store.catalogue.engine, "after_cursor_execute", write)
        store.compact()
        assert came
        for seed in range(4):
            assert store.get_intermediates(f"p.m{seed}.x", strategy="read").frame.equals(frame(seed))
        assert store.check(read_data=True).problems == ()
