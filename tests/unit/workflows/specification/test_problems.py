"""Every mistake in a file is named with its line, and all of them at once."""

# ruff: noqa: E501 (a row of the table is one line)

import subprocess
import sys
from pathlib import Path

import pytest

from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.workflows.specification import WorkflowSpecificationError, load_workflow
from tests.unit.workflows.specification.samples import HOMES_YAML

HEAD = "project: homes\nmodel: linear\n"
READ = "stages:\n  read: {operator: ReadCsv, params: {path: x.csv}}\n"

CASES = {
    "project missing": ("model: linear\n" + READ, "1: project: this key is missing"),
    "stages missing": (HEAD, "1: stages: this key is missing"),
    "stages empty": (HEAD + "stages: {}\n", "3: stages: this is empty"),
    "no mapping": ("- a\n", "1: ['a'] is not a mapping"),
    "unknown key": (HEAD + "tagz: [a]\n" + READ, "3: tagz: unknown key; did you mean 'tags'"),
    "bad project": ("project: a.b\nmodel: m\n" + READ, "1: project: project 'a.b' contains '.'"),
    "empty model": ("project: a\nmodel: ''\n" + READ, "2: model: this is empty"),
    "model no text": ("project: a\nmodel: 3\n" + READ, "2: model: 3 is not a text"),
    "bad stage name": (HEAD + READ + "  a*b: {operator: ReadCsv, params: {path: x}}\n", "5: stages.a*b: stage 'a*b' contains"),
    "stage name no task id": (HEAD + READ + "  a b: {operator: ReadCsv, params: {path: x}}\n", "5: stages.a b: stage 'a b' may have letters, digits"),
    "bad variation": (HEAD + "variations:\n  a@b: {}\n" + READ, "4: variations.a@b: variation 'a@b' contains"),
    "unknown param": (
        HEAD + READ + "  split:\n    operator: TrainTestSplit\n    inputs: read\n    params:\n      test_sizes: 0.2\n",
        "9: stages.split.params.test_sizes: unknown key; did you mean 'test_size'?",
    ),
    "param missing": (HEAD + "stages:\n  read: {operator: ReadCsv}\n", "4: stages.read.params: this key is missing"),
    "param of params missing": (
        HEAD + "stages:\n  read:\n    operator: ReadCsv\n    params: {row_id: a}\n",
        "6: stages.read.params.path: this key is missing",
    ),
    "wrong type": (
        HEAD + READ + "  split: {operator: TrainTestSplit, inputs: read, params: {test_size: big}}\n",
        "5: stages.split.params.test_size: 'big' is not a number or ${parameter}",
    ),
    "wrong item": (
        HEAD + READ + "  ev: {operator: Evaluate, inputs: read, params: {label: a, metrics:\n      [r2,\n       3]}}\n",
        "7: stages.ev.params.metrics.1: 3 is not a text",
    ),
    "wrong reuse": (HEAD + READ.replace("path: x.csv}", "path: x.csv}, reuse: 1"), "4: stages.read.reuse: 1 is not true or false"),
    "unknown operator": (HEAD + "stages:\n  a: {operator: ReadCvs}\n", "4: stages.a.operator: unknown operator 'ReadCvs'; did you mean 'ReadCsv'"),
    "operator missing": (HEAD + "stages:\n  a: {}\n", "4: stages.a.operator: this key is missing"),
    "operator no text": (HEAD + "stages:\n  a: {operator: 3}\n", "4: stages.a.operator: 3 is not one of ReadCsv"),
    "operator of python only": (HEAD + "stages:\n  a: {operator: Function}\n", "4: stages.a.operator: Function cannot be written in YAML"),
    "key of functions": (HEAD + READ.replace("params", "row_id: a, params"), "4: stages.read.row_id: only a stage of your own function"),
    "unknown stage": (HEAD + READ + "  s: {operator: TrainTestSplit, inputs: raed}\n", "5: stages.s.inputs: there is no stage 'raed'; did you mean 'read'?"),
    "unknown output": (
        HEAD + READ + "  s: {operator: TrainTestSplit, inputs: read}\n  t: {operator: TrainTestSplit, inputs: s.trian}\n",
        "6: stages.t.inputs: stage 's' has no output 'trian'; did you mean 'train'?",
    ),
    "only output named": (HEAD + READ + "  s: {operator: TrainTestSplit, inputs: read.x}\n", "5: stages.s.inputs: stage 'read' has no output 'x'; write read for its only output"),
    "output not named": (
        HEAD + READ + "  s: {operator: TrainTestSplit, inputs: read}\n  t:\n    operator: Predict\n    inputs:\n      data: s\n",
        "9: stages.t.inputs.data: stage 's' has several outputs; write s.train or s.test",
    ),
    "no outputs": (
        HEAD + READ + "  e: {operator: Evaluate, inputs: read, params: {label: a}}\n  t: {operator: TrainTestSplit, inputs: e}\n",
        "6: stages.t.inputs: stage 'e' has no outputs, only metrics",
    ),
    "malformed reference": (HEAD + READ + "  s: {operator: TrainTestSplit, inputs: read.}\n", "5: stages.s.inputs: 'read.' is not a reference"),
    "inputs no reference": (HEAD + READ + "  s: {operator: TrainTestSplit, inputs: 3}\n", "5: stages.s.inputs: 3 is not a text or a mapping"),
    "itself": (HEAD + READ + "  s: {operator: TrainTestSplit, inputs: s.train}\n", "5: stages.s.inputs: stage 's' cannot use its own output"),
    "cycle": (
        HEAD + "stages:\n  a: {operator: TrainTestSplit, inputs: b.train}\n  b: {operator: TrainTestSplit, inputs: a.train}\n",
        "4: stages.a.inputs: stage 'b' comes later; move it before 'a', or break the cycle",
    ),
    "one name twice": (
        HEAD + READ + "  s: {operator: TrainTestSplit, inputs: read}\n  s_train: {operator: ReadCsv, params: {path: x}}\n",
        "6: stages.s_train: its output 's_train' has the name of one of stage 's'",
    ),
    "undefined parameter": (
        HEAD + "parameters: {rate: 1}\n" + READ.replace("x.csv", '"${rate}${rat}"'),
        "5: stages.read.params.path: parameter 'rat' is not defined; did you mean 'rate'?",
    ),
    "no parameters": (HEAD + READ.replace("x.csv", '"${a}"'), "4: stages.read.params.path: parameter 'a' is not defined; write it below parameters"),
    "unused parameter": (HEAD + "parameters:\n  rate: 1\n" + READ, "4: parameters.rate: no stage uses ${rate}; use it, or remove it"),
    "bad parameter name": (HEAD + "parameters: {a-b: 1}\n" + READ, "3: parameters.a-b: a parameter's name has letters"),
    "parameter of a parameter": (
        HEAD + 'parameters: {a: "${b}", b: 1}\n' + READ.replace("x.csv", '"${a}${b}"'),
        "3: parameters.a: a parameter cannot use another (${b})",
    ),
    "malformed in parameter": (HEAD + 'parameters: {a: "${"}\n' + READ.replace("x.csv", '"${a}"'), "3: parameters.a: '${' is not ${parameter}"),
    "malformed in params": (HEAD + READ.replace("x.csv", '"${env:}"'), "4: stages.read.params.path: '${env:}' is not ${parameter}"),
    "unknown in variation": (
        HEAD + "parameters: {rate: 1}\nvariations:\n  v1:\n    rat: 2\n" + READ.replace("x.csv", '"${rate}"'),
        "6: variations.v1.rat: unknown parameter; did you mean 'rate'?",
    ),
    "other type in variation": (
        HEAD + "parameters: {rate: 1}\nvariations:\n  v1: {rate: fast}\n" + READ.replace("x.csv", '"${rate}"'),
        "5: variations.v1.rate: 'fast' is not a whole number, as in parameters.rate",
    ),
    "unknown policy": (HEAD + "materialization: keep\n" + READ, "3: materialization: 'keep' is not one of store_all, dedup, adaptive"),
    "unknown policy in mapping": (HEAD + "materialization: {policy: keep}\n" + READ, "3: materialization.policy: 'keep' is not one of"),
    "setting of another policy": (HEAD + "materialization: {policy: dedup, bytes: 1}\n" + READ, "3: materialization: bytes belongs to the policy budget"),
    "budget without bytes": (HEAD + "materialization: {policy: budget}\n" + READ, "3: materialization: the policy budget needs bytes"),
    "negative gamma": (HEAD + "materialization: {policy: adaptive, gamma_min: -1}\n" + READ, "3: materialization.gamma_min: -1 is too small; give at least 0"),
    "twice": (HEAD + "model: other\n" + READ, "3: model: this key is there already, in line 2; remove one"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, case: str) -> None:
    text, message = CASES[case]
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(WorkflowSpecificationError) as caught:
        load_workflow(file)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"{file}:{message}")
    assert isinstance(caught.value, InvalidInputError)


def test_all_mistakes_are_listed_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("model: a.b\nstages:\n  s: {operator: Nothing, inputs: t}\n  t: {operator: ReadCsv}\n")
    with pytest.raises(WorkflowSpecificationError) as caught:
        load_workflow(file)
    places = [(problem.line, problem.place) for problem in caught.value.problems]
    assert places == [
        (1, "model"),
        (1, "project"),
        (3, "stages.s.inputs"),
        (3, "stages.s.operator"),
        (4, "stages.t.params"),
    ]


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="No such file"):
        load_workflow(tmp_path / "none.yaml")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(WorkflowSpecificationError, match=r"x\.yaml:1: this is not UTF-8"):
        load_workflow(tmp_path / "x.yaml")


def test_loading_imports_no_stage(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(HOMES_YAML)
    code = (
        "import sys; from mistique_core.workflows.specification import load_workflow; "
        f"load_workflow({str(tmp_path / 'x.yaml')!r}); "
        "print({'pandas', 'sklearn', 'numpy', 'lightgbm', 'xgboost', 'airflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")
