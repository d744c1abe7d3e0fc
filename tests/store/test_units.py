"""Arrays of units through the store, in every scheme, against NumPy."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, NotFoundError

RANDOM = np.random.default_rng(3)
MAPS = np.maximum(RANDOM.normal(size=(230, 6, 6, 21)), 0).astype("f4")
PIXELS = (RANDOM.integers(0, 256, (230, 6, 6, 21)) / 255).astype("f4")
FLAT = RANDOM.normal(size=(230, 40)).astype("f4")
IDS = RANDOM.permutation(1000)[:230]
BOUNDED_ERROR = ("float16", "kbit(8)", "kbit(3)", "bounded(0.25)", "bounded(0.05)")


@pytest.mark.parametrize("values", [MAPS, PIXELS, FLAT, FLAT.astype("f8"), (MAPS * 9).astype("u1"), FLAT[:, :1]])
@pytest.mark.parametrize("block_rows", [7, 1000])
def test_without_a_scheme_it_is_exact(tmp_path: Path, values: np.ndarray, block_rows: int) -> None:
    """All units, one unit, some rows, in the wanted order."""
    with Mistique.open(tmp_path, cache_bytes=0) as store:
        store.log_array("p", "m", "layer", values, row_id=IDS, block_rows=block_rows)
        answer = store.get_intermediates("p.m.layer")
        assert answer.values.dtype == values.dtype
        np.testing.assert_array_equal(answer.values, values)
        np.testing.assert_array_equal(answer.row_id, IDS)
        assert answer.max_abs_error == 0.0
        wanted = IDS[[200, 3, 77]]
        unit = values.shape[-1] - 1
        some = store.get_intermediates(f"p.m.layer.{unit}", row_id=wanted)
        np.testing.assert_array_equal(some.values, values[[200, 3, 77], ..., unit])
        assert store.check(read_data=True).problems == ()


@pytest.mark.parametrize("scheme", BOUNDED_ERROR)
@pytest.mark.parametrize("values", [MAPS, FLAT])
def test_lossy_schemes_keep_their_bound(tmp_path: Path, scheme: str, values: np.ndarray) -> None:
    """The answer says its bound, no value is further off, and parts equal the whole."""
    with Mistique.open(tmp_path) as store:
        report = store.log_array("p", "m", "layer", values, scheme=scheme, block_rows=50)
        assert report.stored_bytes < values.nbytes
        whole = store.get_intermediates("p.m.layer")
        assert 0 < whole.max_abs_error < 4.0
        assert np.abs(whole.values.astype("f8") - values).max() <= whole.max_abs_error
        one = store.get_intermediates("p.m.layer.5", row_id=[229, 0]).values
        np.testing.assert_array_equal(one, whole.values[[229, 0], ..., 5])
        assert store.intermediates()["intermediate"].tolist() == ["layer"]


def test_summaries(tmp_path: Path) -> None:
    """Pooling returns the pooled maps, a threshold one bit a value."""
    pooled = MAPS.reshape(230, 3, 2, 3, 2, 21).astype("f8").mean(axis=(2, 4))
    with Mistique.open(tmp_path) as store:
        store.log_array("p", "m", "pool", MAPS, scheme="pool(2)")
        store.log_array("p", "m", "all", MAPS, scheme="pool(S)")
        store.log_array("p", "m", "high", MAPS, scheme="threshold(value 1.5)")
        answer = store.get_intermediates("p.m.pool")
        assert answer.values.shape == (230, 3, 3, 21)
        assert np.abs(answer.values - pooled).max() <= answer.max_abs_error + 1e-12
        np.testing.assert_allclose(store.get_intermediates("p.m.all").values[:, 0, 0], MAPS.mean((1, 2)), rtol=1e-5)
        np.testing.assert_array_equal(store.get_intermediates("p.m.high").values, MAPS > 1.5)


def test_frames_of_units(tmp_path: Path) -> None:
    """Scalar units are columns of a frame; maps become one column a cell."""
    names = [f"n{unit}" for unit in range(40)]
    with Mistique.open(tmp_path) as store:
        store.log_array("p", "m", "dense", FLAT, names=names, row_id=IDS)
        store.log_array("p", "m", "conv", MAPS, row_id=IDS)
        frame = store.get_intermediates("p.m.dense", where=("n7", ">", 0.5)).to_pandas()
        expected = pd.DataFrame(FLAT, columns=names, index=pd.Index(IDS, name="row_id"))
        pd.testing.assert_frame_equal(frame, expected[expected["n7"] > 0.5], check_column_type=False)
        cells = store.get_intermediates("p.m.conv.3", row_id=IDS[:4]).to_pandas()
        assert list(cells.columns[:2]) == ["3[0,0]", "3[0,1]"]
        np.testing.assert_array_equal(cells.to_numpy().reshape(4, 6, 6), MAPS[:4, ..., 3])
        table = store.get_intermediates(["p.m.dense.n1", "p.m.dense.n2"]).to_arrow()
        np.testing.assert_array_equal(table["n2"].to_numpy(), FLAT[:, 2])


def test_equal_layers_are_stored_once(tmp_path: Path) -> None:
    """The same array under another name adds nothing; another scheme of it is another thing."""
    with Mistique.open(tmp_path) as store:
        first = store.log_array("p", "a", "layer", MAPS, scheme="bounded(0.25)")
        assert store.log_array("p", "b", "layer", MAPS, scheme="bounded(0.25)").stored_bytes == 0
        assert store.log_array("p", "c", "layer", MAPS, scheme="bounded(0.1)").stored_bytes > first.stored_bytes


def test_a_table_may_be_lossy_too(tmp_path: Path) -> None:
    """A scheme applies to the columns of floats, everything else is kept exactly."""
    frame = pd.DataFrame({"x": FLAT[:, 0].astype("f8"), "n": np.arange(230), "t": ["a", None] * 115})
    frame.loc[5, "x"] = np.nan
    with Mistique.open(tmp_path, block_rows=64) as store:
        store.log_frame("p", "m", "f", frame, scheme="bounded(0.01)")
        answer = store.get_intermediates("p.m.f")
        assert np.nanmax(np.abs(answer.frame["x"] - frame["x"])) <= answer.max_abs_error < 0.01
        assert answer.frame["x"].isna().tolist() == frame["x"].isna().tolist()
        pd.testing.assert_frame_equal(answer.frame[["n", "t"]], frame[["n", "t"]].rename_axis("row_id"))
        some = store.get_intermediates("p.m.f", row_id=[5, 200, 64]).frame
        pd.testing.assert_frame_equal(some, answer.frame.loc[[5, 200, 64]])


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (FLAT[:, 0], {}, "has shape"),
        (FLAT.astype(complex), {}, "array of dtype complex128"),
        (FLAT, {"names": ["a"] * 40}, "give each its own"),
        (FLAT, {"row_id": [1, 2]}, "230 rows but 2 row ids"),
        (FLAT, {"row_id": np.zeros(230, int)}, "row_id"),
        (FLAT, {"scheme": "bounded(-1)"}, "bounded"),
        (FLAT, {"scheme": "boundet(0.1)"}, "did you mean"),
        (FLAT, {"scheme": "pool(2)"}, "pool"),
        (np.full_like(FLAT, np.nan), {"scheme": "kbit(8)"}, "kbit"),
        (FLAT * np.float32(1e30), {"scheme": "float16"}, "float16"),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, values: np.ndarray, options: dict[str, object], message: str) -> None:
    """A clear error, and nothing is written."""
    with Mistique.open(tmp_path) as store:
        with pytest.raises(InvalidInputError, match=message.replace("(", r"\(")) as caught:
            store.log_array("p", "m", "layer", values, **options)
        assert "\n" not in str(caught.value)
        assert store.stats().partitions == 0
        with pytest.raises(NotFoundError):
            store.get_intermediates("p.m@1.layer")


def test_maps_are_not_joined(tmp_path: Path) -> None:
    """Two layers of maps are asked for one by one."""
    with Mistique.open(tmp_path) as store:
        store.log_array("p", "m", "a", MAPS)
        store.log_array("p", "m", "b", MAPS)
        with pytest.raises(InvalidInputError, match="maps"):
            store.get_intermediates(["p.m.a", "p.m.b"])
