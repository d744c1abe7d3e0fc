"""``mistique workflow``."""

import json
from pathlib import Path

import pytest

from mistique_core import Mistique
from mistique_core.cli.main import main
from mistique_core.workflows.specification.schema import load_schema
from tests.unit.workflows.specification.samples import HOMES_YAML, write_homes

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_homes(tmp_path / "workflows")
    monkeypatch.setenv("HOMES", str(folder))
    monkeypatch.setenv("MISTIQUE_CODE_PATH", str(folder))
    return folder / "homes.yaml"


def test_run_makes_the_store(workflow: Path, tmp_path: Path, capsys: Capture) -> None:
    arguments = ["--store", str(tmp_path / "new"), "workflow", "run", str(workflow)]
    assert main([*arguments, "--variation", "weak", "--set", "factor=3"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split()[0] == "STAGE"
    assert out[-1].startswith("homes.linear_weak@1: 7 stages, 0 reused")
    assert main([*arguments, "--all", "--set", f"file={workflow.parent}/homes.csv"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in out if "stages," in line] == ["homes.linear_weak@2", "homes.linear_strong@1"]
    there = ["workflow", "run", str(workflow), "--location", str(tmp_path / "new")]
    assert main([*there, "--variation", "weak", "--no-reuse"]) == 0
    assert "@3: 7 stages, 0 reused" in capsys.readouterr().out
    with Mistique.open(tmp_path / "new") as store:
        first, second = (store.get_intermediates(f"homes.linear_weak@{n}.enlarged.area").values for n in (1, 2))
    assert first.sum() == pytest.approx(second.sum() * 1.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "has the variations weak, strong; give --variation NAME or --all"),
        (["--variation", "week"], "did you mean 'weak'"),
        (["--all", "--set", "alpha"], "--set 'alpha' has no '='"),
        (["--all", "--set", "alpha=x"], "parameter 'alpha' is 'x'; give a number"),
        (["--all", "--set", "beta=1"], "has no parameter 'beta'"),
    ],
)
def test_run_refuses(workflow: Path, tmp_path: Path, capsys: Capture, options: list[str], message: str) -> None:
    assert main(["--store", str(tmp_path / "new"), "workflow", "run", str(workflow), *options]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_check(workflow: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOMES")
    bad = workflow.parent / "bad.yaml"
    bad.write_text(
        HOMES_YAML.replace("alpha: 0.5", "alpha: 0.5, factor: 3").replace("test_size: 0.25", "test_size: 25")
    )
    worse = workflow.parent / "worse.yaml"
    worse.write_text(HOMES_YAML.replace("test_size", "test_sizes"))
    assert main(["workflow", "check", str(workflow)]) == 0
    assert capsys.readouterr().out == f"{workflow}: 7 stages, 2 variations, no problems\n"
    assert main(["workflow", "check", str(workflow), str(bad), str(worse), str(bad) + "x"]) == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 4
    assert err[0].startswith(f"{bad}:11: stages.split: variation weak: ")
    assert "test_size=25 is not a share" in err[0]
    assert err[2].startswith(f"{worse}:11: stages.split.params.test_sizes: unknown key")
    assert "cannot be read" in err[3]


def test_schema(capsys: Capture) -> None:
    assert main(["workflow", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == load_schema()


SEARCH = "search: {method: random, trials: 2, parameters: {alpha: [0.1, 0.5, 2.0]}, objective: r2, folds: 2}\n"


def test_search(workflow: Path, tmp_path: Path, capsys: Capture) -> None:
    workflow.write_text(HOMES_YAML + SEARCH)
    arguments = ["--store", str(tmp_path / "new"), "workflow", "search", str(workflow), "--variation", "weak"]
    assert main([*arguments, "--set", "factor=3", "--trials", "3", "--continue", "one"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["TRIAL", "alpha", "R2", "STD", "TIME", "STATE"]
    assert sorted(line.split()[1] for line in out[1:4]) == ["0.1", "0.5", "2"]
    assert [line.split()[-1] for line in out[1:4]] == ["best", "complete", "complete"]
    assert out[4].startswith("homes.linear_weak_search@1: 3 trials (3 complete), ")
    assert out[5].endswith("run again as homes.linear_weak@1")
    assert main([*arguments, "--set", "factor=3", "--trials", "3", "--continue", "one"]) == 0
    assert "3 trials (3 complete)" in capsys.readouterr().out
    with Mistique.open(tmp_path / "new") as store:
        versions = store.intermediates("homes", "linear_weak_search")["version"]
        assert set(versions) == {2, 3, 4}, "going on with a search makes no new trials"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "has the variations weak, strong; give --variation NAME"),
        (["--variation", "weak", "--trials", "4"], "more than the 3 combinations"),
        (["--variation", "weak", "--set", "alpha=1"], "parameter 'alpha' is searched"),
    ],
)
def test_search_refuses(workflow: Path, tmp_path: Path, capsys: Capture, options: list[str], message: str) -> None:
    workflow.write_text(HOMES_YAML + SEARCH)
    assert main(["--store", str(tmp_path / "new"), "workflow", "search", str(workflow), *options]) == 1
    assert message in capsys.readouterr().err
