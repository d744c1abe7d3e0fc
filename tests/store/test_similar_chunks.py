"""Approximate dedup through the store: nearly equal columns take little, and no value changes."""

import json
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401 (registers the zstd filter)
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.tables import chunk

ROWS = 20_000
RANDOM = np.random.default_rng(5)
BASE = pd.DataFrame({"a": RANDOM.lognormal(8, 1, ROWS), "b": RANDOM.normal(size=ROWS).astype("f4")})
BASE["cents"] = RANDOM.lognormal(9, 1, ROWS).round(2)
BASE.loc[BASE.index % 11 == 0, ["a", "cents"]] = np.nan


def filled() -> pd.DataFrame:
    """Return the table with what is missing filled in, and a few other values changed."""
    frame = BASE.fillna({"a": BASE["a"].mean(), "cents": 123.45})
    frame.loc[frame.index % 503 == 0, "b"] *= np.float32(1.5)
    return frame


def differences(store: Mistique) -> list[str]:
    """Return the codecs of all chunks that are differences."""
    with store.catalogue.read() as connection:
        return list(connection.scalars(sa.select(chunk.c.codec).where(chunk.c.base_id.is_not(None))))


def test_similar_columns_are_differences(tmp_path: Path) -> None:
    """A filled-in column takes a fraction, both read back bit-equal, whole and in part, in a new process too."""
    with Mistique.open(tmp_path, approximate_dedup=True) as store:
        first = store.log_frame("p", "m", "x", BASE)
        second = store.log_frame("p", "m", "y", filled())
        assert second.new_columns == 3
        assert second.stored_bytes * 4 < first.stored_bytes
        assert len(differences(store)) == 3
        assert store.stats().delta_chunks == 3
        assert store.stats().delta_saved_bytes > second.stored_bytes
    with Mistique.open(tmp_path, cache_bytes=0) as store:
        for name, frame in (("y", filled()), ("x", BASE)):
            answer = store.get_intermediates(f"p.m.{name}", strategy="read").frame
            pd.testing.assert_frame_equal(answer, frame.rename_axis("row_id"), check_exact=True)
            some = store.get_intermediates(f"p.m.{name}", row_id=[19_999, 0, 503], strategy="read").frame
            pd.testing.assert_frame_equal(some, frame.rename_axis("row_id").loc[[19_999, 0, 503]], check_exact=True)
        assert store.check(read_data=True).problems == ()


def test_the_index_survives_and_chains_stay_short(tmp_path: Path) -> None:
    """Later processes find the bases of earlier ones; a difference is never the base of another."""
    for step in range(4):
        with Mistique.open(tmp_path, approximate_dedup=True) as store:
            frame = BASE.copy()
            frame.loc[frame.index % 97 == step, "a"] = 1.0
            store.log_frame("p", "m", f"x{step}", frame)
    with Mistique.open(tmp_path) as store, store.catalogue.read() as connection:
        assert len(differences(store)) == 3
        base = chunk.alias("base")
        deep = sa.select(sa.func.count()).select_from(chunk.join(base, base.c.id == chunk.c.base_id))
        assert connection.scalar(deep.where(base.c.base_id.is_not(None))) == 0


def test_switched_off_nothing_is_looked_for(tmp_path: Path) -> None:
    """No difference is stored and nothing is indexed; the answers are the same."""
    with Mistique.open(tmp_path, approximate_dedup=False) as store:
        store.log_frame("p", "m", "x", BASE)
        store.log_frame("p", "m", "y", filled())
        assert differences(store) == []
        with store.catalogue.read() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM similar_band")) == 0
        answer = store.get_intermediates("p.m.y", strategy="read").frame
        pd.testing.assert_frame_equal(answer, filled().rename_axis("row_id"), check_exact=True)


@pytest.mark.parametrize("scheme", ["bounded(0.2)", "kbit(8)"])
def test_activations_cost_nothing(tmp_path: Path, scheme: str) -> None:
    """Quantized units never enter the index."""
    values = np.maximum(RANDOM.normal(size=(500, 8, 8, 16)), 0).astype("f4")
    with Mistique.open(tmp_path, approximate_dedup=True) as store:
        store.log_array("p", "m", "layer", values, scheme=scheme)
        with store.catalogue.read() as connection:
            keys = sa.text("SELECT count(*) FROM similar_band JOIN column_chunk USING (chunk_id) WHERE part = 'codes'")
            assert connection.scalar(keys) == 0


def test_plain_h5py_finds_the_base(tmp_path: Path) -> None:
    """A difference names its base by content address, and both are datasets of that name."""
    with Mistique.open(tmp_path, approximate_dedup=True) as store:
        store.log_frame("p", "m", "x", BASE)
        store.log_frame("p", "m", "y", filled())
        bases = {json.loads(codec)["transform"]["delta"] for codec in differences(store)}
    names: dict[str, str] = {}
    for path in (tmp_path / "partitions").rglob("*.h5"):
        with h5py.File(path, "r") as file:
            for name, dataset in file["chunks"].items():
                names[name] = bytes(dataset.attrs["codec"]).decode() if "codec" in dataset.attrs else ""
    assert bases
    assert bases <= names.keys()
    assert all("delta" not in names[base] for base in bases)
