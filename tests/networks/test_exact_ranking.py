"""Exact rankings over lossy layers, against what the network computes, as NumPy ranks it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray

from mistique_core import Mistique
from mistique_core.catalogue.intermediates import columns_of, find_intermediate
from mistique_core.catalogue.tables import column_chunk
from mistique_core.engine.chunk_reader import ReadTally
from mistique_core.engine.unit_bounds import UnitBounds
from mistique_core.errors import InvalidInputError, RerunError
from mistique_core.model import IntermediateKey
from mistique_core.quantizers.margins import MARGIN_PARTS, SKETCH
from mistique_core.store import Ranking
from tests.networks.architectures import cnn

ROWS = 400
IDS = np.random.default_rng(0).permutation(3 * ROWS)[:ROWS]
SCHEMES = ["kbit(8)", "bounded(0.25)", "float16"]
LAYERS = {"conv1": "max", "pool": "mean", "conv2": "max", "probabilities": "value"}


@pytest.fixture(scope="module")
def images() -> NDArray[np.float32]:
    """Return images around a few, of any contrast, so that some are near one another."""
    rng = np.random.default_rng(1)
    kinds = rng.normal(size=(12, 12, 12, 3))
    noise = rng.normal(size=(ROWS, 12, 12, 3)) * rng.uniform(0.05, 1.0, (ROWS, 1, 1, 1))
    return (kinds[rng.integers(0, 12, ROWS)] + noise).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> Any:
    return cnn().model


@pytest.fixture(scope="module")
def exact(network: Any, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return the layers in full precision."""
    import keras

    every = keras.Model(network.inputs, {name: network.get_layer(name).output for name in LAYERS})
    return {name: np.asarray(values) for name, values in every.predict_on_batch(images).items()}


@pytest.fixture(scope="module", params=SCHEMES)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, network: Any, images: NDArray[np.float32]
) -> Iterator[Mistique]:
    with Mistique.open(tmp_path_factory.mktemp("exact")) as opened:
        log(opened, network, images, request.param)
        yield opened


def log(store: Mistique, network: Any, images: NDArray[np.float32], scheme: Any, **options: Any) -> None:
    store.log_intermediates(
        network,
        lambda: {"row_id": IDS, "images": images},
        project="p",
        model="m",
        scheme=scheme,
        batch_rows=100,
        progress=False,
        **options,
    )


def check_top(found: Ranking, values: NDArray[Any], k: int, sign: int = -1) -> None:
    order = np.lexsort((IDS, sign * values))[:k]
    np.testing.assert_allclose(found.values, values[order], rtol=1e-5, atol=1e-6)
    apart = np.abs(np.diff(np.sort(values))).min() > 1e-6
    if apart:
        assert found.row_id.tolist() == IDS[order].tolist()
    assert len(set(found.row_id.tolist())) == k


@pytest.mark.parametrize("layer", LAYERS)
def test_top_rows_are_those_of_full_precision(
    store: Mistique, exact: dict[str, NDArray[np.float32]], layer: str
) -> None:
    by = LAYERS[layer]
    for unit in (0, 9):
        flat = exact[layer][..., unit].reshape(ROWS, -1).astype(np.float64)
        values = flat.mean(1) if by == "mean" else flat.max(1)
        for largest in (True, False):
            found = store.top_k(f"p.m.{layer}.{unit}", 15, largest=largest, by=by, exact=True)
            check_top(found, values, 15, -1 if largest else 1)
            assert found.exact
            assert found.max_abs_error == 0.0
            assert str(found.rerun_rows) in found.sentence


@pytest.mark.parametrize("layer", LAYERS)
def test_neighbours_are_those_of_full_precision(
    store: Mistique, exact: dict[str, NDArray[np.float32]], layer: str
) -> None:
    flat = exact[layer].reshape(ROWS, -1).astype(np.float64)
    for place in (5, 250):
        distances = np.sqrt(np.square(flat - flat[place]).sum(axis=1))
        distances[place] = np.inf
        order = np.lexsort((IDS, distances))[:8]
        found = store.nearest(f"p.m.{layer}", int(IDS[place]), 8, exact=True)
        assert found.row_id.tolist() == IDS[order].tolist()
        np.testing.assert_allclose(found.values, distances[order], rtol=1e-4)
        assert 9 <= found.rerun_rows < ROWS
        assert found.rerun_share < 0.5


def test_a_unit_alone_and_a_few_are_near_by_their_own_values(
    store: Mistique, exact: dict[str, NDArray[np.float32]]
) -> None:
    for units in ((3,), (2, 11, 17)):
        flat = exact["conv2"][..., units].reshape(ROWS, -1).astype(np.float64)
        distances = np.sqrt(np.square(flat - flat[7]).sum(axis=1))
        distances[7] = np.inf
        found = store.nearest([f"p.m.conv2.{unit}" for unit in units], int(IDS[7]), 5, exact=True)
        np.testing.assert_allclose(found.values, np.sort(distances)[:5], rtol=1e-4, atol=1e-5)


def test_all_rows_are_re_run_on_demand(store: Mistique, exact: dict[str, NDArray[np.float32]]) -> None:
    found = store.top_k("p.m.conv2.4", 3, by="max", exact=True, strategy="rerun")
    check_top(found, exact["conv2"][..., 4].reshape(ROWS, -1).max(1), 3)
    assert found.rerun_rows == ROWS
    assert found.plan.strategy == "rerun"
    near = store.nearest("p.m.conv2", int(IDS[1]), 3, exact=True, strategy="rerun")
    assert near.row_id.tolist() == store.nearest("p.m.conv2", int(IDS[1]), 3, exact=True).row_id.tolist()
    with pytest.raises(InvalidInputError, match="strategy='read' forbids"):
        store.nearest("p.m.conv2", int(IDS[1]), 3, exact=True, strategy="read")


def test_without_exact_what_is_stored_is_ranked(store: Mistique) -> None:
    stored = store.get_intermediates("p.m.conv2.4", strategy="read")
    found = store.top_k("p.m.conv2.4", 6, by="max", strategy="read")
    check_top(found, stored.values.reshape(ROWS, -1).max(1).astype(np.float64), 6)
    assert not found.exact
    assert found.max_abs_error == stored.max_abs_error
    assert found.rerun_rows == 0


@pytest.mark.parametrize("scheme", ["kbit(8)", "bounded(0.25)"])
def test_stores_without_margins_bound_by_codes_alone(
    scheme: str, network: Any, images: NDArray[np.float32], exact: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    """As those of an earlier release: the answers are the same, and more rows are re-run."""
    flat = exact["conv2"].reshape(ROWS, -1).astype(np.float64)
    distances = np.sqrt(np.square(flat - flat[9]).sum(axis=1))
    rerun = []
    with Mistique.open(tmp_path) as store:
        log(store, network, images, scheme, layers=["conv2"])
    for _ in range(2):
        with Mistique.open(tmp_path) as store:
            found = store.nearest("p.m.conv2", int(IDS[9]), 5, exact=True)
            np.testing.assert_allclose(found.values, np.sort(distances)[1:6], rtol=1e-4)
            check_top(
                store.top_k("p.m.conv2.4", 5, by="max", exact=True), exact["conv2"][..., 4].reshape(ROWS, -1).max(1), 5
            )
            rerun.append(found.rerun_rows)
            with store.catalogue.write() as connection:
                connection.execute(sa.delete(column_chunk).where(column_chunk.c.part.in_(MARGIN_PARTS)))
    assert rerun[0] < rerun[1]


def test_stores_of_norms_without_sketches_answer_the_same(
    network: Any, images: NDArray[np.float32], exact: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    """As those of an earlier release, whose bounds of distances were the norms of the errors alone."""
    flat = exact["conv1"].reshape(ROWS, -1).astype(np.float64)
    key = IntermediateKey.parse("p.m.conv1")
    lows, rerun = [], []
    with Mistique.open(tmp_path) as store:
        log(store, network, images, "bounded(1)", layers=["conv1"])
    for _ in range(2):
        with Mistique.open(tmp_path) as store:
            distances = np.sqrt(np.square(flat - flat[9]).sum(axis=1))
            found = store.nearest(str(key), int(IDS[9]), 5, exact=True)
            np.testing.assert_allclose(found.values, np.sort(distances)[1:6], rtol=1e-4)
            rerun.append(found.rerun_rows)
            with store.catalogue.write() as connection:
                record = find_intermediate(connection, key)
                bounds = UnitBounds(store.frame_reader, connection, ROWS, ReadTally())
                low, high = bounds.of_distance(columns_of(connection, record.ref.id), exact["conv1"][9])
                deleted = connection.execute(sa.delete(column_chunk).where(column_chunk.c.part == SKETCH))
            assert (low <= distances + 1e-4).all()
            assert (distances <= high + 1e-4).all()
            lows.append(low)
            assert bool(deleted.rowcount) == (len(lows) == 1)
    assert rerun[0] <= rerun[1]
    others = np.arange(ROWS) != 9
    assert (lows[0][others] > lows[1][others]).mean() > 0.95


def test_largest_values_of_maps_that_were_pooled_by_them(
    network: Any, images: NDArray[np.float32], exact: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    with Mistique.open(tmp_path) as store:
        schemes = {"conv1": "pool(S, max)", "pool": "pool(2, max)+bounded(0.25)", "conv2": "pool(2)+float16"}
        log(store, network, images, schemes, layers=list(schemes))
        for layer in ("conv1", "pool"):
            found = store.top_k(f"p.m.{layer}.7", 5, by="max", exact=True)
            check_top(found, exact[layer][..., 7].reshape(ROWS, -1).max(1), 5)
            assert found.rerun_rows < 0.05 * ROWS
        found = store.top_k("p.m.conv2.7", 5, by="mean", exact=True)
        check_top(found, exact["conv2"][..., 7].astype(np.float64).mean((1, 2)), 5)
        assert found.rerun_rows < ROWS
        for key, by in (("conv1.7", "mean"), ("conv2.7", "max"), ("pool.7", "min")):
            with pytest.raises(InvalidInputError, match=rf"does not bound the {by} of a map.*strategy='rerun'"):
                store.top_k(f"p.m.{key}", 5, by=by, exact=True)
            flat = exact[key[:-2]][..., 7].reshape(ROWS, -1).astype(np.float64)
            found = store.top_k(f"p.m.{key}", 5, by=by, exact=True, strategy="rerun")
            np.testing.assert_allclose(found.values, -np.sort(-getattr(flat, by)(axis=1))[:5], rtol=1e-5)
        with pytest.raises(InvalidInputError, match="does not bound distances"):
            store.nearest("p.m.pool", int(IDS[0]), exact=True)
        assert not store.nearest("p.m.pool", int(IDS[0]), strategy="read").exact


def test_thresholds_are_refused_and_deleted_inputs_end_exact_answers(
    network: Any, images: NDArray[np.float32], exact: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    with Mistique.open(tmp_path) as store:
        log(store, network, images, {"conv2": "threshold(90%)", "pool": "bounded(0.25)"}, layers=["conv2", "pool"])
        with pytest.raises(InvalidInputError, match=r"is stored as value > .*strategy='rerun'"):
            store.top_k("p.m.conv2.3", by="max", exact=True)
        found = store.nearest("p.m.conv2", int(IDS[2]), 4, exact=True, strategy="rerun")
        flat = exact["conv2"].reshape(ROWS, -1).astype(np.float64)
        np.testing.assert_allclose(found.values, np.sort(np.sqrt(np.square(flat - flat[2]).sum(1)))[1:5], rtol=1e-4)
        with pytest.raises(InvalidInputError, match="are maps"):
            store.top_k("p.m.pool.3", exact=True)
        store.delete("p", "m", intermediate="images", force=True)
        with pytest.raises(RerunError, match=r"needs rows of p\.m@1\.pool to be re-run.*was deleted.*exact=False"):
            store.top_k("p.m.pool.3", by="max", exact=True)
        assert len(store.top_k("p.m.pool.3", by="max").row_id) == 10
