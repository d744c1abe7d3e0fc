"""Rows of an answer that are images are drawn as such; everything else is drawn as before."""

import base64
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique, diagnostics
from mistique_core.diagnostics.values.png import png, png_address

go = pytest.importorskip("plotly.graph_objects", reason="needs the extra 'ui'")

ROWS = 30
IDS = np.random.default_rng(1).permutation(ROWS) * 4


def decoded(data: bytes) -> np.ndarray:
    """Return the pixels of a PNG file without filters, read by its specification."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, parts = 8, {}
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        name, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert struct.unpack(">I", data[place + 8 + length : place + 12 + length])[0] == zlib.crc32(name + body)
        parts[name] = body
        place += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", parts[b"IHDR"][:10])
    assert depth == 8
    channels = {0: 1, 2: 3}[colour]
    rows = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, 1 + width * channels)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, channels)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (ROWS, 5, 7, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, images: np.ndarray) -> Iterator[Mistique]:
    rng = np.random.default_rng(3)
    with Mistique.open(tmp_path_factory.mktemp("store")) as opened:
        opened.log_array("p", "net", "images", images, row_id=IDS)
        opened.log_array("p", "net", "conv", rng.random((ROWS, 2, 3, 4), np.float32), row_id=IDS)
        opened.log_array("p", "net", "logits", rng.random((ROWS, 3), np.float32), row_id=IDS)
        labels = pd.DataFrame({"truth": rng.integers(0, 2, ROWS), "a": rng.integers(0, 2, ROWS)})
        labels["b"] = 1 - labels["truth"]
        opened.log_frame("p", "net", "labels", labels.set_index(pd.Index(IDS, name="row_id")))
        opened.log_array("p", "masks_only", "conv", rng.random((ROWS, 2, 3, 4), np.float32), row_id=IDS)
        opened.log_array("p", "masks_only", "masks", images, row_id=IDS)
        opened.log_array("p", "half", "images", images[:10], row_id=IDS[:10])
        opened.log_array("p", "half", "logits", rng.random((ROWS, 3), np.float32), row_id=IDS)
        yield opened


def drawn(figure: "go.Figure") -> list[np.ndarray]:
    found = [trace.source for trace in figure.data if trace.type == "image"]
    return [decoded(base64.b64decode(address.partition(",")[2])) for address in found]


def test_the_rows_with_the_highest_values_are_seen(store: Mistique, images: np.ndarray) -> None:
    answer = diagnostics.topk(store, "p.net.logits.1", k=7)
    figure = answer.figure()
    for row, picture in zip(answer.row_id, drawn(figure), strict=True):
        np.testing.assert_array_equal(picture, images[row == IDS][0])
    texts = [item.text for item in figure.layout.annotations]
    assert [text.partition(":")[0] for text in texts] == [f"row {row}" for row in answer.row_id]


def test_a_map_lies_below_its_image(store: Mistique, images: np.ndarray) -> None:
    answer = diagnostics.topk(store, "p.net.conv.2", k=9)
    figure = answer.figure()
    assert [picture.tolist() for picture in drawn(figure)] == [images[row == IDS][0].tolist() for row in answer.row_id]
    maps = [trace for trace in figure.data if trace.type == "heatmap"]
    for one, trace, above in zip(answer.arrays["maps"], maps, figure.data[::2], strict=True):
        np.testing.assert_array_equal(np.asarray(trace.z), one)
        tops, bottoms = (figure.layout[f"yaxis{item.yaxis[1:]}"].domain for item in (above, trace))
        assert bottoms[1] < tops[0]
        assert figure.layout[f"xaxis{above.xaxis[1:]}"].domain == figure.layout[f"xaxis{trace.xaxis[1:]}"].domain


def test_the_row_is_seen_before_its_neighbours(store: Mistique, images: np.ndarray) -> None:
    answer = diagnostics.knn(store, "p.net.conv", int(IDS[4]), k=5, columns=["p.net.labels.truth"])
    figure = answer.figure()
    expected = [int(IDS[4]), *answer.row_id.tolist()]
    assert [picture.tolist() for picture in drawn(figure)] == [images[row == IDS][0].tolist() for row in expected]
    texts = [item.text for item in figure.layout.annotations]
    assert texts[0].startswith(f"row {IDS[4]}, asked for<br>truth: ")
    assert all("<br>truth: " in text for text in texts)


def test_mispredicted_rows_are_seen(store: Mistique, images: np.ndarray) -> None:
    keys = [f"p.net.labels.{name}" for name in ("truth", "a", "b")]
    answer = diagnostics.mispredicted(store, *keys)
    assert len(answer.row_id)
    shown = drawn(answer.figure())
    assert [picture.tolist() for picture in shown] == [images[row == IDS][0].tolist() for row in answer.row_id[:24]]


def test_only_so_many_are_drawn_and_the_title_says_so(store: Mistique) -> None:
    figure = diagnostics.topk(store, "p.net.logits.1", k=28).figure()
    assert len(drawn(figure)) == 24
    assert "The first 24 of 28 are shown." in figure.layout.title.text.replace("<br>", " ")


@pytest.mark.parametrize(("k", "note"), [(23, False), (24, True), (28, True)])
def test_the_row_that_was_asked_for_is_no_neighbour(store: Mistique, k: int, note: bool) -> None:
    figure = diagnostics.knn(store, "p.net.logits", int(IDS[0]), k=k).figure()
    assert len(drawn(figure)) == 24
    assert (f"The first 23 of {k} are shown." in figure.layout.title.text.replace("<br>", " ")) == note


@pytest.mark.parametrize("key", ["p.masks_only.conv.1", "p.half.logits.1"])
def test_without_images_of_all_rows_nothing_changes(store: Mistique, key: str) -> None:
    answer = diagnostics.topk(store, key, k=20)
    assert answer.images() is None
    assert {trace.type for trace in answer.figure().data} <= {"bar", "heatmap"}


def test_damaged_images_are_left_out(images: np.ndarray, tmp_path: Path) -> None:
    with Mistique.open(tmp_path) as opened:
        opened.log_array("p", "m", "logits", images[:, 0, 0].astype(np.float32), row_id=IDS)
        whole = set(tmp_path.rglob("*.h5"))
        opened.log_array("p", "m", "images", images, row_id=IDS)
    (damaged,) = set(tmp_path.rglob("*.h5")) - whole
    damaged.chmod(0o600)
    damaged.write_bytes(bytes(damaged.stat().st_size))
    with Mistique.open(tmp_path) as opened:
        answer = diagnostics.topk(opened, "p.m.logits.0", k=3, strategy="read")
        assert answer.images() is None
        assert {trace.type for trace in answer.figure().data} == {"bar"}


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 7, 1), (5, 7, 3), (300, 2, 3)])
def test_a_png_holds_the_pixels(shape: tuple[int, int, int]) -> None:
    picture = np.random.default_rng(5).integers(0, 256, shape).astype(np.uint8)
    np.testing.assert_array_equal(decoded(png(picture)), picture)
    assert png_address(picture).startswith("data:image/png;base64,")


def test_large_images_are_thinned_out(tmp_path: Path) -> None:
    pictures = np.random.default_rng(6).integers(0, 256, (4, 600, 500, 1)).astype(np.uint8)
    with Mistique.open(tmp_path) as opened:
        opened.log_array("p", "m", "images", pictures)
        opened.log_array("p", "m", "logits", np.arange(4, dtype=np.float32)[:, None])
        shown = drawn(diagnostics.topk(opened, "p.m.logits.0", k=1).figure())
    np.testing.assert_array_equal(shown[0], pictures[3, ::3, ::3])
