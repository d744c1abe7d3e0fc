"""What is interrupted: one operation each, with what it starts from and what must be there before and after."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mistique_core import Mistique

ROWS = 2500
"""So many that a chunk of random floats is large enough to be stored as a difference."""
LAYER = np.random.default_rng(7).normal(size=(40, 3))


def open_store(location: Path) -> Mistique:
    """Open a store whose frames fill several partitions each, and that remembers little."""
    return Mistique.open(location, block_rows=ROWS, partition_bytes=24_000, cache_bytes=1000)


def frame(seed: int, *, is_similar: bool = False) -> pd.DataFrame:
    """Return a frame with columns of its own; a similar one has some other values, and a text column more."""
    random = np.random.default_rng(seed)
    values = random.normal(size=ROWS)
    town = pd.Categorical.from_codes(random.integers(0, 2, ROWS), ["Ghent", f"Bruges {seed}"])
    data = pd.DataFrame({"own": values, "town": town}).rename_axis("row_id")
    if is_similar:
        data["own"] = np.where(np.arange(ROWS) % 50 == 0, 0.25, values)
        data["text"] = pd.Series(np.array(["a", "b", "c"])[random.integers(0, 3, ROWS)], dtype="str")
    return data


FRAMES = {
    "base.x": frame(0),
    "other.x": frame(1),
    "third.x": frame(2),
    "new.x": frame(0, is_similar=True),
    "many.x": frame(0, is_similar=True),
    "many.y": frame(1, is_similar=True).assign(more=-np.arange(ROWS)),
}
"""model.intermediate -> what was logged under that name, whenever it was."""


def fill(location: Path) -> None:
    """Make a store that holds two frames, and a third that was deleted."""
    with open_store(location) as store:
        for name in ("base", "other", "third"):
            store.log_frame("p", name, "x", FRAMES[f"{name}.x"])
        store.log_array("p", "base", "layer", LAYER, scheme="bounded(0.1)")
        store.delete("p", "third")


def _fill_similar(location: Path) -> None:
    fill(location)
    with open_store(location) as store:
        store.log_frame("p", "new", "x", FRAMES["new.x"])


def _fill_and_lose_rows(location: Path) -> None:
    """Lose rows of each table that a rebuild restores."""
    _fill_similar(location)
    plain = sqlite3.connect(location / "catalogue.db")
    plain.executescript(
        "DELETE FROM column_chunk WHERE column_version_id % 2 = 0;"
        "DELETE FROM similar_band; DELETE FROM chunk WHERE id % 3 = 0; DELETE FROM partition WHERE id % 2 = 0;"
    )
    plain.close()


def _log(location: Path) -> None:
    with open_store(location) as store:
        store.log_frame("p", "new", "x", FRAMES["new.x"])


def _log_many(location: Path) -> None:
    with open_store(location) as store, store.run("p", "many") as run, store.session() as session:
        session.log_frame(run, "x", FRAMES["many.x"])
        session.log_frame(run, "y", FRAMES["many.y"])
        session.log_array(run, "layer", LAYER * 2, scheme="kbit(4)", block_rows=16)


def _delete(location: Path) -> None:
    with open_store(location) as store:
        if "other" in set(store.intermediates()["model"]):
            store.delete("p", "other")


def _collect(location: Path) -> None:
    with open_store(location) as store:
        store.gc(grace_seconds=0)


def _compact(location: Path) -> None:
    with open_store(location) as store:
        store.compact()


def _rebuild(location: Path) -> None:
    with open_store(location) as store:
        store.rebuild()


def _open(location: Path) -> None:
    open_store(location).close()


def _nothing(_location: Path) -> None:
    """Begin with no store at all."""


@dataclass(frozen=True)
class Work:
    """One operation.

    Attributes
    ----------
    prepare
        Makes the store that it starts from.
    run
        Opens the store, does the work and closes it; may be repeated.
    before
        Intermediates that are there whether it was done or not.
    after
        Those that are there once it was done.
    is_damaged
        Whether it starts from a store with lost rows, where not everything can be read before it is done.
    """

    prepare: Callable[[Path], None]
    run: Callable[[Path], None]
    before: tuple[str, ...] = ("base.x", "other.x", "base.layer")
    after: tuple[str, ...] = ("base.x", "other.x", "base.layer")
    is_damaged: bool = False


WORKS: Mapping[str, Work] = {
    "open": Work(_nothing, _open, (), ()),
    "log": Work(fill, _log, after=("base.x", "other.x", "base.layer", "new.x")),
    "session": Work(fill, _log_many, after=("base.x", "other.x", "base.layer", "many.x", "many.y", "many.layer")),
    "delete": Work(fill, _delete, ("base.x", "base.layer"), ("base.x", "base.layer")),
    "gc": Work(fill, _collect),
    "compact": Work(_fill_similar, _compact),
    "rebuild": Work(_fill_and_lose_rows, _rebuild, after=("base.x", "other.x", "base.layer", "new.x"), is_damaged=True),
}
