"""A recorded run is written as the file that says the same."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mistique_core import Mistique
from mistique_core.errors import NotFoundError
from mistique_core.modeldb import RunRecorder
from mistique_core.modeldb.light_api import import_file, read_light_file, to_document, to_yaml
from mistique_core.modeldb.light_api.export import yaml_text
from mistique_core.modeldb.light_api.structure import known_keys
from mistique_core.modeldb.light_api.text import read_text

NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))
KEYS = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text)


def extras(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return free keys: none that is one of the format's, in whatever case."""
    known = {name.lower() for name in known_keys(kind)}
    return st.dictionaries(KEYS.filter(lambda name: name.lower() not in known), JSON, max_size=3)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Return files as the export writes them: each thing in the one way to say it."""
    tags = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    datasets = []
    for tag in tags:
        metadata = draw(st.dictionaries(KEYS.filter(lambda key: key not in ("TAG", "NUM_ROWS")), JSON, max_size=3))
        entry: dict[str, Any] = {"FILENAME": draw(NAMES)}
        if draw(st.booleans()):
            metadata = {**metadata, "TAG": tag}
        else:
            entry["TAG"] = tag
        if metadata:
            entry["METADATA"] = metadata
        datasets.append(entry | draw(extras("dataset")))
    models = []
    for _ in range(draw(st.integers(1, 2))):
        tag = draw(st.sampled_from(tags))
        model: dict[str, Any] = {"NAME": draw(NAMES), "TYPE": draw(NAMES), "TAG": tag}
        if draw(st.booleans()):
            model["PATH"] = draw(NAMES)
        model["CONFIG"] = draw(st.dictionaries(NAMES, JSON, max_size=3))
        places = draw(st.lists(st.tuples(NAMES, st.sampled_from(tags)), max_size=4, unique=True))
        metrics = []
        for name, measured_on in places:
            item: dict[str, Any] = {"TYPE": name, "VALUE": draw(st.floats(allow_nan=False, allow_infinity=False))}
            if measured_on != tag:
                item["TAG"] = measured_on
            metrics.append(item | draw(extras("metric")))
        if metrics:
            model["METRICS"] = metrics
        models.append(model | draw(extras("model")))
    document = {"PROJECT": "p", "EXPERIMENT": "of its own", **draw(extras(""))}
    if draw(st.booleans()):
        document |= {"DESCRIPTION": draw(NAMES), "CODE_VERSION": draw(NAMES)}
    document["DATASETS"] = datasets
    return document | ({"MODEL": models[0]} if len(models) == 1 else {"MODELS": models})


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mistique]:
    with Mistique.open(tmp_path_factory.mktemp("store")) as store:
        yield store


NUMBER = itertools.count()


def models_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return document.get("MODELS") or [document["MODEL"]]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=documents(), as_json=st.booleans())
def test_what_a_file_says_comes_back(
    one_store: Mistique, tmp_path: Path, document: dict[str, Any], as_json: bool
) -> None:
    """Read from YAML or JSON, recorded, written, and read once more."""
    file = tmp_path / f"x{next(NUMBER)}.{'json' if as_json else 'yaml'}"
    file.write_text(json.dumps(document) if as_json else yaml_text(document), encoding="utf-8")
    done = import_file(one_store, file)
    found = to_document(one_store, done.name, done.run_id)
    assert found == document
    for model, said in zip(models_of(found), models_of(document), strict=True):
        types = [{name: type(value) for name, value in item["CONFIG"].items()} for item in (model, said)]
        assert types[0] == types[1]
    file.with_suffix(".out").write_text(to_yaml(one_store, done.name, done.run_id), encoding="utf-8")
    assert read_light_file(file.with_suffix(".out")) == done.file


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_yaml_text(value: dict[str, Any]) -> None:
    """What is written is read as the same values and types, by PyYAML's own rules (YAML 1.1) too."""
    text = yaml_text(value)
    for found in (read_text(text, "x.yaml").value, yaml.safe_load(text)):
        assert repr(sorted(found.items())) == repr(sorted(value.items()))


@pytest.mark.parametrize("text", ["1e5", "0o17", "1_000", "no", "2016-02-23", "12:30", "0x1f", "~", "=", "<<", ""])
def test_texts_that_look_like_something_else(text: str) -> None:
    written = yaml_text({text: text})
    assert read_text(written, "x.yaml").value == {text: text} == yaml.safe_load(written)


def test_the_listing_of_the_thesis(listing: Path, store: Mistique) -> None:
    """All of it, and where it belongs; with both databases."""
    done = import_file(store, listing)
    said = yaml.safe_load(listing.read_text())
    said["MODEL"] |= {"CONFIG": {"11": 20}, "date-created": "2016-02-23"}
    assert to_document(store, done.name, done.run_id) == {"PROJECT": "light_api", **said}


def test_only_runs_of_the_light_api(store: Mistique) -> None:
    with RunRecorder(store.catalogue, "p", "m") as run:
        pass
    with pytest.raises(NotFoundError, match="has recorded no run"):
        to_document(store, run.key.dag_id, run.key.run_id)
