"""What must be true of a store after anything that can happen to it."""

import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.tables import partition
from mistique_core.errors import MistiqueError
from mistique_core.maintenance import collect_garbage
from tests.faults.works import FRAMES, LAYER, open_store

LATER_SECONDS = 4000.0
"""After so long an announced write is over, whatever became of it."""


@cache
def layer_values(model: str) -> npt.NDArray[np.float64]:
    """Return what a store that nothing happened to answers for a lossy layer."""
    with TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        if model == "base":
            store.log_array("p", model, "layer", LAYER, scheme="bounded(0.1)")
        else:
            store.log_array("p", model, "layer", LAYER * 2, scheme="kbit(4)", block_rows=16)
        return store.get_intermediates(f"p.{model}.layer").values


def assert_sound(location: Path, expected: Sequence[str], *, read_data: bool) -> None:
    """Open a store; see that a check is clean and that every value in it is the one that was logged."""
    with open_store(location) as store:
        report = store.check(read_data=read_data)
        assert report.is_clean, report.problems
        assert set(expected) <= set(assert_right(store))


def assert_right(store: Mistique, *, may_fail: bool = False) -> list[str]:
    """Return what is listed, all of which has the values that were logged; `may_fail` allows errors, not values."""
    names = []
    for row in store.intermediates().itertuples():
        name = f"{row.model}.{row.intermediate}"
        key = f"p.{row.model}@{row.version}.{row.intermediate}"
        names.append(name)
        try:
            answer = store.get_intermediates(key, strategy="read")
        except MistiqueError:
            assert may_fail, f"{key} cannot be read"
            continue
        if row.intermediate == "layer":
            assert np.array_equal(answer.values, layer_values(row.model)), key
        else:
            assert answer.frame.equals(FRAMES[name]), key
    return names


def assert_tidy(location: Path, expected: Sequence[str]) -> None:
    """Collect the garbage of any interruption: a sound store without a file that its catalogue does not know."""
    with open_store(location) as store:
        collect_garbage(store.catalogue, store.backend, grace_seconds=0, now=time.time() + LATER_SECONDS)
        with store.catalogue.read() as connection:
            assert {file.name for file in store.backend.files()} == set(connection.scalars(sa.select(partition.c.name)))
        report = store.check(read_data=True)
        assert report.is_clean, report.problems
        assert set(expected) <= set(assert_right(store))
