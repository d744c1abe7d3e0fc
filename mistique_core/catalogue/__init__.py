"""The catalogue: one SQL database that joins ModelDB's entities with MISTIQUE's intermediates."""

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.entities import FAILED, RUNNING, SUCCESS, RunKey
from mistique_core.catalogue.migrate import ensure_schema

__all__ = ["FAILED", "RUNNING", "SUCCESS", "Catalogue", "RunKey", "ensure_schema"]
