"""The schema that ships is the one that the stage classes give."""

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest
import yaml
from jsonschema import Draft202012Validator

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.operator_names import OPERATORS
from mistique_core.workflows.specification.operator_schema import OUTPUTS, TEMPLATE, type_schema
from mistique_core.workflows.specification.schema import load_schema, render_schema
from tests.unit.workflows.specification.samples import HOMES_YAML


def test_the_file_is_up_to_date() -> None:
    """If not: mistique workflow schema > mistique_core/workflows/specification/workflow.schema.json"""
    assert load_schema() == json.loads(render_schema())


def test_it_is_a_schema_and_accepts_a_workflow() -> None:
    Draft202012Validator.check_schema(load_schema())
    Draft202012Validator(load_schema()).validate(yaml.safe_load(HOMES_YAML))


def test_every_operator_has_every_argument() -> None:
    schema = load_schema()
    for name, entry in OPERATORS.items():
        if name == "Function":
            assert name not in schema["$defs"]
            continue
        assert schema["$defs"][name][OUTPUTS] is not None, f"say in {entry.class_name}.outputs what it gives"
        expected = set(inspect.signature(entry.stage_class()).parameters) - set(entry.fixed)
        assert set(schema["$defs"][name]["properties"]) == expected
        assert all(item.get("description") for item in schema["$defs"][name]["properties"].values()), name


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (str | None, {"type": ["string", "null"]}),
        (Any, {}),
        (bool, {"anyOf": [{"type": "boolean"}, TEMPLATE]}),
        (int | None, {"anyOf": [{"type": ["integer", "null"]}, TEMPLATE]}),
        (float, {"anyOf": [{"type": "number"}, TEMPLATE]}),
        (Literal["a", "b"], {"anyOf": [{"enum": ["a", "b"]}, TEMPLATE]}),
        (Sequence[str], {"anyOf": [{"type": "array", "items": {"type": "string"}}, TEMPLATE]}),
        (
            Mapping[str, int],
            {
                "anyOf": [
                    {"type": "object", "additionalProperties": {"anyOf": [{"type": "integer"}, TEMPLATE]}},
                    TEMPLATE,
                ]
            },
        ),
        (list[str] | None, {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}, TEMPLATE]}),
        (Mapping[str, Any], {"anyOf": [{"type": "object", "additionalProperties": {}}, TEMPLATE]}),
    ],
)
def test_types(hint: Any, schema: dict[str, Any]) -> None:
    assert type_schema(hint) == schema


def test_a_type_that_yaml_cannot_express() -> None:
    with pytest.raises(InvalidInputError, match="no JSON value"):
        type_schema(type(print))
