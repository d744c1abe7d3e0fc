"""Which fields a filter may name, and what their values are."""

from __future__ import annotations

from enum import StrEnum

from mistique_core.modeldb.filter.syntax import Field


class FieldType(StrEnum):
    """What the values of a field are."""

    NUMBER = "number"
    TEXT = "text"
    TIME = "time"
    ANY = "any"
    FLAG = "flag"


GROUPS = {
    "metrics": FieldType.NUMBER,
    "params": FieldType.ANY,
    "tags": FieldType.FLAG,
    "metadata": FieldType.ANY,
}
"""Group -> type of its values; the names in a group are free."""

FACTS = {
    "id": FieldType.NUMBER,
    "project": FieldType.TEXT,
    "experiment": FieldType.TEXT,
    "model": FieldType.TEXT,
    "version": FieldType.NUMBER,
    "type": FieldType.TEXT,
    "problem": FieldType.TEXT,
    "kind": FieldType.TEXT,
    "life": FieldType.TEXT,
    "tag": FieldType.TEXT,
    "state": FieldType.TEXT,
    "source": FieldType.TEXT,
    "run_type": FieldType.TEXT,
    "dag_id": FieldType.TEXT,
    "run_id": FieldType.TEXT,
    "author": FieldType.TEXT,
    "description": FieldType.TEXT,
    "started": FieldType.TIME,
    "ended": FieldType.TIME,
    "seconds": FieldType.NUMBER,
}
"""Fact of a run -> type of its values."""

ALIASES = {
    "metric": "metrics",
    "param": "params",
    "parameters": "params",
    "hyperparameters": "params",
    "problem_type": "problem",
    "life_stage": "life",
    "started_at": "started",
    "ended_at": "ended",
}
"""Other names of groups and facts."""


def field_type(field: Field) -> FieldType:
    """Return what the values of a known field are."""
    return GROUPS[field.group] if field.group else FACTS[field.name]


def known_names() -> list[str]:
    """Return what can be named, for an error."""
    return [*FACTS, *(f"{group}.NAME" for group in GROUPS)]
