"""Training and capturing networks in DAGs that Airflow runs in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray
from scipy.special import softmax

from mistique_core import Mistique
from mistique_core.catalogue import tables
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.model import BlockShare
from mistique_core.modeldb.runs import find_run
from mistique_core.predictions.found import find_predictions
from tests.airflow_home import ROOT

keras = pytest.importorskip("keras")

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]

RunDag = Callable[..., Any]


def result(dag_run: Any, task_id: str, key: str = "return_value") -> Any:
    """Return what a task pushed; of a mapped task, a list in order."""
    from tests.operators.test_stages_in_dags import xcoms

    found = {index: value for (task, index, name), value in xcoms(dag_run).items() if (task, name) == (task_id, key)}
    return found[-1] if set(found) == {-1} else [found[index] for index in sorted(found)]


def activations(store: Mistique, key: str) -> tuple[list[int], NDArray[Any]]:
    answer = store.get_intermediates(key, strategy="read")
    return list(answer.row_id), np.asarray(answer.values)


def layer_of(network: Any, name: str, x: NDArray[Any]) -> NDArray[Any]:
    """Return what a dense layer of the small network gives, by NumPy."""
    values = x.astype(np.float64)
    for layer, bend in (("hidden", True), ("answer", False)):
        kernel, bias = network.get_layer(layer).get_weights()
        values = values @ kernel + bias
        values = np.maximum(values, 0) if bend else values
        if layer == name:
            break
    return values


def test_training_keeps_files_curve_and_facts(run_dag: RunDag, home: Path, tmp_path: Path) -> None:
    """The same training by hand, with the same seed, gives the same curve and the same weights."""
    from tests.operators.sample_networks import small_data, small_network, training_dag

    dag_run = run_dag(training_dag(tmp_path, formats=("weights", "keras")))
    assert dag_run.state == "success"
    keras.utils.set_random_seed(0)
    network = small_network(4)
    (x, y), validation = small_data()
    by_hand = network.fit(x, y, validation_data=validation, epochs=5, batch_size=4, verbose=0).history

    folder = tmp_path / "sample_training"
    assert result(dag_run, "train") == [
        {"model": f"small_epoch0{epoch}", "network": str(folder / f"epoch0{epoch}.weights.h5")} for epoch in (2, 4)
    ]
    assert sorted(path.name for path in folder.iterdir()) == [
        f"epoch0{epoch}.{end}" for epoch in (2, 4) for end in ("keras", "weights.h5")
    ]
    assert result(dag_run, "train", "captured") == {}
    with Mistique.open(home) as store:
        curve = store.get_intermediates("toys.small.train_history").frame
        with store.catalogue.read() as connection:
            (stage,) = find_run(connection, dag_run.dag_id, dag_run.run_id).stages
    expected = pd.DataFrame(by_hand, index=pd.RangeIndex(1, 6, name="row_id"))
    pd.testing.assert_frame_equal(curve[list(expected)], expected, check_index_type=False, rtol=1e-5)
    assert stage.metrics == pytest.approx({name: values[-1] for name, values in by_hand.items()}, rel=1e-5)
    facts = stage.hyperparameters
    assert (facts["epochs"], facts["batch_size"], facts["seed"], facts["loss"]) == (5, 4, 0, "mean_squared_error")
    assert (facts["optimizer"], facts["optimizer_learning_rate"]) == ("SGD", pytest.approx(0.05))
    assert facts["architecture"] == [
        {"name": "x", "type": "InputLayer", "shape": [2], "weights": 0, "trainable": True},
        {"name": "hidden", "type": "Dense", "shape": [4], "weights": 12, "trainable": True},
        {"name": "answer", "type": "Dense", "shape": [1], "weights": 5, "trainable": True},
    ]
    assert result(dag_run, "train", "history")["intermediate"] == "train_history"


def test_training_captures_its_own_layers(run_dag: RunDag, home: Path, tmp_path: Path) -> None:
    """In the process that trains, without files of the network, each checkpoint being a model of its own."""
    from tests.operators.sample_networks import capture, points, training_dag

    dag_run = run_dag(training_dag(tmp_path, **capture(layers=["Dense"], input_arguments={"rows": 9})))
    assert dag_run.state == "success"
    reports = result(dag_run, "train", "captured")
    assert list(reports) == ["small_epoch02", "small_epoch04"]
    with Mistique.open(home) as store:
        for checkpoint in result(dag_run, "train"):
            network = keras.saving.load_model(checkpoint["network"])
            model = checkpoint["model"]
            assert {layer["name"] for layer in reports[model]["layers"]} == {"hidden", "answer"}
            for layer in ("hidden", "answer"):
                ids, values = activations(store, f"toys.{model}.{layer}.*")
                assert ids == list(range(100, 109))
                np.testing.assert_allclose(values, layer_of(network, layer, points(9)), rtol=1e-4, atol=1e-6)


def test_nothing_to_keep(run_dag: RunDag, home: Path, tmp_path: Path) -> None:
    """Only the curve is kept."""
    from tests.operators.sample_networks import training_dag

    dag = training_dag(tmp_path)
    dag.get_task("train").folder = ""
    dag_run = run_dag(dag)
    assert dag_run.state == "success"
    assert result(dag_run, "train") == []
    assert not (tmp_path / "sample_training").exists()
    with Mistique.open(home) as store:
        assert len(store.get_intermediates("toys.small.train_history").frame) == 5


def test_checkpoints_are_captured_by_mapped_tasks(run_dag: RunDag, home: Path, tmp_path: Path) -> None:
    from tests.operators.sample_networks import checkpoints_dag, points

    dag_run = run_dag(checkpoints_dag(tmp_path))
    assert dag_run.state == "success"
    reports = result(dag_run, "capture")
    assert [report["rows"] for report in reports] == [24, 24]
    with Mistique.open(home) as store:
        for checkpoint in result(dag_run, "train"):
            network = keras.saving.load_model(checkpoint["network"])
            ids, values = activations(store, f"toys.{checkpoint['model']}.hidden.*")
            assert ids == list(range(100, 124))
            np.testing.assert_allclose(values, layer_of(network, "hidden", points()), rtol=1e-4, atol=1e-6)


def test_row_blocks_are_captured_by_mapped_tasks(run_dag: RunDag, home: Path, tmp_path: Path) -> None:
    """What was pending after the first range is there after the last one; of the layers only those that were named."""
    from tests.operators.sample_networks import blocks_dag, points, small_network

    weights = tmp_path / "w.weights.h5"
    network = small_network(2)
    network.get_layer("hidden").set_weights([np.array([[1, -1], [2, 0]], np.float32), np.ones(2, np.float32)])
    network.save_weights(weights)
    dag_run = run_dag(blocks_dag(weights))
    assert dag_run.state == "success"
    with Mistique.open(home) as store, store.catalogue.read() as connection:
        stages = find_run(connection, dag_run.dag_id, dag_run.run_id).stages
    assert {stage.task_id for stage in stages} == {"capture"}
    states = [{layer["state"] for layer in report["layers"]} for report in result(dag_run, "capture")]
    assert sorted(states, key=min) == [{"pending"}, {"stored"}], "whichever of the two ranges came last"
    with Mistique.open(home) as store:
        assert set(store.intermediates("toys", "small")["intermediate"]) == {"x", "hidden"}
        ids, values = activations(store, "toys.small.hidden.*")
    assert ids == list(range(100, 124))
    np.testing.assert_allclose(values, layer_of(network, "hidden", points()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("blocks", [[3], [2, 2], [-1, 2], "all", "0/4", "5/4", "1/2/3", [0, None], 7, range(0, 9, 2)])
def test_blocks_that_are_no_range(blocks: Any) -> None:
    with pytest.raises(InvalidInputError, match="no range of row blocks"):
        BlockShare.parse(blocks)


def test_an_input_function_that_does_not_exist() -> None:
    from operators.named_function import named_function

    with pytest.raises(NotFoundError, match=r"input_function 'tests.*:small_inputs' cannot be used"):
        named_function("tests.operators.sample_networks:small_inputs", None, "input_function")


def test_a_dag_that_only_captures_is_recorded(tmp_path: Path) -> None:
    """Else its model versions would never become complete."""
    from airflow.serialization.serialized_objects import DagSerialization

    from operators.run_report import has_stages
    from tests.operators.sample_networks import blocks_dag

    dag = blocks_dag(tmp_path / "w.weights.h5")
    assert has_stages(dag)
    assert has_stages(DagSerialization.from_dict(DagSerialization.to_dict(dag)))


@pytest.mark.parametrize("name", ["cnn", "vgg16"])
def test_the_example_dags(name: str, run_dag: RunDag, home: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """Two checkpoints of each network; labels align with activations; frozen layers are the same in both."""
    from airflow.dag_processing.dagbag import DagBag

    from mistique_core.workflows.cifar import read_images

    monkeypatch.delenv("MISTIQUE_CIFAR10", raising=False)
    dag = DagBag(str(ROOT / "dags" / "cifar10.py")).dags[f"cifar10_{name}"]
    sizes = {"rows": 40, "epochs": 2, "scheme": "pool(4)+float16"}
    conf = {**sizes, "folder": str(tmp_path / "files")} if name == "cnn" else sizes
    dag_run = run_dag(dag, conf)
    assert dag_run.state == "success"
    assert [item["model"] for item in result(dag_run, "train")] == [f"{name}_epoch01", f"{name}_epoch02"]
    with Mistique.open(home) as store:
        labels = store.get_intermediates(f"cifar10.{name}.labels.*").to_pandas()
        assert list(labels["label"]) == list(read_images(40).labels)
        first, second = (
            {layer: activations(store, f"cifar10.{name}_epoch0{epoch}.{layer}.*") for layer in LAYERS}
            for epoch in (1, 2)
        )
        told = [store.get_intermediates(f"cifar10.{name}.predictions_{place}.*").to_pandas() for place in (0, 1)]
        with store.catalogue.read() as connection:
            project = connection.scalar(sa.select(tables.project.c.id))
        found = find_predictions(store.catalogue, project)
    for frame, layers in zip(told, (first, second), strict=True):
        assert list(frame["class"]) == list(labels["class"])
        shares = frame.filter(like="probability_").to_numpy()
        np.testing.assert_allclose(shares, softmax(layers["logits"][1].astype(np.float64), axis=1), rtol=1e-5)
        names = labels["class"].cat.categories[shares.argmax(axis=1)]
        assert list(frame["prediction"]) == list(names)
    assert [item.name for item in found] == [f"{name}@1.predictions_{place}" for place in (0, 1)]
    for layer, (ids, values) in first.items():
        assert ids == list(labels.index)
        assert np.isfinite(values).all()
        frozen = name == "vgg16" and layer.startswith("block")
        assert np.array_equal(values, second[layer][1]) == frozen
    reports = list(result(dag_run, "train", "captured").values()) if name == "vgg16" else result(dag_run, "capture")
    reused = {layer["name"] for layer in reports[1]["layers"] if layer["state"] == "reused"}
    assert len(reports[0]["layers"]) == len(reports[1]["layers"])
    assert reused == (
        {layer["name"] for layer in reports[1]["layers"]} - {"dense", "logits"} if name == "vgg16" else set()
    )


LAYERS = ("block1_conv1", "block2_pool", "dense", "logits")
