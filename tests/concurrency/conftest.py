"""Stores of these tests lie in memory."""

from pathlib import Path

import pytest


@pytest.fixture
def catalogue_folder(memory_path: Path) -> Path:
    """Return the folder of SQLite catalogues."""
    return memory_path
