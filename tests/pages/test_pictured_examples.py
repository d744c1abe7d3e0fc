"""An example that is an image is seen on the page of predictions, and so are its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue import tables
from tests.pages.conftest import StandAlone, served
from tests.pages.network import CLASSES, ROW_IDS, pictures
from tests.pages.test_intermediates import pixels

PANE = "#predictions-example-pane"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandAlone]:
    """The pages of a store with what a model says of pictures, which lie beside it, and what one says of other rows."""
    images, classes = pictures()
    random = np.random.default_rng(4)
    scores = random.dirichlet((1, 1, 1), len(classes)) + np.eye(3)[classes]
    scores /= scores.sum(axis=1, keepdims=True)
    frame = pd.DataFrame({f"probability_{name}": scores[:, place] for place, name in enumerate(CLASSES)})
    frame.insert(0, "prediction", np.asarray(CLASSES)[scores.argmax(axis=1)])
    frame.insert(0, "truth", np.asarray(CLASSES)[classes])
    with Mistique.open(tmp_path_factory.mktemp("pictured") / "store") as store:
        for project, rows in (("shapes", slice(None)), ("parts", slice(0, 120))):
            with store.run(project, "net") as run:
                run.log_array("images", images[rows], row_id=ROW_IDS[rows])
                run.log_frame("predictions", frame.set_index(pd.Index(ROW_IDS, name="row_id")))
        yield from served(store)


def address(site: StandAlone, project: str, row: int) -> str:
    with site.store.catalogue.read() as connection:
        found = connection.execute(sa.select(tables.project.c.id).where(tables.project.c.name == project)).scalar_one()
    return f"/mistique/app/predictions?project={found}&example={row}"


def test_the_example_and_its_neighbours_are_seen(shapes: StandAlone, open_page: Callable[..., Any]) -> None:
    images, _ = pictures()
    row = int(ROW_IDS[7])
    page = open_page(shapes, address(shapes, "shapes", row))
    page.get_by_role("heading", name=f"Example {row}", exact=True).wait_for()
    np.testing.assert_array_equal(pixels(page, f"{PANE} img[alt='Image of row {row}']"), images[7])
    near = [int(text) for text in page.locator(f"{PANE} button.link").all_inner_texts()]
    assert len(near) == 10
    for other in near:
        place = int(np.flatnonzero(other == ROW_IDS)[0])
        np.testing.assert_array_equal(pixels(page, f"{PANE} img[alt='Image of row {other}']"), images[place])


def test_a_row_without_an_image_is_shown_without(shapes: StandAlone, open_page: Callable[..., Any]) -> None:
    row = int(ROW_IDS[200])
    page = open_page(shapes, address(shapes, "parts", row))
    page.get_by_role("heading", name=f"Example {row}", exact=True).wait_for()
    page.locator(f"{PANE} button.link").first.wait_for()
    assert page.locator(f"{PANE} img[alt='Image of row {row}']").count() == 0
