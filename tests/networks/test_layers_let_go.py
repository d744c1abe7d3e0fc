"""Layers are let go and kept again with the bits that were recorded, whatever their scheme."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.holdings import load_holdings
from mistique_core.catalogue.intermediates import columns_of, find_intermediate
from mistique_core.catalogue.tables import intermediate
from mistique_core.catalogue.unstored import pack_unstored, unpack_unstored
from mistique_core.errors import NotMaterializedError
from mistique_core.model import IntermediateKey
from tests.networks.architectures import cnn, resnet
from tests.networks.test_read_and_rerun import SCHEMES

BATCH_ROWS = 20
NEVER, AT_ONCE = 1e15, 1e-9
"""Seconds a GB that nothing saves, and that everything saves."""


def capture(store: Mistique, build: Any, scheme: Any) -> list[str]:
    architecture = build()
    report = store.log_intermediates(
        architecture.model,
        lambda: architecture.inputs,
        project="nets",
        model="m",
        scheme=scheme,
        batch_rows=BATCH_ROWS,
    )
    return [layer.name for layer in report.layers]


def addresses(store: Mistique, name: str) -> list[bytes]:
    with store.catalogue.read() as connection:
        record = find_intermediate(connection, IntermediateKey("nets", "m", name))
        return [column.version.address for column in columns_of(connection, record.ref.id)]


def kept(store: Mistique) -> dict[str, bool]:
    listed = store.intermediates("nets", "m")
    return dict(zip(listed["intermediate"], listed["kept"], strict=True))


def read(store: Mistique, name: str, way: Any = "read") -> np.ndarray[Any, Any]:
    return store.get_intermediates(f"nets.m.{name}", strategy=way).values


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_layer_is_kept_again_with_the_recorded_addresses(scheme: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        names = capture(store, cnn, scheme)
        expected = {name: read(store, name) for name in names}
        recorded = {name: addresses(store, name) for name in names}
        report = store.materialize("nets", "m", policy={"policy": "adaptive", "gamma_min": NEVER})
        assert (set(report.let_go), report.unequal) == (set(names), ())
        store.gc(grace_seconds=0)
        assert not any(kept(store)[name] for name in names)
        assert store.check(read_data=True).problems == ()
        for name in names:
            with pytest.raises(NotMaterializedError):
                read(store, name)
        lower_thresholds(store)
        for name in names:
            plan = store.get_intermediates(f"nets.m.{name}").plan
            # Dropout does nothing: what it gives is stored with the layer before it.
            assert plan.strategy == ("read" if name == "drop" else "rerun")
            assert plan.strategy == "read" or "it is kept from now on" in plan.reason, name
        assert [name for name in names if not kept(store)[name]] in ([], ["drop"])
        for name in names:
            assert addresses(store, name) == recorded[name]
            np.testing.assert_array_equal(read(store, name), expected[name])
        assert store.check(read_data=True).problems == ()


def lower_thresholds(store: Mistique) -> None:
    """Let every layer be kept at its next re-run."""
    with store.catalogue.write() as connection:
        for row in connection.execute(sa.select(intermediate).where(intermediate.c.unstored.is_not(None))).all():
            packed = pack_unstored(replace(unpack_unstored(row.unstored), gamma_min=AT_ONCE))
            connection.execute(sa.update(intermediate).where(intermediate.c.id == row.id).values(unstored=packed))


def test_some_rows_of_a_layer_that_is_not_stored_are_summarized_as_it_was(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        names = capture(store, cnn, "pool(2)+float16")
        some = [3, 40, 7]
        expected = {name: store.get_intermediates(f"nets.m.{name}", row_id=some, strategy="rerun") for name in names}
        store.materialize("nets", "m", policy={"policy": "adaptive", "gamma_min": NEVER})
        store.gc(grace_seconds=0)
        for name, before in expected.items():
            after = store.get_intermediates(f"nets.m.{name}", row_id=some)
            assert after.plan.strategy == "rerun"
            np.testing.assert_array_equal(after.values, before.values)


def test_groups_of_units_are_kept_alone_within_a_budget(tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as store:
        names = capture(store, cnn, "kbit(8)")
        store.get_intermediates("nets.m.conv2.5")
        expected = {name: read(store, name) for name in names}
        sizes = store.intermediates("nets", "m").set_index("intermediate")["stored_bytes"]
        limit = int(sizes["conv2"] + sizes["conv1"] // 4)
        store.materialize("nets", "m", policy={"policy": "budget", "bytes": limit})
        store.gc(grace_seconds=0)
        for name in [*names, "conv2", "conv1", "conv1", "conv1"]:
            result = store.get_intermediates(f"nets.m.{name}")
            if result.plan.strategy == "read":
                np.testing.assert_array_equal(result.values, expected[name])
            with store.catalogue.read() as connection:
                assert load_holdings(connection, None).total() <= limit
        assert store.check(read_data=True).problems == ()


def test_a_layer_that_was_computed_from_a_lossy_copy_stays(tmp_path: Path) -> None:
    """Exact values give other bits than what was recorded."""
    with Mistique.open(tmp_path) as store:
        architecture = resnet()
        for layers in (["add0"], None):
            report = store.log_intermediates(
                architecture.model,
                lambda: architecture.inputs,
                project="nets",
                model="m",
                layers=layers,
                scheme={"add0": "kbit(3)", "*": "lossless"},
                batch_rows=BATCH_ROWS,
            )
        assert dict(report.origin) == {"add0": "kbit(3)"}
        done = store.materialize("nets", "m", policy={"policy": "adaptive", "gamma_min": NEVER})
        assert "logits" in done.unequal
        assert kept(store)["logits"]


@pytest.mark.parametrize("scheme", ["lossless", "pool(2)"])
def test_a_layer_that_is_not_stored_is_streamed_by_windows(scheme: str, tmp_path: Path) -> None:
    """Each window is made from the same rows of what it begins with; averages as any re-run of some rows has them."""
    with Mistique.open(tmp_path) as store:
        names = capture(store, cnn, scheme)
        expected = {name: store.get_intermediates(f"nets.m.{name}", strategy="read") for name in names}
        store.materialize("nets", "m", policy={"policy": "adaptive", "gamma_min": NEVER})
        store.gc(grace_seconds=0)
        for name, whole in expected.items():
            batches = list(store.stream(f"nets.m.{name}", batch_rows=7).arrays())
            assert {len(batch["row_id"]) for batch in batches[:-1]} == {7}
            ids = np.concatenate([batch["row_id"] for batch in batches])
            np.testing.assert_array_equal(ids, whole.row_id)
            for place, unit in enumerate(whole.columns):
                made = np.concatenate([batch[unit] for batch in batches])
                # A batch of another length may differ in the last bits (docs/activations.md), here on some processors.
                most = whole.max_abs_error + 1e-6
                np.testing.assert_allclose(made, whole.values[..., place], rtol=1e-6, atol=most, err_msg=name)
        assert not store.intermediates("nets")["kept"].all()
