"""What stores hold, for comparisons between what executors wrote and what pandas logged."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.intermediates import find_intermediate
from mistique_core.catalogue.tables import capture, chunk
from mistique_core.model import IntermediateKey


def address_of(store: Mistique, key: str) -> bytes:
    """Return the content address of an intermediate: equal ones have equal rows, columns, types and row ids."""
    with store.catalogue.read() as connection:
        return find_intermediate(connection, IntermediateKey.parse(key)).address


def chunk_addresses(store: Mistique) -> set[bytes]:
    with store.catalogue.read() as connection:
        return {bytes(item) for item in connection.scalars(sa.select(chunk.c.address))}


def open_captures(store: Mistique) -> int:
    with store.catalogue.read() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(capture)) or 0)


def file_bytes(store: Mistique) -> int:
    folder = store.config.folder
    assert folder is not None
    return sum(path.stat().st_size for path in Path(folder).rglob("*.mistq"))


def assert_clean(store: Mistique) -> None:
    """Assert that every byte is right and that nothing is kept for nobody."""
    store.gc(grace_seconds=0)
    report = store.check(read_data=True)
    assert report.problems == ()
    assert report.orphans == 0
    assert open_captures(store) == 0


def pandas_of(frame: Any, vectors: dict[str, list[str]] | None = None) -> pd.DataFrame:
    """Return what a DataFrame of Spark holds, collected by Spark's own means, vectors as columns of given names."""
    rows = frame.collect()
    made: dict[str, Any] = {}
    for name, dtype in frame.dtypes:
        values = [row[name] for row in rows]
        if vectors and name in vectors:
            array = np.array([value.toArray() for value in values]).reshape(len(values), -1)
            made.update((column, array[:, place].copy()) for place, column in enumerate(vectors[name]))
        else:
            plain = {"bigint": "int64", "int": "int32", "double": "float64", "string": "str", "boolean": "bool"}
            made[name] = pd.Series(values, dtype=plain[dtype])
    return pd.DataFrame(made)
