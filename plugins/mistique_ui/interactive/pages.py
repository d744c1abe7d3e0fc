"""All interactive pages."""

from __future__ import annotations

from mistique_ui.interactive.page import Page
from mistique_ui.interactive.predictions.page import PREDICTIONS
from mistique_ui.interactive.projects_page import PROJECTS

PAGES: tuple[Page, ...] = (PROJECTS, PREDICTIONS)
