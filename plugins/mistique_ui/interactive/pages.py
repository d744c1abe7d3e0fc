"""All interactive pages."""

from __future__ import annotations

from mistique_ui.interactive.intermediates.page import INTERMEDIATES
from mistique_ui.interactive.page import Page
from mistique_ui.interactive.projects_page import PROJECTS
from mistique_ui.interactive.question.page import ASK
from mistique_ui.interactive.storage.page import STORAGE

PAGES: tuple[Page, ...] = (PROJECTS, INTERMEDIATES, ASK, STORAGE)
