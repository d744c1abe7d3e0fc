"""``mistique network log``."""

import re
from pathlib import Path

import numpy as np
import pytest

from mistique_core import Mistique
from mistique_core.cli.main import main
from tests.networks.architectures import cnn

Capture = pytest.CaptureFixture[str]


def test_a_saved_network_is_logged(tmp_path: Path, capsys: Capture) -> None:
    architecture = cnn()
    architecture.model.save(tmp_path / "cnn.keras")
    images = architecture.inputs["images"]
    np.save(tmp_path / "images.npy", images)
    np.savez(tmp_path / "named.npz", images=images, row_id=np.arange(83) + 7)
    log = ["--store", str(tmp_path / "s"), "network", "log", str(tmp_path / "cnn.keras"), "--project", "nets"]
    assert main([*log, "--model", "a", "--input", str(tmp_path / "images.npy")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split()[:3] == ["LAYER", "TYPE", "SHAPE"]
    assert out[-1].startswith("nets.a@1: 7 layers, 0 reused, 83 rows")
    options = ["--layer", "conv*", "--layer", "Dense", "--scheme", "Dense=lossless", "--scheme", "pool(2)+float16"]
    assert main([*log, "--model", "b", "--input", str(tmp_path / "named.npz"), *options]) == 0
    assert "nets.b@1: 3 layers" in capsys.readouterr().out
    assert main([*log, "--model", "c", "--input", "nets.a.images", "--no-reuse", "--batch-rows", "20"]) == 0
    with Mistique.open(tmp_path / "s") as store:
        shown = store.intermediates(model="b").set_index("intermediate")
        assert set(shown.index) == {"images", "conv1", "conv2", "probabilities"}
        assert store.get_intermediates("nets.b.conv1.0", n_ex=2).values.shape == (2, 6, 6)
        np.testing.assert_array_equal(store.get_intermediates("nets.b.probabilities").row_id, np.arange(83) + 7)
        np.testing.assert_allclose(
            store.get_intermediates("nets.b.probabilities").values,
            architecture.model.predict(images, verbose=0),
            rtol=1e-5,
        )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("none.npy", "--input .* does not exist"),
        ("text.npz", "holds no arrays of numbers"),
        ("a.b.c", "does not exist"),
    ],
)
def test_an_input_that_is_none(given: str, message: str, tmp_path: Path, capsys: Capture) -> None:
    cnn().model.save(tmp_path / "cnn.keras")
    (tmp_path / "text.npz").write_text("no archive")
    where = given if given == "a.b.c" else str(tmp_path / given)
    arguments = ["network", "log", str(tmp_path / "cnn.keras"), "--project", "p", "--model", "m", "--input", where]
    assert main(["--store", str(tmp_path / "s"), *arguments]) == 1
    assert re.search(message, capsys.readouterr().err)
