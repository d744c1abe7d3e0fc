"""Examples as images, and activation maps of one example, as PNG files inside the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from dash import html

from mistique_core.diagnostics.values.pictures import to_grey_maps, to_pictures
from mistique_core.diagnostics.values.png import png_address
from mistique_core.errors import MistiqueError, NotFoundError
from mistique_ui.interactive.intermediates.subject import Subject, images_beside
from mistique_ui.interactive.parts import problem
from mistique_ui.interactive.router import explained
from mistique_ui.interactive.viewer import Viewer

MOST_IMAGES = 48
MOST_MAPS = 64
_SIDE = 72
_MOST_SIDE = 256
"""Pixels: of larger pictures every n-th one is sent."""


def images(
    viewer: Viewer,
    subject: Subject,
    row_ids: Sequence[int],
    captions: Sequence[str] | None = None,
    *,
    others: bool = False,
) -> Any:
    """Return the images of some rows, each with its row id or a caption; they are read, never computed.

    With `others`, the rows may be none of the images': nothing is returned then.
    """
    wanted = np.asarray(row_ids[:MOST_IMAGES], dtype=np.int64)
    if not len(wanted):
        return html.P("There are no rows.", className="soft")
    try:
        found = viewer.store.get_intermediates(f"{subject.key}.*", row_id=wanted, strategy="read")
    except MistiqueError as error:
        return None if others and isinstance(error, NotFoundError) else problem(*explained(error))
    if found.maps is None:
        return problem(f"{subject.key} holds no images", "choose an intermediate of maps")
    told = captions or [f"row {item}" for item in wanted]
    shown = [
        html.Figure([_image(picture, f"Image of row {row}"), html.Figcaption(text)])
        for picture, row, text in zip(to_pictures(found.maps), found.row_id, told, strict=False)
    ]
    return html.Div(shown, className="pictures")


def activation_maps(viewer: Viewer, subject: Subject, row_id: int) -> Any:
    """Return the maps of the units for one example, each from its own smallest to its own largest value."""
    names = subject.names[:MOST_MAPS]
    keys = [f"{subject.key}.{name}" for name in names]
    try:
        found = viewer.store.get_intermediates(keys, row_id=[row_id], strategy="read")
    except MistiqueError as error:
        return problem(*explained(error))
    if found.maps is None:
        return problem(f"{subject.key} holds no maps; see the distribution of a unit instead")
    maps: npt.NDArray[Any] = np.moveaxis(found.maps[0], -1, 0)
    beside = None if subject.is_images else images_beside(viewer, subject.record.model_version_id)
    shown = [] if beside is None else [_example(viewer, beside, row_id)]
    shown += [
        html.Figure(
            [
                _image(picture[..., None], f"Map of unit {name}"),
                html.Figcaption(f"{name}: {float(np.nanmin(one)):.3g} to {float(np.nanmax(one)):.3g}"),
            ]
        )
        for name, picture, one in zip(names, to_grey_maps(maps), maps, strict=True)
    ]
    more = len(subject.names) - len(names)
    note = html.P(f"The first {len(names)} of {len(subject.names):,} units.", className="soft") if more > 0 else None
    return [html.Div(shown, className="pictures"), note]


def _example(viewer: Viewer, beside: Subject, row_id: int) -> html.Figure:
    found = viewer.store.get_intermediates(f"{beside.key}.*", row_id=[row_id], strategy="read")
    assert found.maps is not None  # it was chosen because it holds images
    return html.Figure([_image(to_pictures(found.maps)[0], f"Image of row {row_id}"), html.Figcaption("the example")])


def _image(picture: npt.NDArray[np.uint8], label: str) -> html.Img:
    step = -(-max(picture.shape[:2]) // _MOST_SIDE)
    picture = picture[::step, ::step]
    height, width = picture.shape[:2]
    scale = max(1.0, _SIDE / max(height, width))
    return html.Img(
        src=png_address(picture), alt=label, width=round(width * scale), height=round(height * scale), className="pixel"
    )
