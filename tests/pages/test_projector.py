"""What TensorBoard's embedding projector shows of an export, in a real browser: points, labels and pictures."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.exports.tensorboard import export_projector
from tests.headless import headless_chromium
from tests.tensorboard_server import tensorboard_of

pytest.importorskip("tensorboard")

ROWS = 90
RED, GREEN = (220, 30, 30), (30, 180, 60)


def test_the_projector_in_the_browser(tmp_path: Path) -> None:
    """Red pictures at one end and green ones at the other are drawn there, and a search finds a label's points."""
    is_red = np.arange(ROWS) % 2 == 0
    ends = np.where(is_red, -4.0, 4.0)[:, np.newaxis] * np.array([[1, 0, 0, 0]])
    vectors = (ends + np.random.default_rng(0).normal(size=(ROWS, 4))).astype("f4")
    pictures = np.where(is_red[:, np.newaxis, np.newaxis, np.newaxis], RED, GREEN) * np.ones((ROWS, 16, 16, 3))
    logs = tmp_path / "logs"
    with Mistique.open(tmp_path / "store") as store:
        store.log_array("pets", "net", "fc", vectors)
        store.log_array("pets", "net", "images", pictures.astype("u1"))
        store.log_frame("pets", "net", "labels", pd.DataFrame({"kind": np.where(is_red, "red one", "green one")}))
        export_projector(store, "pets.net.fc", logs, labels="pets.net.labels", images="pets.net.images")
    with ThreadPoolExecutor(1) as pool:  # in this thread a browser of other tests may be open, and there can be one
        pool.submit(look, logs).result()


def look(logs: Path) -> None:
    """Look at the projector, and check what it draws."""
    from PIL import Image

    errors: list[str] = []
    with tensorboard_of(logs) as address, headless_chromium(draws_in_3d=True) as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}#projector")
        frame = page.frame_locator("iframe").frame_locator("iframe")
        frame.get_by_text(f"Points: {ROWS}").wait_for(timeout=120_000)
        assert frame.get_by_text("Dimension: 4").is_visible()
        frame.locator("vz-projector-inspector-panel input").first.fill("red one")
        frame.get_by_text(f"{ROWS // 2} matches.").wait_for(timeout=30_000)
        frame.locator("vz-projector-inspector-panel input").first.fill("")
        scatter = frame.locator("#scatter")
        colours = np.zeros(2)
        for _ in range(40):
            shown = np.asarray(Image.open(io.BytesIO(scatter.screenshot())).convert("RGB")).astype(int)
            near = [np.abs(shown - colour).max(axis=2) < 60 for colour in (RED, GREEN)]
            colours = np.array([found.sum() for found in near])
            if colours.min() > 500:
                break
            page.wait_for_timeout(500)
        assert colours.min() > 500
        middles = [np.argwhere(found).mean(axis=0) for found in near]
        assert np.abs(middles[0] - middles[1]).max() > 100  # pixels between both groups
    assert errors == []
