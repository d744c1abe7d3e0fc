"""Workflow files and files of the Light API: any text is refused with its lines, or means what it says."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import yaml

from benchmarks.fuzzing.mutation import ODD_TEXTS, mutate_text, mutate_value
from benchmarks.fuzzing.target import WrongValueError
from mistique_core.errors import MistiqueError
from mistique_core.modeldb.light_api.read import light_file_of
from mistique_core.modeldb.light_api.text import LightFileError, read_text
from mistique_core.workflows.specification.document import MAX_DEPTH, read_document
from mistique_core.workflows.specification.load import workflow_of

DAGS = Path(__file__).parents[2] / "dags"
SMALL = """\
project: homes
model: linear
tags: [small]
parameters: {alpha: 0.1, file: "${env:HOMES}/homes.csv", factor: 2}
variations:
  weak: {}
  strong: {alpha: 0.5}
stages:
  read: {operator: ReadCsv, params: {path: "${file}"}}
  enlarged: {operator: "own.py:enlarge", inputs: read, params: {factor: "${factor}"}}
  split: {operator: TrainTestSplit, inputs: enlarged, params: {test_size: 0.25}}
  fit:
    operator: TrainElasticNet
    inputs: split.train
    params: {label: price, params: {alpha: "${alpha}", random_state: 0}}
  predictions: {operator: Predict, inputs: {model: fit.model, data: split.test}, params: {keep: [price]}}
"""
LIGHT = """\
DATASETS:
  - {FILENAME: /path/to/train.csv, METADATA: {num_cols: 1, TAG: train}}
  - {FILENAME: /path/to/test.csv, TAG: test}
MODEL:
  NAME: Sample Model
  TYPE: Normal distributions
  PATH: path/to/model.R
  TAG: train
  CONFIG: {11: 20, depth: [1, 2.5, null, true]}
  METRICS:
    - {TYPE: accuracy, VALUE: 0.9}
    - {TYPE: auc, VALUE: 1, DATASET: test}
  owner: bob
PROJECT: wines
DESCRIPTION: "a text: with # signs"
"""
_SHARE_OF_VALUES = 0.35
_SHARE_OF_WORKFLOWS = 0.3


def _texts() -> list[str]:
    files = [*sorted((DAGS / "zillow").glob("*.yaml"))[:8], *sorted((DAGS / "search").glob("*.yaml"))]
    return [*[SMALL] * 12, *(path.read_text(encoding="utf-8") for path in files)]


def write_value(random: Random, value: Any) -> str:
    """Return a JSON value as YAML, in one of several styles."""
    match random.randrange(4):
        case 0:
            return json.dumps(value, ensure_ascii=False)  # YAML has no pairs of surrogates
        case 1:
            return json.dumps(value, ensure_ascii=False, indent=random.choice((1, 2, 4)))
        case 2:
            return "# a comment\n\n" + json.dumps(value, indent=1, ensure_ascii=False).replace("\n", "\n\n") + "\n...\n"
        case _:
            return yaml.safe_dump(
                value,
                default_style='"' if random.random() < 0.5 else "'",
                default_flow_style=random.random() < 0.5,
                indent=random.choice((2, 4, 7)),
                width=random.choice((20, 80, 10_000)),
                allow_unicode=random.random() < 0.5,
            )


def _plain(value: Any) -> bool:
    """Whether a value can be told apart from what it is read as: PyYAML writes numbers in quotes with their tags."""
    if isinstance(value, dict):
        return all(_is_text(name) and _plain(item) for name, item in value.items())
    if isinstance(value, list):
        return all(map(_plain, value))
    if isinstance(value, str):
        return _is_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return len(str(value)) <= 30
    return not isinstance(value, float) or abs(value) < 1e300


def _is_text(text: str) -> bool:
    return text.isprintable() and "\ufeff" not in text and len(text) < 1_000


def _same(found: Any, wanted: Any) -> bool:
    """Whether two JSON values are equal, and of equal types but for numbers that are whole."""
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict)
            and found.keys() == wanted.keys()
            and all(_same(found[name], item) for name, item in wanted.items())
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_same, found, wanted))
    return type(found) is type(wanted) and found == wanted


class YamlTarget:
    """Workflow files: mutated texts, and mutated values in several styles, whose values are known."""

    def __init__(self) -> None:
        self._texts = _texts()
        self._values = [read_document(text, "x").value for text in self._texts]

    def make(self, random: Random) -> tuple[str, Any, bool, bool]:
        """Return a text, its value, whether that is known, and whether to make a workflow of it, which is slow."""
        is_whole = random.random() < _SHARE_OF_WORKFLOWS
        if random.random() < _SHARE_OF_VALUES:
            value = random.choice(self._values[:2])
            for _ in range(random.choice((1, 2, 4))):
                value = mutate_value(random, value)
            if value not in (None, {}, []) and _plain(value):
                return write_value(random, value), value, True, is_whole
        return mutate_text(random, random.choice(self._texts), self._texts), None, False, is_whole

    def run(self, item: tuple[str, Any, bool, bool]) -> str:
        """Read the document, and make a workflow of it."""
        text, value, is_known, is_whole = item
        if is_known:
            document = read_document(text, "x")
            if document.problems or not _same(document.value, value):
                raise WrongValueError(f"{text!r:.600} is read as {document.value!r:.600} ({document.problems!r:.200})")
        try:
            if is_whole:
                workflow_of(text, Path("x.yaml"))
            else:
                read_document(text, "x.yaml").check()
        except MistiqueError as error:
            if not str(error).startswith("x.yaml:"):
                raise WrongValueError(f"a message without a line: {error}") from error
            return "refused"
        return "accepted"

    def close(self) -> None:
        """Nothing is open."""


class LightTarget:
    """Files of the Light API, as YAML and as JSON."""

    def __init__(self) -> None:
        self._value = read_document(LIGHT, "x", any_key=True).value
        self._texts = [LIGHT, json.dumps(self._value), json.dumps(self._value, indent="\t")]

    def make(self, random: Random) -> tuple[str, str, Any, bool]:
        """Return a text, the name of its file, its value, and whether that is known."""
        name = random.choice(("x.yaml", "x.json", "x"))
        if random.random() < _SHARE_OF_VALUES:
            value = self._value
            for _ in range(random.choice((1, 2, 4))):
                value = mutate_value(random, value)
            if isinstance(value, dict) and value and _plain(value):
                text = json.dumps(value) if name == "x.json" else write_value(random, value)
                return text, name, value, True
        text = mutate_text(random, random.choice(self._texts), [*self._texts, *ODD_TEXTS])
        return text, name, None, False

    def run(self, item: tuple[str, str, Any, bool]) -> str:
        """Read the document, and what it says."""
        text, name, value, is_known = item
        try:
            document = read_text(text, name)
            if is_known and not document.problems and not _same(document.value, value):
                raise WrongValueError(f"{text!r:.600} is read as {document.value!r:.600}")
            light_file_of(document)
        except LightFileError as error:
            if not str(error).startswith(f"{name}:"):
                raise WrongValueError(f"a message without a line: {error}") from error
            return "refused"
        if _depth(document.value) > MAX_DEPTH + 1:
            raise WrongValueError(f"{_depth(document.value)} levels were accepted")
        return "accepted"

    def close(self) -> None:
        """Nothing is open."""


def _depth(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, items), default=0) if isinstance(value, dict | list) else 0
