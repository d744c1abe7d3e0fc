"""The state of a page in its address, so that the address can be kept and sent.

A ``dcc.Location`` of its own would do, but React keeps it when one page follows another in its place, and it then no
longer writes.
"""

from __future__ import annotations

from dash import ClientsideFunction, Dash, Input, dcc


def permalink(page: str) -> dcc.Store:
    """Return what holds the query of the page's address; callbacks write into ``<page>-permalink``'s ``data``."""
    return dcc.Store(id=f"{page}-permalink")


def register_permalink(app: Dash, page: str) -> None:
    """Have the browser show what is written there."""
    app.clientside_callback(ClientsideFunction("permalink", "replace"), Input(f"{page}-permalink", "data"))
