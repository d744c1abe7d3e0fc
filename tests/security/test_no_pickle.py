"""Nothing is executed on load: no module can, and all stored kinds of objects are loaded with pickle switched off."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.ensemble import RandomForestClassifier

from mistique_core import Mistique
from mistique_core.fitted.registry import CODECS, dump_fitted
from mistique_core.fitted.weights_format import LayerWeights
from mistique_core.modeldb.queries import record_query
from mistique_core.workflows import PredictStage, ReadSklearnStage, TransformStage
from mistique_core.workflows.fit import FitStage

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("mistique_core", "operators", "plugins", "dags")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
CALLS = {"eval", "exec", "__import__"}
METHODS = {
    ("yaml", "load"),
    ("yaml", "load_all"),
    ("yaml", "full_load"),
    ("yaml", "unsafe_load"),
    ("pd", "read_pickle"),
    ("pandas", "read_pickle"),
    ("os", "system"),
    ("os", "popen"),
    ("torch", "load"),
}


def violations(tree: ast.AST) -> Iterator[str]:
    """Yield what a module does that could execute data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").partition(".")[0], *(alias.name for alias in node.names)}
            yield from sorted(names & MODULES)
        elif isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[str]:
    if isinstance(node.func, ast.Name) and node.func.id in CALLS:
        yield node.func.id
    if isinstance(node.func, ast.Attribute):
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        if (owner, node.func.attr) in METHODS or node.func.attr in ("to_pickle", "import_string"):
            yield f"{owner}.{node.func.attr}"
    for keyword in node.keywords:
        is_true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        if (keyword.arg == "allow_pickle" and is_true) or (keyword.arg == "shell" and is_true):
            yield f"{keyword.arg}=True"
        if keyword.arg == "safe_mode" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False:
            yield "safe_mode=False"


def test_no_module_can_execute_data() -> None:
    found = {str(path.relative_to(ROOT)): list(violations(ast.parse(path.read_text()))) for path in SOURCES}
    assert len(found) > 400
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "from six.moves import cPickle",
        "import joblib.numpy_pickle",
        "eval('1')",
        "yaml.load(text, Loader=x)",
        "np.load(file, allow_pickle=True)",
        "pd.read_pickle(file)",
        "keras.models.load_model(file, safe_mode=False)",
        "subprocess.run('ls', shell=True)",
    ],
)
def test_each_of_them_would_be_noticed(text: str) -> None:
    assert list(violations(ast.parse(text)))


SWITCHED_OFF = """
import _pickle
import pickle


def refuse(*args, **kwargs):
    raise AssertionError("pickle was used")


def refusing(kind):
    class Refusing(kind):
        def load(self):
            refuse()

    return Refusing


for module in (pickle, _pickle):
    module.loads = module.load = refuse
    module.Unpickler = refusing(module.Unpickler)
pickle._loads = pickle._load = refuse
pickle._Unpickler = refusing(pickle._Unpickler)
"""

LOADER = f"""{SWITCHED_OFF}
import sys
from pathlib import Path

from mistique_core import Mistique
from mistique_core.fitted.registry import load_fitted
from mistique_core.modeldb import ModelDB
from mistique_core.modeldb.query_records import figure_of_query, list_queries

folder = Path(sys.argv[1])
for path in sorted(folder.glob("*.fitted")):
    print(path.stem, type(load_fitted(path.stem, path.read_bytes())).__name__)
with Mistique.open(folder / "store", cache_bytes=0) as store:
    for intermediate in store.intermediates()["intermediate"]:
        model = "stages" if intermediate in ("source", "scaled", "predictions") else "logged"
        found = store.get_intermediates(f"p.{{model}}.{{intermediate}}", strategy="read")
        print(intermediate, len(found.row_id))
    again = store.get_intermediates("p.stages.predictions", strategy="rerun")
    print("again", len(again.row_id))
    with store.catalogue.read() as connection:
        for record in list_queries(connection):
            print("answer", len(record.answer["rows"]), figure_of_query(connection, record.id))
    print("runs", ModelDB(store).search("").total)
    print("problems", len(store.check(read_data=True).problems))
"""


def test_the_interpreter_refuses_pickle(tmp_path: Path) -> None:
    """The switch that the next test relies on works."""
    np.save(tmp_path / "x.npy", np.array([{}], object), allow_pickle=True)
    of_numpy = f"import numpy; numpy.load({str(tmp_path / 'x.npy')!r}, allow_pickle=True)"
    for call in ("pickle.loads(b'x')", "import io; pickle.Unpickler(io.BytesIO()).load()", of_numpy):
        command = [sys.executable, "-c", SWITCHED_OFF + call]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert "pickle was used" in done.stderr


FITTED = {
    "json": lambda: {"median": 1.5, "names": ["a", "b"]},
    "weights": lambda: LayerWeights((np.ones((3, 4), "f4"), np.zeros(4, "f4"))),
    "skops": lambda: RandomForestClassifier(3, random_state=0).fit(X, Y),
    "xgboost-ubj": lambda: xgboost.XGBClassifier(n_estimators=2).fit(X, Y),
    "lightgbm-text": lambda: lightgbm.LGBMClassifier(n_estimators=2, verbose=-1, min_child_samples=2).fit(X, Y),
}
X = np.arange(80.0).reshape(40, 2)
Y = (X[:, 0] > 26).astype(int)


def test_every_stored_kind_is_loaded_without_pickle(tmp_path: Path) -> None:
    assert FITTED.keys() == {codec.format for codec in CODECS}
    for name, make in FITTED.items():
        found, data = dump_fitted(make())
        assert found == name
        (tmp_path / f"{name}.fitted").write_bytes(data)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(range(40), unit="D")
    frame = pd.DataFrame(
        {
            "number": np.arange(40) / 7,
            "text": pd.Series(["a", None, "ü", "b"] * 10, dtype="str"),
            "object": pd.Series(["x", None] * 20, dtype=object),
            "category": pd.Categorical(["red", "green"] * 20),
            "nullable": pd.array([None, 1, 2, 3] * 10, dtype="Int64"),
            "day": days,
            "flag": np.arange(40) % 3 == 0,
        }
    )
    with Mistique.open(tmp_path / "store") as store:
        store.log_frame("p", "logged", "frame", frame)
        maps = np.maximum(np.random.default_rng(0).normal(size=(40, 6, 6, 3)), 0).astype("f4")
        for number, scheme in enumerate((None, "kbit(8)", "bounded(0.25)", "threshold(99.5%)", "pool(2)+float16")):
            store.log_array("p", "logged", f"units{number}", maps, scheme=scheme)
        with store.run("p", "stages") as run:
            source = run.stage("source", ReadSklearnStage("iris")).outputs[""]
            scaler = TransformStage("sklearn.preprocessing.StandardScaler", exclude=["target"])
            scaled = run.stage("scaled", scaler, {"data": source})
            forest = FitStage(
                "sklearn.ensemble.RandomForestClassifier", "target", {"random_state": 0, "n_estimators": 3}
            )
            fit = run.stage("fit", forest, {"data": scaled.outputs[""]})
            run.stage("predictions", PredictStage(), {"model": fit.outputs["model"], "data": scaled.outputs[""]})
        document = {"columns": ["row_id", "number"], "rows": [[39, 5.5], [38, 5.4], [37, 5.3]]}
        record_query(store.catalogue, technique="topk", request={"k": 3}, answer=document, figure="{}")
    command = [sys.executable, "-W", "ignore", "-c", LOADER, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert {lines[name] for name in FITTED} == {
        "dict",
        "LayerWeights",
        "RandomForestClassifier",
        "XGBClassifier",
        "LGBMClassifier",
    }
    assert {lines[name] for name in ("frame", *(f"units{n}" for n in range(5)))} == {"40"}
    assert (lines["again"], lines["problems"]) == ("150", "0")
    assert lines["answer"] == "3 {}"
