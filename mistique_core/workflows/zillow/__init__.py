"""The Zillow Prize's tables (thesis 5.7.1): the real files, or generated ones in their shape."""

from mistique_core.workflows.zillow.files import FILES, write_files
from mistique_core.workflows.zillow.homes import properties, sales, submission
from mistique_core.workflows.zillow.read import ReadZillowStage

__all__ = ["FILES", "ReadZillowStage", "properties", "sales", "submission", "write_files"]
