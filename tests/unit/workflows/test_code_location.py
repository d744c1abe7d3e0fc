"""What a text in a DAG or workflow file names."""

from __future__ import annotations

from pathlib import Path

import pytest

from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.workflows.code_location import named_code


def test_a_name_in_a_module() -> None:
    from statistics import fmean

    assert named_code("statistics:fmean", "function") is fmean


@pytest.mark.parametrize("path", ["own_numbers.py:seven", "own_numbers:seven", "deep.own_numbers:seven"])
def test_a_name_in_a_file_below_a_code_folder(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow puts the DAGs folder on the path of tasks; a re-run elsewhere finds the file."""
    folder = tmp_path / "deep" if path.startswith("deep") else tmp_path
    folder.mkdir(exist_ok=True)
    (folder / "own_numbers.py").write_text("def seven():\n    return 7\n")
    monkeypatch.setenv("MISTIQUE_CODE_PATH", str(tmp_path))
    assert named_code(path, "function")() == 7


@pytest.mark.parametrize("path", ["seven", "own_numbers:", ":seven", ""])
def test_no_import_path(path: str) -> None:
    with pytest.raises(InvalidInputError, match=r"function '.*' is no import path; write it as package.module:name"):
        named_code(path, "function")


@pytest.mark.parametrize("path", ["statistics:seven", "no_such_module:seven"])
def test_nothing_of_that_name(path: str) -> None:
    with pytest.raises(NotFoundError, match=f"function '{path}' cannot be used"):
        named_code(path, "function")
