"""The small workflow in a folder of its own."""

from pathlib import Path

import pytest

from tests.unit.workflows.specification.samples import write_homes


@pytest.fixture
def workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the workflow's file; its data and its function lie beside it."""
    folder = write_homes(tmp_path / "workflows")
    monkeypatch.setenv("HOMES", str(folder))
    monkeypatch.setenv("MISTIQUE_CODE_PATH", str(folder))
    return folder / "homes.yaml"
