"""Workflows run without Airflow."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.tables import experiment_run
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.workflows.specification import load_workflow
from tests.unit.workflows.specification.samples import HOMES_YAML, addresses, homes

HERE = "tests.unit.workflows.specification.own_stage"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Mistique]:
    with Mistique.open(tmp_path / "store") as opened:
        yield opened


def runs(store: Mistique) -> list[sa.Row[tuple[object, ...]]]:
    with store.catalogue.read() as connection:
        return list(connection.execute(sa.select(experiment_run).order_by(experiment_run.c.id)))


def write(folder: Path, stages: str, head: str = "project: p\nmodel: m\n") -> Path:
    file = folder / "w.yaml"
    file.write_text(f"{head}stages:\n{stages}")
    return file


def test_a_variation_is_logged_and_then_reused(workflow: Path, store: Mistique) -> None:
    first = store.log_intermediates(workflow, variation="weak")
    assert (first.project, first.model, first.version) == ("homes", "linear_weak", 1)
    assert [stage.name for stage in first.stages] == [stage.name for stage in load_workflow(workflow).stages]
    assert not any(stage.reused for stage in first.stages)
    assert first.metrics["r2"] > 0.9
    expected = homes().rename_axis("row_id")
    pd.testing.assert_frame_equal(store.get_intermediates("homes.linear_weak.read").frame, expected)
    expected["area"] *= 2
    pd.testing.assert_frame_equal(store.get_intermediates("homes.linear_weak.enlarged").frame, expected)
    again = store.log_intermediates(workflow, variation="weak", progress=False)
    assert all(stage.reused for stage in again.stages)
    assert (again.version, again.stored_bytes, again.metrics) == (2, 0, first.metrics)
    fresh = store.log_intermediates(workflow, variation="weak", reuse=False)
    assert not any(stage.reused for stage in fresh.stages)
    assert fresh.stored_bytes == 0


def test_another_variation_shares_what_it_does_not_change(workflow: Path, store: Mistique) -> None:
    store.log_intermediates(workflow, variation="weak")
    report = store.log_intermediates(workflow, variation="strong")
    assert [stage.name for stage in report.stages if not stage.reused] == ["fit", "predictions", "evaluate"]


def test_what_is_recorded_about_the_run(workflow: Path, store: Mistique) -> None:
    store.log_intermediates(workflow, variation="strong", parameters={"factor": 3})
    (run,) = runs(store)
    assert (run.state, run.error) == ("success", None)
    assert run.params == {"alpha": 0.5, "file": f"{workflow.parent}/homes.csv", "factor": 3}
    assert run.environment["workflow"]["materialization"] == {"policy": "dedup"}


def test_other_project_and_model(workflow: Path, store: Mistique) -> None:
    report = store.log_intermediates(str(workflow), variation="weak", project="other", model="mine")
    assert (report.project, report.model) == ("other", "mine")
    assert set(store.intermediates()["model"]) == {"mine"}


def test_the_report_is_a_table(workflow: Path, store: Mistique) -> None:
    lines = str(store.log_intermediates(workflow, variation="weak")).splitlines()
    assert lines[0].split() == ["STAGE", "TIME", "REUSED", "BYTES", "ADDED", "METRICS"]
    assert lines[-1].startswith("homes.linear_weak@1: 7 stages, 0 reused, ")


def test_no_progress_bar_without_a_terminal(
    workflow: Path, store: Mistique, capsys: pytest.CaptureFixture[str]
) -> None:
    store.log_intermediates(workflow, variation="weak")
    assert capsys.readouterr().err == ""


def test_frames_in_place_of_source_stages(workflow: Path, store: Mistique, monkeypatch: pytest.MonkeyPatch) -> None:
    store.log_intermediates(workflow, variation="weak")
    expected = addresses(store, "homes", "linear_weak")
    (workflow.parent / "homes.csv").unlink()
    report = store.log_intermediates(workflow, homes, variation="weak", model="given")
    assert addresses(store, "homes", "given") == expected
    assert [stage.name for stage in report.stages if not stage.reused] == ["read"]
    store.log_intermediates(workflow, lambda: {"read": homes(30)}, variation="weak", model="named")
    assert store.get_intermediates("homes.named.read").row_id.size == 30


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"raed": homes()}, "frame for 'raed', no source stage; did you mean 'read'"),
        ({"fit": homes()}, "frame for 'fit', no source stage"),
        ({"read": 3}, "returned a int for 'read'"),
        (3, "returned a int; return a DataFrame"),
    ],
)
def test_frames_that_fit_nowhere(workflow: Path, store: Mistique, value: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        store.log_intermediates(workflow, lambda: value, variation="weak")
    assert runs(store) == []


def test_one_frame_for_two_sources(tmp_path: Path, store: Mistique) -> None:
    file = write(tmp_path, "  a: {operator: ReadCsv, params: {path: a}}\n  b: {operator: ReadCsv, params: {path: b}}\n")
    with pytest.raises(InvalidInputError, match="one DataFrame for 2 source stages; return a dict with some of a, b"):
        store.log_intermediates(file, homes)
    store.log_intermediates(file, lambda: {"a": homes(), "b": homes(3)})
    assert len(store.intermediates()) == 2


def test_the_row_ids_of_the_replaced_stage(tmp_path: Path, store: Mistique) -> None:
    file = write(tmp_path, "  a: {operator: ReadCsv, params: {path: a, row_id: home}}\n")
    store.log_intermediates(file, lambda: homes(3).assign(home=[7, 5, 6]))
    assert store.get_intermediates("p.m.a.price").row_id.tolist() == [7, 5, 6]


def test_functions_and_classes_by_path(tmp_path: Path, store: Mistique) -> None:
    file = write(
        tmp_path,
        f"  made: {{operator: '{HERE}:source', params: {{rows: 5}}, row_id: home}}\n"
        f"  head: {{operator: '{HERE}:HeadStage', inputs: made, params: {{rows: 4}}}}\n"
        f"  parts: {{operator: '{HERE}:halves', inputs: head, params: {{plus: 1}}, deterministic: true}}\n"
        f"  again: {{operator: '{HERE}:halves', inputs: {{frame: parts.high}}, reuse: false}}\n",
    )
    report = store.log_intermediates(file)
    assert report.metrics == {"rows": 2.0}
    assert store.get_intermediates("p.m.parts_low.price").frame["price"].to_dict() == {100: 1, 101: 2}
    second = store.log_intermediates(file)
    assert {stage.name: stage.reused for stage in second.stages} == {
        "made": False,
        "head": True,
        "parts": True,
        "again": False,
    }
    rerun = store.get_intermediates("p.m.parts_low", strategy="rerun").frame
    pd.testing.assert_frame_equal(rerun, store.get_intermediates("p.m.parts_low", strategy="read").frame)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (f"{{operator: '{HERE}:HeadStage', params: {{rows: 0}}}}", r"stage 's' \(.*HeadStage\): rows=0 is too small"),
        (f"{{operator: '{HERE}:HeadStage', params: {{row: 1}}}}", "unexpected keyword argument 'row'"),
        (f"{{operator: '{HERE}:HeadStage', params: {{rows: 1}}, row_id: a}}", "row_id is for functions"),
        (f"{{operator: '{HERE}:source', params: {{row: 1}}}}", "has no parameter 'row'; did you mean 'rows'"),
        (f"{{operator: '{HERE}:source'}}", "missing a required argument: 'rows'"),
        (f"{{operator: '{HERE}:pd.DataFrame'}}", "no subclass of mistique_core.model.Stage"),
        ("{operator: TrainTestSplit, params: {test_size: 2}}", "stage 's' .*test_size=2 is not a share"),
        ("{operator: TrainXGBoost, params: {label: a, estimator: b}}", "unknown key"),
    ],
)
def test_stages_that_cannot_be_made(tmp_path: Path, store: Mistique, stage: str, message: str) -> None:
    """Nothing is then run."""
    with pytest.raises(InvalidInputError, match=message):
        store.log_intermediates(write(tmp_path, f"  s: {stage}\n"))
    assert runs(store) == []


@pytest.mark.parametrize("operator", [f"{HERE}:nothing", "no_such_module:f", "nothing.py:f"])
def test_code_that_is_not_there(tmp_path: Path, store: Mistique, operator: str) -> None:
    with pytest.raises(NotFoundError, match=f"stage 's': operator '{operator}' cannot be used: ") as caught:
        store.log_intermediates(write(tmp_path, f"  s: {{operator: '{operator}'}}\n"))
    assert "read'" not in str(caught.value)


def test_a_failing_stage_leaves_a_failed_run(workflow: Path, store: Mistique) -> None:
    workflow.write_text(
        HOMES_YAML.replace("own.py:enlarge", "own.py:refuse")
        .replace(', params: {factor: "${factor}"}', "")
        .replace(", factor: 2", "")
    )
    with pytest.raises(ZeroDivisionError, match="refuses 40 rows"):
        store.log_intermediates(workflow, variation="weak")
    (run,) = runs(store)
    assert (run.state, run.error) == ("failed", "ZeroDivisionError: refuses 40 rows")
    assert set(store.intermediates()["intermediate"]) == {"read"}


def test_an_output_that_only_the_run_can_know(tmp_path: Path, store: Mistique) -> None:
    file = write(
        tmp_path,
        f"  a: {{operator: '{HERE}:source', params: {{rows: 5}}, row_id: home}}\n"
        f"  b: {{operator: '{HERE}:halves', inputs: a}}\n"
        "  c: {operator: TrainTestSplit, inputs: b.middle}\n",
    )
    with pytest.raises(
        NotFoundError, match="input 'data' of stage 'c': stage 'b' has no output 'middle'; known: high, low"
    ):
        store.log_intermediates(file)


def test_variations_and_parameters_must_exist(workflow: Path, store: Mistique) -> None:
    with pytest.raises(InvalidInputError, match="has variations; choose one of weak, strong"):
        store.log_intermediates(workflow)
    with pytest.raises(NotFoundError, match="no variation 'week'; did you mean 'weak'"):
        store.log_intermediates(workflow, variation="week")
    with pytest.raises(NotFoundError, match="no parameter 'alhpa'; did you mean 'alpha'"):
        store.log_intermediates(workflow, variation="weak", parameters={"alhpa": 1})
    with pytest.raises(InvalidInputError, match=r"parameter 'factor' is 1\.5; give a whole number"):
        store.log_intermediates(workflow, variation="weak", parameters={"factor": 1.5})
    assert runs(store) == []


def test_a_given_value_cannot_read_the_environment(workflow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMES_SECRET", "kept-secret")
    spec = load_workflow(workflow).variation("weak")
    assert spec.values({"file": "${env:HOMES_SECRET}"})["file"] == "${env:HOMES_SECRET}"
    assert spec.values({"file": "${env:HOMES}/homes.csv"})["file"] == f"{workflow.parent}/homes.csv"
    with pytest.raises(NotFoundError, match="variable HOMES is not set"):
        spec.resolved(environ={})


def test_what_is_no_workflow(tmp_path: Path, store: Mistique) -> None:
    with pytest.raises(InvalidInputError, match="a network belongs to a project and a model"):
        store.log_intermediates("model.keras")
    with pytest.raises(InvalidInputError, match="neither a workflow nor a network; give a file that ends with"):
        store.log_intermediates("model.txt")
    with pytest.raises(InvalidInputError, match="a object is neither a workflow nor a network"):
        store.log_intermediates(object())
    with pytest.raises(InvalidInputError, match="layers is for a network"):
        store.log_intermediates("w.yaml", layers=["a"])
