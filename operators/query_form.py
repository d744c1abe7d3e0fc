"""Airflow's trigger form of a technique, made from its description; nothing that a DAG processor need not load."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow.sdk import Param

from mistique_core.diagnostics import Parameter, Technique, one_form
from mistique_core.planner import STRATEGIES

KEY_EXAMPLE = "cancer.xgboost.predictions.prediction"
_ROWS_SECTION = "Which rows, and how to get them"
_OPTIONS_SECTION = "Options"
_KEYS_SECTION = "Columns"
_ROWS = ("row_id", "where", "strategy")
_STRATEGIES = {
    "auto": "auto: whichever is estimated to be faster",
    "read": "read: what is stored",
    "rerun": "rerun: the recorded stages again",
}
_HINTS = {
    "column": "A key: project.model.intermediate.column; model@3 names version 3.",
    "columns": "Keys, one a line: project.model.intermediate.column.",
    "keys": "Keys, one a line: project.model.intermediate, or with .column for one column of it.",
    "rows": "As a list: [7, 14].",
    "where": "One a line.",
}


def form_of(technique: Technique) -> dict[str, Param]:
    """Return the form of one technique: what it needs first, then its options, then which rows."""
    ordered = sorted(technique.parameters, key=lambda item: (not item.required, item.name in _ROWS))
    return {item.name: Param(**_field(item)) for item in ordered}


def form_of_all(techniques: Iterable[Technique]) -> dict[str, Param]:
    """Return one form for several techniques: the choice between them, and the fields of all, by what they are about.

    No field has a default of its own, so that what is left empty has the default of the technique that is chosen.
    """
    techniques = tuple(techniques)
    kinds = {item.name: item.kind for technique in techniques for item in technique.parameters}
    choice = Param(
        "confusion_matrix",
        type="string",
        enum=[item.name for item in techniques],
        values_display={item.name: f"{item.title}: {item.question}" for item in techniques},
        title="Technique",
        description="Fill in the fields whose text names it; what is left empty has its default.",
    )
    fields = {"technique": choice}
    for name, schema in one_form(techniques).items():
        users = [item.name for item in techniques if any(own.name == name for own in item.parameters)]
        used = "" if len(users) == len(techniques) else f" For {', '.join(users)}."
        about_keys = kinds[name] in ("column", "columns", "keys")
        section = _ROWS_SECTION if name in _ROWS else _KEYS_SECTION if about_keys else _OPTIONS_SECTION
        told = schema["description"] if ": " in schema["description"] else f"{schema['description']}{used}"
        fields[name] = Param(**_displayed(name, {**schema, "description": told, "section": section}))
    order = ["", _KEYS_SECTION, _ROWS_SECTION, _OPTIONS_SECTION]
    return dict(sorted(fields.items(), key=lambda field: order.index(field[1].schema.get("section", ""))))


def _field(item: Parameter) -> dict[str, Any]:
    """Return the schema of a field with the technique's own default, where it has one."""
    schema = dict(item.json_schema)
    if item.required:
        hint = _HINTS.get(item.kind)
        schema["description"] = f"{item.help} {hint}" if hint else item.help
    else:
        schema["section"] = _ROWS_SECTION if item.name in _ROWS else _OPTIONS_SECTION
        if schema["default"] is not None and not item.is_list:
            schema["type"] = [name for name in schema["type"] if name != "null"]
            schema["type"] = schema["type"][0] if len(schema["type"]) == 1 else schema["type"]
            if "enum" in schema:
                schema["enum"] = list(item.choices)
    return _displayed(item.name, schema)


def _displayed(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema as Airflow's form shows it best; how a key is written is checked, and explained, by the task."""
    shown = {key: value for key, value in schema.items() if key != "pattern"}
    if name == "where":
        shown["items"] = {"type": "string"}
    elif isinstance(shown.get("items"), dict):
        shown["items"] = {key: value for key, value in shown["items"].items() if key != "pattern"}
    if shown.get("enum") and set(STRATEGIES) <= set(shown["enum"]):
        shown["values_display"] = _STRATEGIES
    return shown
