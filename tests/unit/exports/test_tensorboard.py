"""What TensorBoard itself shows of an export: its reader of event files, and its projector over HTTP."""

from __future__ import annotations

import io
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.cli.main import main
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.exports.tensorboard import export_curves, export_projector
from mistique_core.model import FitFacts, StageEvent, StageKind, TransformerEntity
from tests.tensorboard_server import tensorboard_of
from tests.unit.modeldb.recording import record

pytest.importorskip("tensorboard")

ROWS = 120
_RNG = np.random.default_rng(3)
VECTORS = _RNG.standard_normal((ROWS, 6)).astype("f4")
IMAGES = _RNG.integers(0, 256, (ROWS, 8, 6, 3)).astype("u1")
LABELS = pd.DataFrame(
    {"kind": _RNG.choice(["cat", "dog\tor wolf"], ROWS - 5), "age": np.arange(ROWS - 5)},
    index=pd.Index(np.arange(ROWS)[::-1][: ROWS - 5], name="row_id"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mistique]:
    with Mistique.open(tmp_path_factory.mktemp("tensorboard") / "store", block_rows=50) as opened:
        opened.log_array("pets", "net", "fc", VECTORS, block_rows=50)
        opened.log_array("pets", "net", "images", IMAGES, block_rows=50)
        opened.log_frame("pets", "net", "labels", LABELS)
        yield opened


def got(address: str) -> bytes:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError:  # before the runs are loaded
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_the_projector_shows_points_labels_and_images(store: Mistique, tmp_path: Path) -> None:
    """Each point is at its row's numbers, under its row's label, with its row's picture."""
    from PIL import Image

    made = export_projector(store, "pets.net.fc", tmp_path, labels="pets.net.labels", images="pets.net.images", rows=80)
    assert (made.rows, made.dimensions, made.left_out) == (80, 6, ())
    run = quote(made.folder.name)
    with tensorboard_of(tmp_path) as server:
        address = f"{server}data/plugin/projector/"
        config = json.loads(got(f"{address}info?run={run}"))
        (embedding,) = config["embeddings"]
        name = quote(embedding["tensorName"])
        table = pd.read_csv(io.BytesIO(got(f"{address}metadata?run={run}&name={name}")), sep="\t")
        tensor = np.frombuffer(got(f"{address}tensor?run={run}&name={name}"), "<f4").reshape(80, 6)
        sprite = np.asarray(Image.open(io.BytesIO(got(f"{address}sprite_image?run={run}&name={name}"))))
    assert embedding["tensorShape"] == [80, 6]
    assert embedding["sprite"]["singleImageDim"] == [6, 8]
    ids = table["row_id"].to_numpy()
    np.testing.assert_array_equal(tensor, VECTORS[ids])
    expected = LABELS.reindex(ids)
    assert table["age"].tolist() == pytest.approx(expected["age"].tolist(), nan_ok=True)
    words = expected["kind"].str.replace("\t", " ")
    assert table["kind"].fillna("").tolist() == words.fillna("").tolist()
    for place, row in enumerate(ids):
        top, left = place // 9 * 8, place % 9 * 6
        np.testing.assert_array_equal(sprite[top : top + 8, left : left + 6, :3], IMAGES[row])


def test_curves_and_metrics_are_scalars(tmp_path: Path) -> None:
    """TensorBoard's own reader gives the recorded values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    losses = (0.9, 0.5, 0.25)
    with Mistique.open(tmp_path / "store") as store:
        for factor in (1, 2):
            model = TransformerEntity(FitFacts("Net", history={"loss": tuple(value * factor for value in losses)}))
            fit = StageEvent(
                StageKind.FIT, "train", "m:Fit", "Net", fitted={"": model}, metrics={"accuracy": 0.75}, ended_at=9.0
            )
            record(store.catalogue, "pets", "net", [fit])
        points = export_curves(store, "pets", "net", tmp_path / "logs")
        export_curves(store, "pets", "net", tmp_path / "logs")
        with pytest.raises(NotFoundError, match="has no version 7"):
            export_curves(store, "pets", "net", tmp_path / "logs", version=7)
    assert points == {1: 4, 2: 4}
    for number in (1, 2):
        events = EventAccumulator(str(tmp_path / "logs" / f"pets.net@{number}")).Reload()
        read = [(event.step, event.value) for event in events.Scalars("train/loss")]
        assert read == [(step, pytest.approx(value * number)) for step, value in enumerate(losses)]
        assert [event.value for event in events.Scalars("metrics/train/accuracy")] == [0.75]


def test_rows_that_are_not_finite_are_left_out(store: Mistique, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [1, 2, 3], "c": ["x", "y", "z"]}).rename_axis("row_id")
    store.log_frame("pets", "table", "t", frame)
    made = export_projector(store, "pets.table.t", tmp_path)
    assert (made.rows, made.left_out_rows, made.left_out) == (2, 1, ("c",))
    np.testing.assert_array_equal(np.loadtxt(made.folder / "tensors.tsv"), [[1, 1], [3, 3]])
    assert (made.folder / "metadata.tsv").read_text() == "0\n2\n"


def test_errors_name_the_remedy(store: Mistique, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="at least 1"):
        export_projector(store, "pets.net.fc", tmp_path, rows=0)
    with pytest.raises(InvalidInputError, match="no images"):
        export_projector(store, "pets.net.fc", tmp_path, images="pets.net.fc")
    with pytest.raises(InvalidInputError, match="no column of numbers"):
        export_projector(store, "pets.net.labels.kind", tmp_path)


def test_the_command(store: Mistique, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--store", store.config.location, "tensorboard"]
    assert main([*options, "pets.net.fc", "--logdir", str(tmp_path), "--labels", "pets.net.labels.kind"]) == 0
    assert "120 points of 6 numbers" in capsys.readouterr().out.replace("\n", " ")
    assert main([*options, "pets.net", "--logdir", str(tmp_path)]) == 0
    assert "pets.net@1: 0 points" in capsys.readouterr().out
    assert main([*options, "pets.net", "--logdir", str(tmp_path), "--labels", "pets.net.labels.kind"]) == 1
