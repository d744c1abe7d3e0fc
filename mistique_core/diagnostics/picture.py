"""Figures as pictures, drawn by a Chromium on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mistique_core.errors import InvalidInputError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def png_of(figure: Figure, *, width: int = 800, height: int = 450, scale: float = 2.0) -> bytes:
    """Return a figure as PNG.

    Parameters
    ----------
    figure
        A Plotly figure; the size that its layout names goes first.
    width, height
        Size in pixels, before scaling.
    scale
        Pixels of the picture a pixel of the figure.

    Raises
    ------
    InvalidInputError
        If Kaleido is not installed, or it finds no Chromium.
    """
    try:
        import kaleido
        from kaleido.errors import ChromeNotFoundError
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            "PNG needs Kaleido; install it with pip install 'mistique-airflow[ui]', or save as .html"
        ) from error
    size = {"width": figure.layout.width or width, "height": figure.layout.height or height, "scale": scale}
    try:
        picture: bytes = kaleido.calc_fig_sync(figure, opts={"format": "png", **size}, kopts={"mathjax": False})
    except ChromeNotFoundError as error:
        raise InvalidInputError(
            "PNG needs a Chromium or Chrome, and none was found; install one (apt-get install chromium), "
            "name it in $BROWSER_PATH, or save as .html"
        ) from error
    return picture
