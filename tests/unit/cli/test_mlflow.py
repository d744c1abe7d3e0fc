"""``mistique import-mlflow`` and ``mistique export-mlflow``."""

import json
from pathlib import Path

import pytest

from mistique_core.cli.main import main
from tests.mlflow_files import file_client
from tests.unit.modeldb.test_mlflow_import import make_run

Capture = pytest.CaptureFixture[str]


def test_there_and_back(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    first, second = (make_run(tmp_path / "mlruns") for _ in range(2))
    command = ["--store", str(tmp_path / "store")]
    assert main([*command, "import-mlflow", str(tmp_path), "--project", "bank"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].split() == ["bank.credit", "2", "0", "0"]
    assert out[-1] == "2 runs recorded, 0 recorded anew, 0 as before, 0 skipped, 0 cannot be read"
    (damaged,) = tmp_path.glob(f"mlruns/*/{second}/meta.yaml")
    damaged.write_text("- 1")
    assert main([*command, "import-mlflow", str(tmp_path), "--experiment", "credit", "--json"]) == 1
    printed = capsys.readouterr()
    assert list(json.loads(printed.out)["unchanged"]) == [first]
    assert printed.err == f"mistique: {damaged}: this holds no keys; restore the file, or delete the folder\n"
    assert main([*command, "export-mlflow", "credit", first, "--to", str(tmp_path / "out")]) == 0
    exported = capsys.readouterr().out.split(" is run ")[1].split()[0]
    assert file_client(tmp_path / "out").get_run(exported).data.params["depth"] == "7"


def test_refused(tmp_path: Path, capsys: Capture) -> None:
    """Where there is nothing to import, no store is made."""
    assert main(["--store", str(tmp_path / "store"), "import-mlflow", str(tmp_path)]) == 1
    assert "there is no MLflow experiment" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()
    assert main(["--store", str(tmp_path / "store"), "export-mlflow", "a", "b", "--to", "x"]) == 1
    assert "there is no store" in capsys.readouterr().err
