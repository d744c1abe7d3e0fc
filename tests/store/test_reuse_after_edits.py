"""Twenty edits after which a stage must run again, and twenty after which it must not, each end to end.

A small project (a module of stages, a module of helpers, a CSV file) runs as a pipeline. Then one thing is edited,
everything is imported anew as another process would, and the pipeline runs again.
"""

from __future__ import annotations

import importlib
import itertools
import linecache
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mistique_core import Mistique
from mistique_core.lineage import code
from mistique_core.workflows import FitStage, FunctionStage, ReadCsvStage, SplitStage, TransformStage

STAGES = '''\
"""Stages of a small project."""

import numpy as np
import pandas as pd

import edited_helpers
from edited_helpers import scale

WEIGHT = 3
LABELS = {"low": 1, "high": 2}
UNUSED = 10


class Rounding:
    """How results are rounded."""

    digits = 2

    def apply(self, values):
        return values.round(self.digits)


def twice(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs) * 2

    return wrapper


@twice
def features(data, power=2, shift=0.0):
    """Make features."""
    # the first step
    scaled = scale(data[["a", "b"]]) ** power + shift
    noise = np.random.default_rng(5).standard_normal(len(scaled))
    made = scaled.assign(c=data["c"] * WEIGHT + noise, d=edited_helpers.offset(data["a"]), e=LABELS["high"] * 1000)
    return Rounding().apply(made)


def unrelated(x):
    return x + 1


def clean(data):
    """Leave everything as it is."""
    return data.drop(columns=[]) + 0.0


def total(data, other):
    return (data * 2 + other).sum(axis=1).to_frame("total")
'''

HELPERS = '''\
"""Helpers of a small project."""

MARGIN = 0.5


def centre(frame):
    return frame - frame.mean()


def scale(frame, spread=1.0):
    return centre(frame) / (frame.std() * spread)


def offset(values):
    return values + MARGIN
'''

CSV = "id,a,b,c\n" + "".join(f"{n},{n * 7 % 11},{n * 5 % 13},{n % 4}\n" for n in range(40))


@dataclass
class Project:
    """What a run consists of; an edit changes one thing.

    Attributes
    ----------
    stages, helpers, csv
        Texts of the files.
    csv_name
        Name of the CSV file.
    arguments
        Keyword arguments of the stage `features`.
    read, split, fit, transform
        Arguments of the library's stages.
    swap
        Whether the last stage gets its inputs the other way round.
    model, names
        Names under which everything is recorded.
    versions
        Package -> version that is installed, where it is not the real one.
    deterministic
        Whether `features` is declared to be.
    """

    stages: str = STAGES
    helpers: str = HELPERS
    csv: str = CSV
    csv_name: str = "data.csv"
    arguments: dict[str, Any] = field(default_factory=lambda: {"power": 2, "shift": 0.5})
    read: dict[str, Any] = field(default_factory=lambda: {"row_id": "id"})
    split: dict[str, Any] = field(default_factory=lambda: {"test_size": 0.25, "seed": 1})
    fit: dict[str, Any] = field(default_factory=lambda: {"params": {"alpha": 0.5, "random_state": 0}})
    transform: dict[str, Any] = field(default_factory=lambda: {"columns": ["a", "b"]})
    swap: bool = False
    model: str = "m"
    names: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    deterministic: bool | None = None

    def replaced(self, attribute: str, old: str, new: str) -> Project:
        text = getattr(self, attribute)
        assert text.count(old) >= 1, f"{old!r} is not there"
        setattr(self, attribute, text.replace(old, new))
        return self

    def with_(self, **changes: Any) -> Project:
        for name, value in changes.items():
            setattr(self, name, value)
        return self


Edit = Callable[[Project], Project]
_numbers = itertools.count()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Project], dict[str, bool]]]:
    """Return a function that runs a project as a new process would, and says which stages were reused."""
    folder = tmp_path / "code"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(name: str) -> ModuleType:
        sys.modules.pop(name, None)
        linecache.checkcache()
        importlib.invalidate_caches()
        return importlib.import_module(name)

    with Mistique.open(tmp_path / "store") as store:

        def execute(project: Project) -> dict[str, bool]:
            (folder / "edited_helpers.py").write_text(project.helpers)
            (folder / "edited_stages.py").write_text(project.stages)
            load("edited_helpers")
            monkeypatch.setattr(code, "_version", lambda package: project.versions.get(package, "1"))
            data = tmp_path / f"data_{next(_numbers)}"
            data.mkdir()
            (data / project.csv_name).write_text(project.csv)
            return _pipeline(store, project, load("edited_stages"), data / project.csv_name)

        yield execute
    for name in ("edited_helpers", "edited_stages"):
        sys.modules.pop(name, None)


def _pipeline(store: Mistique, project: Project, stages: ModuleType, path: Path) -> dict[str, bool]:
    reused = {}
    with store.run("p", project.model) as run:

        def add(name: str, stage: Any, inputs: dict[str, Any]) -> dict[str, Any]:
            outcome = run.stage(name + project.names, stage, inputs)
            reused[name] = outcome.reused
            return outcome.outputs

        source = add("source", ReadCsvStage(str(path), **project.read), {})[""]
        cleaned = add("clean", *FunctionStage.bind(stages.clean, [], {"data": source}))[""]
        bound = FunctionStage.bind(
            stages.features, [], {"data": cleaned, **project.arguments}, deterministic=project.deterministic
        )
        made = add("features", *bound)[""]
        parts = add("split", SplitStage(**project.split), {"data": made})
        scaler = TransformStage("sklearn.preprocessing.StandardScaler", **project.transform)
        scaled = add("scaled", scaler, {"train": parts["train"], "test": parts["test"]})
        add("fit", FitStage("sklearn.linear_model.Ridge", "c", **project.fit), {"data": scaled["train"]})
        first, second = (made, cleaned) if project.swap else (cleaned, made)
        add("total", *FunctionStage.bind(stages.total, [], {"data": first, "other": second}))
    return reused


def code_edit(old: str, new: str, attribute: str = "stages") -> Edit:
    return lambda project: project.replaced(attribute, old, new)


MISSES: dict[str, tuple[str, Edit]] = {
    "an operator in the body": ("features", code_edit("** power + shift", "** power - shift")),
    "a helper": ("features", code_edit("/ (frame.std() * spread)", "/ (frame.var() * spread)", "helpers")),
    "a helper of a helper": ("features", code_edit("frame - frame.mean()", "frame - frame.median()", "helpers")),
    "a constant": ("features", code_edit("WEIGHT = 3", "WEIGHT = 4")),
    "the type of a constant": ("features", code_edit("WEIGHT = 3", "WEIGHT = 3.0")),
    "a constant of a helper": ("features", code_edit("MARGIN = 0.5", "MARGIN = 0.25", "helpers")),
    "a value in a dict": ("features", code_edit('"high": 2', '"high": 3')),
    "a default that is in use": ("features", code_edit("spread=1.0", "spread=2.0", "helpers")),
    "a default that is not in use": ("features", code_edit("power=2", "power=3")),
    "a method": ("features", code_edit("values.round(self.digits)", "values.round(self.digits + 1)")),
    "an attribute of a class": ("features", code_edit("digits = 2", "digits = 3")),
    "a decorator": ("features", code_edit("(*args, **kwargs) * 2", "(*args, **kwargs) * 3")),
    "a seed in the code": ("features", code_edit("default_rng(5)", "default_rng(6)")),
    "a parameter": ("features", lambda project: project.with_(arguments={"power": 3, "shift": 0.5})),
    "a seed of a split": ("split", lambda project: project.with_(split={"test_size": 0.25, "seed": 2})),
    "a hyperparameter": ("fit", lambda project: project.with_(fit={"params": {"alpha": 0.6, "random_state": 0}})),
    "columns of a transformer": ("scaled", lambda project: project.with_(transform={"columns": ["a"]})),
    "a value of the data": ("source", code_edit("3,10,2,3\n", "3,10,2,2\n", "csv")),
    "inputs the other way round": ("total", lambda project: project.with_(swap=True)),
    "the version of a library": ("features", lambda project: project.with_(versions={"pandas": "2"})),
    "a random stage without a seed": ("features", lambda project: project.with_(deterministic=False)),
}

HITS: dict[str, Edit] = {
    "nothing": lambda project: project,
    "a comment": code_edit("# the first step", "# the very first step"),
    "no comment": code_edit("    # the first step\n", ""),
    "a docstring": code_edit('"""Make features."""', '"""Make features, at length."""'),
    "no docstring": code_edit('    """Make features."""\n', ""),
    "a docstring of a class": code_edit('"""How results are rounded."""', '"""Rounding."""'),
    "a docstring of a module": code_edit('"""Helpers of a small project."""', '"""Other words."""', "helpers"),
    "blank lines": code_edit("WEIGHT = 3\n", "\n\n\nWEIGHT = 3\n\n\n"),
    "line breaks": code_edit("return Rounding().apply(made)", "return Rounding().apply(\n        made\n    )"),
    "quotes": code_edit('data["c"]', "data['c']"),
    "how a number is written": code_edit("* 1000)", "* 1_000)"),
    "parentheses": code_edit("return frame - frame.mean()", "return (frame - frame.mean())", "helpers"),
    "the order of functions": code_edit("def unrelated(x):\n    return x + 1\n\n\n", ""),
    "an unrelated function": code_edit("return x + 1", "return x + 2"),
    "an unrelated constant": code_edit("UNUSED = 10", "UNUSED = 11"),
    "reordered keyword arguments": lambda project: project.with_(arguments={"shift": 0.5, "power": 2}),
    "reordered keys of parameters": lambda project: project.with_(fit={"params": {"random_state": 0, "alpha": 0.5}}),
    "the same file under another name": lambda project: project.with_(csv_name="renamed.csv"),
    "other names of stages": lambda project: project.with_(names="_2"),
    "another model": lambda project: project.with_(model="other"),
    "the version of a library that is not used": lambda project: project.with_(versions={"xgboost": "2"}),
}


@pytest.mark.parametrize("edit", MISSES)
def test_an_edit_that_may_change_the_result_is_a_miss(run: Callable[[Project], dict[str, bool]], edit: str) -> None:
    stage, change = MISSES[edit]
    assert not any(run(Project()).values())
    assert not run(change(Project()))[stage]


@pytest.mark.parametrize("edit", HITS)
def test_an_edit_that_cannot_change_the_result_is_a_hit(run: Callable[[Project], dict[str, bool]], edit: str) -> None:
    assert not any(run(Project()).values())
    again = run(HITS[edit](Project()))
    assert all(again.values()), [name for name, reused in again.items() if not reused]


EARLY_CUT_OFF: dict[str, tuple[str, Edit]] = {
    "another way to compute the same": ("clean", code_edit("data.drop(columns=[]) + 0.0", "data * 1.0")),
    "a file with a blank line at its end": ("source", lambda project: project.with_(csv=CSV + "\n")),
}


@pytest.mark.parametrize("edit", EARLY_CUT_OFF)
def test_what_comes_out_equal_does_not_make_later_stages_run(
    run: Callable[[Project], dict[str, bool]], edit: str
) -> None:
    """Early cut-off: the edited stage runs, gives the same bytes, and all that follows is reused."""
    stage, change = EARLY_CUT_OFF[edit]
    run(Project())
    again = run(change(Project()))
    assert [name for name, reused in again.items() if not reused] == [stage]


def test_reuse_can_be_switched_off(tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "other") as store, store.run("p", "m") as opened:
        path = tmp_path / "data.csv"
        path.write_text(CSV)
        stage = ReadCsvStage(str(path), row_id="id")
        assert [opened.stage("s", stage, reuse=reuse).reused for reuse in (True, True, False)] == [False, True, False]
