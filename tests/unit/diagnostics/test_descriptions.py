"""The descriptions of techniques agree with the functions, with JSON schema, and cost nothing to read."""

import inspect
import subprocess
import sys
from typing import Any

import jsonschema
import pytest

from mistique_core import diagnostics
from mistique_core.diagnostics import TECHNIQUES, Technique, one_form
from mistique_core.errors import InvalidInputError

EVERY = pytest.mark.parametrize("technique", TECHNIQUES.values(), ids=list(TECHNIQUES))


@EVERY
def test_parameters_are_those_of_the_function(technique: Technique) -> None:
    signature = inspect.signature(getattr(diagnostics, technique.name))
    store, *parameters = signature.parameters.values()
    assert store.name == "store"
    assert [item.name for item in parameters] == [item.name for item in technique.parameters]
    for shown, described in zip(parameters, technique.parameters, strict=True):
        assert (shown.default is inspect.Parameter.empty) == described.required
        if not described.required:
            assert shown.default == described.default
            assert described.check(shown.default) == shown.default


@EVERY
def test_every_parameter_is_documented_in_the_function(technique: Technique) -> None:
    text = inspect.getdoc(getattr(diagnostics, technique.name)) or ""
    section = text.split("Parameters\n")[1].split("Returns\n")[0]
    named = {name.strip() for line in section.splitlines() if line and line[0] != " " for name in line.split(",")}
    assert {item.name for item in technique.parameters} <= named


def valid(technique: Technique) -> dict[str, Any]:
    """Return a request with every required parameter."""
    values = {"column": "p.m@2.x.mean radius", "columns": ["p.m.x.a.b"], "keys": ["p.m.x", "p.m.x.a"], "row": 3}
    values["rows"] = [3, -1]
    return {item.name: values[item.kind] for item in technique.parameters if item.required}


@EVERY
def test_schema_and_check_agree(technique: Technique) -> None:
    schema = technique.json_schema
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    request = valid(technique)
    empty = {item.name: None for item in technique.parameters if not item.required}
    for good in (request, {**request, **empty}, {**request, "strategy": "read"}):
        validator.validate(good)
        technique.check(good)
    wrong = [{**request, "unknown": 1}, {**request, "strategy": "fast"}]
    wrong += [{name: value for name, value in request.items() if name != gone} for gone in request]
    wrong += [{**request, item.name: 1.5} for item in technique.parameters if item.kind not in ("number", "label")]
    wrong += [
        {**request, item.name: bound - 1}
        for item in technique.parameters
        for bound in (item.minimum, item.above)
        if bound is not None
    ]
    wrong += [{**request, item.name: "p.m.x.*"} for item in technique.parameters if item.kind == "column"]
    for bad in wrong:
        assert not validator.is_valid(bad), bad
        with pytest.raises(InvalidInputError):
            technique.check(bad)


def test_one_form_takes_what_each_technique_takes() -> None:
    form = {"type": "object", "properties": one_form(TECHNIQUES.values()), "additionalProperties": False}
    validator = jsonschema.Draft202012Validator(form)
    nothing = dict.fromkeys(form["properties"])
    validator.validate(nothing)
    for technique in TECHNIQUES.values():
        request = valid(technique)
        lists = {item.name for other in TECHNIQUES.values() for item in other.parameters if item.is_list}
        given = {
            name: [value] if name in lists and not isinstance(value, list) else value for name, value in request.items()
        }
        validator.validate({**nothing, **given})
        assert technique.check({name: value for name, value in given.items() if value is not None}) == technique.check(
            request
        )
    assert all(schema["default"] is None and schema["description"] for schema in form["properties"].values())


def test_parameters_of_one_name_can_share_a_field() -> None:
    kinds: dict[str, set[str]] = {}
    for technique in TECHNIQUES.values():
        for item in technique.parameters:
            kinds.setdefault(item.name, set()).add(item.kind)
    assert {name: kinds[name] for name in kinds if len(kinds[name]) > 1 and kinds[name] != {"row", "rows"}} == {}


def test_reading_the_registry_imports_neither_pandas_nor_plotly() -> None:
    code = (
        "import sys; from mistique_core.diagnostics import TECHNIQUES, one_form; one_form(TECHNIQUES.values());"
        "print(sorted({'pandas', 'plotly', 'sqlalchemy'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
