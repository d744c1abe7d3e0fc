"""Reading a layer and re-running the network answer alike, within the error that reading states."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mistique_core import Mistique
from mistique_core.errors import CorruptPartitionError, NotMaterializedError, RerunError
from tests.networks.architectures import Architecture, cnn, resnet, two_inputs

SCHEMES = [
    "lossless",
    "float16",
    "bounded(0.25)",
    "kbit(8)",
    "pool(2)+float16",
    "pool(S)",
    "pool(2, max)",
    "threshold(90%)",
]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("build", [cnn, two_inputs])
def test_both_ways_agree_for_all_rows_and_for_some(build: Any, scheme: str, tmp_path: Path) -> None:
    architecture: Architecture = build()
    ids = np.arange(architecture.rows)[::-1] * 2
    some = ids[[3, 40, 7]]
    with Mistique.open(tmp_path) as store:
        report = store.log_intermediates(
            architecture.model,
            lambda: {"row_id": ids, **architecture.inputs},
            project="nets",
            model="m",
            scheme=scheme,
            batch_rows=20,
        )
        for layer in report.layers:
            for rows in (None, some):
                read, rerun = (
                    store.get_intermediates(f"nets.m.{layer.name}", row_id=rows, strategy=way)  # type: ignore[arg-type]
                    for way in ("read", "rerun")
                )
                assert read.plan.strategy == "read"
                assert rerun.plan.strategy == "rerun"
                np.testing.assert_array_equal(read.row_id, rerun.row_id)
                assert read.values.shape == rerun.values.shape
                assert rerun.max_abs_error == 0.0
                found, exact = read.values.astype(np.float64), rerun.values.astype(np.float64)
                scale = np.abs(exact).max(initial=1e-30)
                if found.dtype != np.bool_:
                    assert np.abs(found - exact).max() <= read.max_abs_error * (1 + 1e-6) + 4e-6 * scale, layer.name


def test_one_unit_and_predicates_are_answered_by_a_re_run_too(tmp_path: Path) -> None:
    architecture = cnn()
    with Mistique.open(tmp_path) as store:
        store.log_intermediates(
            architecture.model, lambda: architecture.inputs, project="nets", model="m", scheme="lossless"
        )
        for key, where in (("conv2.5", None), ("probabilities.3", ("3", ">", 0.1)), ("flatten", ("7", ">", 0.0))):
            read, rerun = (
                store.get_intermediates(f"nets.m.{key}", where=where, strategy=way)  # type: ignore[arg-type]
                for way in ("read", "rerun")
            )
            np.testing.assert_array_equal(read.row_id, rerun.row_id)
            np.testing.assert_allclose(read.values, rerun.values, rtol=1e-4, atol=1e-6)


def test_a_re_run_begins_at_the_nearest_exact_layer_and_makes_the_wanted_rows_only(tmp_path: Path) -> None:
    architecture = resnet()
    with Mistique.open(tmp_path) as store:
        store.log_intermediates(
            architecture.model,
            lambda: architecture.inputs,
            project="nets",
            model="m",
            scheme={"add0": "lossless", "*": "bounded(0.5)"},
        )
        plan = store.explain("nets.m.logits", row_id=[5], strategy="rerun").targets[0]
        assert plan.frontier_labels == ("nets.m@1.add0",), "the others are lossy"
        assert plan.by_rows
        assert "norm0" not in plan.stage_labels
        result = store.get_intermediates("nets.m.logits", row_id=[5, 2], strategy="rerun")
        expected = architecture.model.predict(architecture.inputs["images"][[5, 2]], verbose=0)
        np.testing.assert_allclose(result.values, expected, rtol=1e-5, atol=1e-6)


def test_left_out_layers_belong_to_the_stage_of_the_next_one(tmp_path: Path) -> None:
    architecture = resnet()
    with Mistique.open(tmp_path) as store:
        store.log_intermediates(
            architecture.model,
            lambda: architecture.inputs,
            project="nets",
            model="m",
            layers=["add*", "Dense"],
            scheme="lossless",
        )
        plan = store.explain("nets.m.logits", strategy="rerun").targets[0]
        assert plan.stage_labels == ("logits",)
        result = store.get_intermediates("nets.m.logits", strategy="rerun")
        expected = architecture.model.predict(architecture.inputs["images"], verbose=0)
        np.testing.assert_allclose(result.values, expected, rtol=1e-5, atol=1e-6)


def test_damaged_bytes_of_a_layer_are_answered_by_a_re_run(tmp_path: Path) -> None:
    architecture = cnn()
    with Mistique.open(tmp_path) as store:
        store.log_intermediates(
            architecture.model, lambda: architecture.inputs, project="nets", model="m", scheme="lossless"
        )
        expected = store.get_intermediates("nets.m.conv2").values
    with Mistique.open(tmp_path, cache_bytes=0) as store:
        damage(store, "conv2")
        result = store.get_intermediates("nets.m.conv2")
        np.testing.assert_allclose(result.values, expected, rtol=1e-5, atol=1e-6)
        assert "damaged" in result.plan.targets[0].reason
        with pytest.raises(CorruptPartitionError):
            store.get_intermediates("nets.m.conv2", strategy="read")


def damage(store: Mistique, name: str) -> None:
    """Overwrite a stored chunk of a layer in its file."""
    from mistique_core.catalogue.chunks import column_chunks
    from mistique_core.catalogue.intermediates import columns_of, find_intermediate
    from mistique_core.model import IntermediateKey

    with store.catalogue.read() as connection:
        record = find_intermediate(connection, IntermediateKey("nets", "m", name))
        version = columns_of(connection, record.ref.id)[0].version
        chunk = column_chunks(connection, [version.id])[0][3]
    assert store.config.folder is not None
    (file,) = store.config.folder.rglob(chunk.partition)
    file.chmod(0o644)
    with file.open("r+b") as opened:
        opened.seek(chunk.location.offset)
        opened.write(bytes(chunk.location.size))


def test_a_layer_of_ones_own_is_re_run_by_its_class_and_a_lambda_is_not(tmp_path: Path) -> None:
    import keras
    from keras import layers

    from tests.networks.own_layers import Scaled

    inputs = keras.Input((4,), name="x")
    scaled = Scaled(3.0, name="scaled")(inputs)
    doubled = layers.Lambda(lambda values: values * 2, name="doubled")(scaled)
    model = keras.Model(inputs, doubled)
    rows = np.arange(40, dtype=np.float32).reshape(10, 4)
    with Mistique.open(tmp_path) as store:

        def log() -> Any:
            return store.log_intermediates(model, lambda: rows, project="nets", model="m", scheme="lossless")

        log()
        np.testing.assert_array_equal(store.get_intermediates("nets.m.scaled", strategy="rerun").values, rows * 3)
        np.testing.assert_array_equal(store.get_intermediates("nets.m.doubled").values, rows * 6)
        with pytest.raises((RerunError, NotMaterializedError), match=r"cannot be rebuilt|cannot be re-run"):
            store.get_intermediates("nets.m.doubled", strategy="rerun")
        assert [layer.state for layer in log().layers] == ["reused", "stored"]


def test_two_layers_of_one_query_are_made_in_one_pass(tmp_path: Path) -> None:
    """The deeper layer begins where the other one ends; both are what each alone is."""
    from mistique_core.store import Query

    architecture = cnn()
    with Mistique.open(tmp_path) as store:
        store.log_intermediates(
            architecture.model, lambda: architecture.inputs, project="nets", model="m", scheme="bounded(0.5)"
        )
        queries = [Query(f"nets.m.{name}", strategy="rerun") for name in ("flatten", "conv2")]
        alone = [store.get_intermediates(query.keys, strategy="rerun") for query in queries]
        together = store.get_many(queries)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    deep, shallow = together[0].plan.targets[0], together[1].plan.targets[0]
    assert set(deep.stage_labels).isdisjoint(shallow.stage_labels)
    assert deep.frontier_labels == ("nets.m@1.conv2",)
