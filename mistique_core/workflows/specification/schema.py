"""The JSON schema of workflow files (draft 2020-12): made from the stage classes, read from the package."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from mistique_core.workflows.operator_names import OPERATORS
from mistique_core.workflows.specification.materialization import MATERIALIZATION_SCHEMA
from mistique_core.workflows.specification.search_spec import SEARCH_SCHEMA
from mistique_core.workflows.specification.searched_values import SEARCHED_SCHEMA

SCHEMA_FILE = "workflow.schema.json"
_NOTHING: dict[str, Any] = {"not": {}}
USER_CODE = r"^[^:\s]+:[A-Za-z_][A-Za-z0-9_.]*$"


@cache
def load_schema() -> dict[str, Any]:
    """Return the schema that ships with the package; imports no stage class."""
    text = files("mistique_core.workflows.specification").joinpath(SCHEMA_FILE).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def render_schema() -> str:
    """Return the schema as the text of its file, made anew from the stage classes."""
    return json.dumps(make_schema(), indent=2, ensure_ascii=False) + "\n"


def make_schema() -> dict[str, Any]:
    """Return the schema, made from the constructors of all registered stage classes; imports them."""
    from mistique_core.workflows.specification.operator_schema import operator_schema

    made = {name: operator_schema(entry) for name, entry in OPERATORS.items()}
    operators = {name: schema for name, schema in made.items() if schema is not None}
    name = {"type": "string", "minLength": 1}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "MISTIQUE workflow",
        "type": "object",
        "properties": {
            "project": {"description": "Project that the workflow logs to", **name},
            "model": {"description": "Model; with variations each one's is <model>_<variation>", **name},
            "description": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "parameters": {
                "description": "Hyperparameters and their values, used as ${name}; texts may use ${env:NAME:-default}",
                "type": "object",
            },
            "variations": {
                "description": "Variation -> the parameters that it changes",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"type": ["object", "null"]},
            },
            "materialization": MATERIALIZATION_SCHEMA,
            "search": SEARCH_SCHEMA,
            "stages": {
                "description": "In order: a stage uses outputs of earlier ones",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"$ref": "#/$defs/stage"},
            },
        },
        "required": ["project", "model", "stages"],
        "additionalProperties": False,
        "$defs": {
            "template": {"description": "A text with ${parameter}", "type": "string", "pattern": r"\$\{"},
            "reference": {"description": "stage, or stage.output", "type": "string", "minLength": 1},
            "searched": SEARCHED_SCHEMA,
            "stage": _stage_schema(operators),
            **operators,
        },
    }


def _stage_schema(operators: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "operator": {
                "description": "An operator, or your function or class: module:name, or file.py:function",
                "anyOf": [{"enum": list(operators)}, {"type": "string", "pattern": USER_CODE}],
            },
            "inputs": {
                "description": "One output of an earlier stage, or names and outputs",
                "anyOf": [
                    {"$ref": "#/$defs/reference"},
                    {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/reference"}},
                ],
            },
            "params": {"type": "object"},
            "reuse": {"description": "false: execute in every run", "type": "boolean", "default": True},
            "row_id": {
                "description": "Function that reads source data: column that identifies an example",
                "type": ["string", "null"],
            },
            "deterministic": {
                "description": "Function: whether equal inputs always give equal outputs",
                "type": ["boolean", "null"],
            },
        },
        "required": ["operator"],
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"properties": {"operator": {"const": name}}, "required": ["operator"]},
                "then": {
                    "properties": {
                        "params": {"$ref": f"#/$defs/{name}"},
                        "row_id": _NOTHING,
                        "deterministic": _NOTHING,
                    },
                    **({"required": ["params"]} if schema.get("required") else {}),
                },
            }
            for name, schema in operators.items()
        ],
    }
