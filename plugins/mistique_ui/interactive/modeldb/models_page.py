"""The model table of a project, or of all projects (thesis 4.5, Fig. 4-7)."""

from __future__ import annotations

from typing import Any

from dash import dcc

from mistique_ui.interactive.modeldb import run_table
from mistique_ui.interactive.modeldb.project_of import project_name
from mistique_ui.interactive.modeldb.table_view import view_of
from mistique_ui.interactive.page import Arguments, Page
from mistique_ui.interactive.parts import crumbs, heading
from mistique_ui.interactive.viewer import Viewer


def of_all(viewer: Viewer, arguments: Arguments) -> Any:
    """Return the page of all projects."""
    return [
        heading("Models", above=crumbs(("Projects", viewer.address("/app/projects")))),
        dcc.Location(id=run_table.ADDRESS, refresh=False),
        run_table.run_table(viewer, None, None, view_of(arguments.query), height=520),
    ]


def of_project(viewer: Viewer, arguments: Arguments) -> Any:
    """Return the page of one project."""
    row = arguments.number("project_id")
    name = project_name(viewer, row)
    above = crumbs(("Projects", viewer.address("/app/projects")), (name, viewer.address(f"/app/projects/{row}")))
    return [
        heading(f"Models of {name}", above=above),
        dcc.Location(id=run_table.ADDRESS, refresh=False),
        run_table.run_table(viewer, name, row, view_of(arguments.query), height=520),
    ]


MODELS = Page("/models", "models", "Models", of_all, run_table.register)
PROJECT_MODELS = Page("/projects/{project_id}/models", "projects", "Models", of_project)
