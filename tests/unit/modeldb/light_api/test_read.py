"""Files of the Light API: what they mean, and what is refused with line, key and remedy."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator

from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.modeldb.light_api import Dataset, LightFileError, Metric, Model, read_light_file
from mistique_core.modeldb.light_api.plain_json import plain_json
from mistique_core.modeldb.light_api.structure import load_schema

MODEL = "MODEL: {NAME: m, TYPE: t, CONFIG: {}}\n"


def read(tmp_path: Path, text: str, name: str = "run.yaml"):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return read_light_file(file)


def test_the_listing_of_the_thesis(listing: Path) -> None:
    found = read_light_file(listing)
    assert found.datasets == (
        Dataset("/path/to/train_file.csv", {"num_cols": 1, "TAG": "train"}, "train"),
        Dataset("/path/to/test_file.csv", {"num_cols": 1, "TAG": "test"}, "test"),
    )
    assert found.models == (
        Model(
            "Normal distributions",
            "Sample Model",
            "path/to/model.R",
            "train",
            {"11": 20},
            (Metric("accuracy", 0.9, "train"),),
            {"owner": "bob", "date-created": "2016-02-23"},
        ),
    )
    assert found.project is None


def test_json_says_the_same(listing: Path, tmp_path: Path) -> None:
    """JSON with tabs, with and without the suffix; a mapping with a date as PyYAML reads it."""
    value = yaml.safe_load(listing.read_text())
    text = json.dumps(plain_json(value), indent="\t")
    expected = read_light_file(listing)
    assert read(tmp_path, text, "run.json") == expected
    assert read(tmp_path, text, "run.txt") == expected
    assert value["MODEL"]["date-created"] == dt.date(2016, 2, 23)
    assert read_light_file(value) == expected


def test_json_texts_stay_as_they_are(tmp_path: Path) -> None:
    odd = "\U0001f600 \u2028 \x7f \\ud83d a: b # c"
    value = {"MODEL": {"NAME": "m", "TYPE": "t", "CONFIG": {odd: odd}}}
    for ascii_only in (True, False):
        assert read(tmp_path, json.dumps(value, ensure_ascii=ascii_only), "x.json").models[0].config == {odd: odd}


def test_metrics_are_bound_to_what_they_name(tmp_path: Path) -> None:
    text = """\
DATASETS:
- {FILENAME: a, TAG: train}
- {FILENAME: b, TAG: test}
MODELS:
- NAME: m
  TYPE: t
  TAG: train
  CONFIG:
  METRICS: [{TYPE: auc, VALUE: 1}, {TYPE: auc, VALUE: 0.5, TAG: test}, {TYPE: f1, VALUE: 2, DATASET: test, by: ann}]
- {NAME: n, TYPE: t, TAG: test, CONFIG: {a: null}}
"""
    first, second = read(tmp_path, text).models
    assert [(metric.name, metric.value, metric.tag) for metric in first.metrics] == [
        ("auc", 1.0, "train"),
        ("auc", 0.5, "test"),
        ("f1", 2.0, "test"),
    ]
    assert first.metrics[2].extra == {"by": "ann"}
    assert (first.config, second.config, second.tag) == ({}, {"a": None}, "test")


@pytest.mark.parametrize(
    ("datasets", "tag", "metric_tag"),
    [
        ("", "", ""),
        ("DATASETS:\n- FILENAME: a\n", "default", "default"),
        ("DATASETS:\n- {FILENAME: a, TAG: all}\n", "all", "all"),
    ],
)
def test_one_dataset_needs_no_tag(tmp_path: Path, datasets: str, tag: str, metric_tag: str) -> None:
    text = f"{datasets}MODEL: {{NAME: m, TYPE: t, CONFIG: {{}}, METRICS: [{{TYPE: a, VALUE: 1}}]}}\n"
    (model,) = read(tmp_path, text).models
    assert (model.tag, model.metrics[0].tag) == (tag, metric_tag)


TWO = "DATASETS:\n- {FILENAME: a, TAG: train}\n- {FILENAME: b, TAG: test}\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file is empty; write at least MODEL with NAME, TYPE and CONFIG"),
        ("- 1", 1, "[1] is not a mapping of keys to values"),
        ("a: [", 2, "this is not YAML"),
        ("a: 1\n", 1, "the key MODEL is missing"),
        (f"{MODEL}MODELS: [{{NAME: m, TYPE: t, CONFIG: {{}}}}]", 1, "both MODEL and MODELS are there"),
        ("MODELS: []", 1, "MODELS: this is empty"),
        ("MODEL:\n  NAME: m\n  CONFIG: {}\n", 1, "MODEL.TYPE: this key is missing"),
        ("MODEL:\n  NAME: m\n  TYPE: 3\n  CONFIG: {}\n", 3, "MODEL.TYPE: 3 is not a text (put numbers in quotes)"),
        ("MODEL:\n  NAME: m\n  TYPE: ''\n  CONFIG: {}\n", 3, "MODEL.TYPE: this is empty"),
        (f"MODEL:\n  NAME: {'m' * 201}\n  TYPE: t\n  CONFIG: {{}}\n", 2, "201 characters are too many"),
        ('MODEL:\n  NAME: "a\\0b"\n  TYPE: t\n  CONFIG: {}\n', 2, "a character that cannot be stored"),
        ("MODEL:\n  NAME: m\n  TYPE: t\n  CONFIG: [1]\n", 4, "[1] is not a mapping of keys to values"),
        ("MODEL:\n  NAME: m\n  TYPE: t\n  CONFIG: {}\n  metrics: []\n", 5, "did you mean 'METRICS'?"),
        ("MODEL:\n  NAME: m\n  NAME: n\n  TYPE: t\n  CONFIG: {}\n", 3, "there already, in line 2"),
        ("MODEL:\n  NAME: m\n  TYPE: t\n  CONFIG: {}\n  METRICS:\n  - {TYPE: a, VALUE: x}\n", 6, "'x' is not a number"),
        (
            "MODEL:\n  NAME: m\n  TYPE: t\n  CONFIG: {}\n  METRICS:\n  - {TYPE: a, VALUE: .nan}\n",
            6,
            "is not a JSON value",
        ),
        (
            "MODEL:\n  NAME: m\n  TYPE: t\n  CONFIG: {}\n  METRICS:\n  - {TYPE: a, VALUE: true}\n",
            6,
            "True is not a number",
        ),
        (
            "MODEL:\n  NAME: m\n  TYPE: t\n  CONFIG:\n  METRICS:\n  - {TYPE: a, VALUE: 1}\n  - {TYPE: a, VALUE: 2}\n",
            7,
            "line 6 gives 'a' on the same data",
        ),
        (f"{TWO}MODEL:\n  NAME: m\n  TYPE: t\n  TAG: trian\n  CONFIG: {{}}\n", 7, "'trian'; did you mean 'train'?"),
        (f"{TWO}MODEL:\n  NAME: m\n  TYPE: t\n  CONFIG: {{}}\n", 4, "MODEL.TAG: this key is missing; name the dataset"),
        (
            "MODEL:\n  NAME: m\n  TYPE: t\n  TAG: a\n  CONFIG: {}\n",
            4,
            "no dataset is tagged 'a'; there are no DATASETS",
        ),
        (f"{MODEL}DATASETS:\n- {{FILENAME: a, TAG: x}}\n- {{FILENAME: b, TAG: x}}\n", 4, "in line 3 is tagged 'x' too"),
        (f"{MODEL}DATASETS:\n- FILENAME: a\n- {{FILENAME: b, TAG: x}}\n", 3, "each of several datasets needs one"),
        (f"{MODEL}DATASETS:\n- {{TAG: x}}\n", 3, "DATASETS.0.FILENAME: this key is missing"),
        (f"{MODEL}DATASETS:\n- FILENAME: a\n  TAG: x\n  METADATA: {{TAG: y}}\n", 4, "'x' here and 'y' in METADATA"),
        (f"{MODEL}DATASETS:\n- {{FILENAME: a, METADATA: {{NUM_ROWS: -1}}}}\n", 3, "-1 is out of range"),
        ("MODEL: !!python/object/apply:os.system [echo]", 1, "is not allowed; write plain values"),
        ("MODEL: {NAME: m, TYPE: t, CONFIG: {? !!python/name:os.system x : 1}}", 1, "is not text"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(LightFileError) as caught:
        read(tmp_path, text)
    assert f"run.yaml:{line}: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{\n"MODEL": 1,\n}', 3, "this is not JSON"),
        ('{"MODEL": {"NAME": "m", "TYPE": "t", "CONFIG": {"a": NaN}}}', 1, "NaN is not a JSON value"),
        ('{"MODEL": {"NAME": "m",\n"TYPE": "t",\n"CONFIG": 3}}', 3, "3 is not a mapping"),
        ('{"MODEL": {"NAME": "m",\n"NAME": "n", "TYPE": "t", "CONFIG": {}}}', 2, "there already, in line 1"),
        ("[" * 100_000, 1, "levels deep"),
        ('{"MODEL": {"NAME": "\\ud800", "TYPE": "t", "CONFIG": {}}}', 1, "a character that cannot be stored"),
    ],
)
def test_what_is_refused_of_json(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(LightFileError) as caught:
        read(tmp_path, text, "run.json")
    assert f"run.json:{line}: " in str(caught.value)
    assert message in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="No such file"):
        read_light_file(tmp_path / "none.yaml")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(LightFileError, match="this is not UTF-8"):
        read_light_file(tmp_path / "x.yaml")


def test_plain_json() -> None:
    value = {
        1: (np.float32(0.5), np.int64(3), np.bool_(True)),
        "when": dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        "s": {"b", "a"},
    }
    assert plain_json(value) == {"1": [0.5, 3, True], "when": "2020-01-02T03:04:05+00:00", "s": ["a", "b"]}
    for bad, message in (
        ({"a": float("nan")}, "a is nan"),
        ({"a": [object()]}, r"a\.0 is a object"),
        ({1: 2, "1": 3}, "key '1' twice"),
        ({(1,): 2}, r"key \(1,\), which is no text"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            plain_json(bad)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(load_schema())
