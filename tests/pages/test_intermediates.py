"""The intermediates in the browser, against pandas, NumPy and the values that were logged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest
from mistique_ui.formats import format_number

from mistique_core import Mistique
from mistique_core.catalogue.intermediates import find_intermediate
from mistique_core.model import IntermediateKey
from tests.pages import network
from tests.pages.conftest import StandAlone, served

NAME = "shapes.truth.classes.name"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandAlone]:
    """The pages of a store with a small network."""
    if find_spec("tensorflow") is None:
        pytest.skip("tensorflow is not installed: pip install 'mistique-airflow[dnn]'")
    folder: Path = tmp_path_factory.mktemp("shapes")
    with Mistique.open(folder / "store") as store:
        network.fill(store)
        yield from served(store)


def address(site: StandAlone, key: str, **query: Any) -> str:
    with site.store.catalogue.read() as connection:
        found = find_intermediate(connection, IntermediateKey.parse(key)).ref.id
    return f"/mistique/app/intermediates?{urlencode({'intermediate': found, **query})}"


def pixels(page: Any, selector: str) -> np.ndarray:
    """Return what the browser decodes from an image, uint8 (height, width, 3)."""
    script = """image => { const canvas = document.createElement("canvas");
      canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
      const context = canvas.getContext("2d"); context.drawImage(image, 0, 0);
      const found = context.getImageData(0, 0, canvas.width, canvas.height).data;
      return [image.naturalHeight, image.naturalWidth, [...found]]; }"""
    height, width, data = page.locator(selector).first.evaluate(script)
    return np.array(data, dtype=np.uint8).reshape(height, width, 4)[..., :3]


def test_a_column_by_group_is_what_pandas_says(site: StandAlone, open_page: Callable[..., Any]) -> None:
    key = "attrition.logistic.answer"
    page = open_page(site, address(site, key, column="Age", group=f"{key}.Attrition"))
    page.locator("#intermediates-facts").wait_for()
    frame = site.store.get_intermediates(f"{key}.*").to_pandas()
    for group, values in frame.groupby("Attrition")["Age"]:
        row = page.locator("#intermediates-facts tbody tr").filter(has=page.get_by_role("rowheader", name=str(group)))
        shown = row.locator("td").all_inner_texts()
        quartiles = [float(values.quantile(share)) for share in (0, 0.25, 0.5, 0.75, 1)]
        expected = [len(values), 0, 0, float(values.mean()), float(values.std()), *quartiles]
        assert shown == [format_number(value) for value in expected]
    page.wait_for_function("() => document.querySelector('#intermediates-histogram .js-plotly-plot')?.data?.length")
    bars = page.evaluate("document.querySelector('#intermediates-histogram .js-plotly-plot').data.map(t => t.y)")
    counts, _ = np.histogram(frame["Age"], bins=30)
    assert np.sum([list(bar) for bar in bars], axis=0).tolist() == counts.tolist()
    page.locator("#intermediates-rows [row-index='1'] [col-id='c0']").wait_for()
    cells = page.locator("#intermediates-rows .ag-center-cols-container [row-index='1'] [role=gridcell]")
    first = dict(zip(frame.columns, cells.all_inner_texts(), strict=False))
    for name in frame.columns[:5]:
        assert first[name] == str(frame[name].iloc[1])


def test_categories_are_counted(site: StandAlone, open_page: Callable[..., Any]) -> None:
    key = "attrition.logistic.read"
    page = open_page(site, address(site, key, column="JobRole"))
    page.locator("#intermediates-histogram .js-plotly-plot").wait_for()
    shown = page.evaluate(
        "(() => { const t = document.querySelector('#intermediates-histogram .js-plotly-plot').data[0];"
        " return Object.fromEntries(t.x.map((x, i) => [x, t.y[i]])); })()"
    )
    counts = site.store.get_intermediates(f"{key}.JobRole").to_pandas()["JobRole"].value_counts()
    assert shown == {str(name): int(count) for name, count in counts.items()}


def test_from_a_project_to_an_intermediate(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/intermediates?project=attrition&model=tree")
    listed = page.locator("#intermediates-list tbody tr")
    listed.first.wait_for()
    expected = site.store.intermediates("attrition", "tree")
    assert listed.locator("th").all_inner_texts() == expected["intermediate"].tolist()
    page.get_by_role("link", name="predictions", exact=True).click()
    page.get_by_role("heading", name="predictions").wait_for()
    page.get_by_text("attrition.tree@1.predictions", exact=True).wait_for()
    page.locator("#intermediates-model").click()
    page.get_by_role("option", name="forest").click()
    page.wait_for_url("**model=forest")


def test_a_layer_shows_averages_maps_and_images(shapes: StandAlone, open_page: Callable[..., Any]) -> None:
    store = shapes.store
    images, classes = network.pictures()
    page = open_page(shapes, address(shapes, "shapes.net.conv", group=NAME))
    page.locator("#intermediates-heat .js-plotly-plot").wait_for()
    trace = page.evaluate(
        "(() => { const t = document.querySelector('#intermediates-heat .js-plotly-plot').data[0];"
        " return {y: t.y, z: t.z.map(row => [...row])}; })()"
    )
    maps = store.get_intermediates("shapes.net.conv.*", strategy="read").maps
    assert maps is not None
    means = pd.DataFrame(maps.mean(axis=(1, 2))).groupby(np.asarray(network.CLASSES)[classes]).mean()
    np.testing.assert_allclose(np.array(trace["z"]), means.loc[trace["y"]].to_numpy(), rtol=1e-5)

    sentence = page.locator("#intermediates-top-sentence")
    sentence.wait_for()
    best = np.argsort(-maps[..., 0].max(axis=(1, 2)), kind="stable")[:12]
    captions = page.locator("#intermediates-top .pictures figcaption").all_inner_texts()
    assert [text.split(":")[0] for text in captions] == [f"row {network.ROW_IDS[row]}" for row in best]
    assert (pixels(page, "#intermediates-top .pictures img") == images[best[0]]).all()

    page.get_by_label("Row id").fill("9")
    page.get_by_label("Row id").press("Enter")
    page.locator("#intermediates-maps img[alt='Image of row 9']").wait_for()
    assert (pixels(page, "#intermediates-maps img[alt='Image of row 9']") == images[3]).all()
    one = maps[3, ..., 2].astype(np.float64)
    expected = np.rint((one - one.min()) / max(one.max() - one.min(), 1e-30) * 255)
    shown = pixels(page, "#intermediates-maps img[alt='Map of unit 2']")[..., 0]
    assert np.abs(shown.astype(float) - expected).max() <= 1


def test_an_input_of_images_is_shown_as_images(shapes: StandAlone, open_page: Callable[..., Any]) -> None:
    images, _ = network.pictures()
    page = open_page(shapes, address(shapes, "shapes.net.images"))
    page.get_by_role("heading", name="The first 24 images").wait_for()
    for place in (0, 7):
        name = f"Image of row {network.ROW_IDS[place]}"
        assert (pixels(page, f".pictures img[alt='{name}']") == images[place]).all()


def test_what_is_not_stored_says_how_to_get_it(shapes: StandAlone, open_page: Callable[..., Any]) -> None:
    store = shapes.store
    store.materialize("shapes", "net", policy={"policy": "budget", "bytes": 0})
    try:
        page = open_page(shapes, address(shapes, "shapes.net.logits"))
        page.get_by_role("heading", name="Not stored").wait_for()
        command = page.locator(".ask-command").first.inner_text()
        assert command.startswith("mistique --store")
        assert "diagnose vis shapes.net@1.logits" in command
    finally:
        assert "logits" not in store.materialize("shapes", "net", policy="dedup").let_go


def test_mistakes_in_the_address_are_named(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, "/mistique/app/intermediates?intermediate=99999")
    page.get_by_text("intermediate 99999 is not in the catalogue").wait_for()
