"""All interactive pages."""

from __future__ import annotations

from mistique_ui.interactive.intermediates.page import INTERMEDIATES
from mistique_ui.interactive.modeldb.compare_page import COMPARE
from mistique_ui.interactive.modeldb.model_page import MODEL
from mistique_ui.interactive.modeldb.models_page import MODELS, PROJECT_MODELS
from mistique_ui.interactive.modeldb.project_page import PROJECT
from mistique_ui.interactive.modeldb.projects_page import PROJECTS
from mistique_ui.interactive.page import Page
from mistique_ui.interactive.predictions.page import PREDICTIONS
from mistique_ui.interactive.question.page import ASK
from mistique_ui.interactive.storage.page import STORAGE

PAGES: tuple[Page, ...] = (
    PROJECTS,
    PROJECT,
    MODELS,
    PROJECT_MODELS,
    MODEL,
    COMPARE,
    PREDICTIONS,
    INTERMEDIATES,
    ASK,
    STORAGE,
)
