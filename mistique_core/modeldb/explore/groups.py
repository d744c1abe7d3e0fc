"""Count runs by the values of a field, in the database."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import hyperparameter, tag
from mistique_core.catalogue.tables import experiment, experiment_run, model, model_version, project
from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.explore.matching import Matching, matching
from mistique_core.modeldb.explore.records import RunGroup, RunGroups
from mistique_core.modeldb.filter.main_type import main_type
from mistique_core.modeldb.filter.parse import parse_field
from mistique_core.modeldb.filter.syntax import Comparison, Condition, Field, FilterQuery, IsNull, Not, Operator, Value
from mistique_core.modeldb.filter.write import write_condition, write_field

GROUPED = ("type", "run_type", "state", "life", "tag", "model", "project", "author", "source", "dag_id", "experiment")
"""Facts by which runs are grouped; and any hyperparameter."""
NONE = "none"


def run_groups(
    connection: sa.Connection,
    query: str | FilterQuery,
    by: str,
    *,
    readable_dags: Collection[str] | None = None,
    most: int = 24,
) -> RunGroups:
    """Return how many of the runs that fit a filter have each value of a field.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    query
        The filter; its order and limit do not count.
    by
        A fact of :data:`GROUPED`, or a hyperparameter such as ``params.max_depth``. ``type`` is the class of each run's
        main model, so that no run counts twice.
    readable_dags
        DAGs whose runs count; those of scripts always do. ``None`` means all.
    most
        Most groups to list, the largest.

    Raises
    ------
    InvalidInputError
        If the filter cannot be read, or runs cannot be grouped by the field.
    """
    field = parse_field(by)
    if field.group != "params" and (field.group or field.name not in GROUPED):
        raise InvalidInputError(
            f"runs are not grouped by {write_field(field)}; choose one of {', '.join(GROUPED)}, or params.NAME"
        )
    found = matching(connection, query, readable_dags, [field])
    total = int(
        connection.execute(sa.select(sa.func.count()).select_from(experiment_run).where(*found.conditions)).scalar_one()
    )
    counted = [
        (kind, text, int(count)) for kind, text, count in connection.execute(_counted(field, found)) if text is not None
    ]
    counted.sort(key=lambda item: (-item[2], item[1]))
    without = _without(connection, field, found, total)
    groups = [
        RunGroup(_label(kind, text), count, _condition(field, kind, text)) for kind, text, count in counted[:most]
    ]
    if without:
        groups.append(RunGroup(NONE, without, write_condition(_missing(field))))
        groups.sort(key=lambda group: -group.count)
    rest = counted[most:]
    return RunGroups(tuple(groups), len(rest), sum(count for _, _, count in rest), total)


def _counted(field: Field, found: Matching) -> sa.Select[Any]:
    """Return (kind, text, runs) of each value."""
    runs = experiment_run.c.id
    if field.group == "params":
        row = hyperparameter.alias()
        is_null = sa.cast(row.c.value, sa.Text) == "null"
        text = sa.case((row.c.kind != "json", row.c.text), (is_null, "null"), else_="list or object")
        return (
            sa.select(row.c.kind, text, sa.func.count(runs.distinct()))
            .select_from(experiment_run.join(row, row.c.run_id == runs))
            .where(row.c.name_id == found.numbers.get(field.name, -1), row.c.is_own, *found.conditions)
            .group_by(row.c.kind, text)
        )
    if field.name == "tag":
        of_run = sa.select(tag.c.entity_id.label("run_id"), tag.c.name).where(tag.c.entity == "run")
        of_version = (
            sa.select(model_version.c.run_id, tag.c.name)
            .join(tag, sa.and_(tag.c.entity == "version", tag.c.entity_id == model_version.c.id))
        )  # fmt: skip
        tagged = sa.union(of_run, of_version).subquery("tagged")
        return _by(tagged.c.name, experiment_run.join(tagged, tagged.c.run_id == runs), found)
    if field.name == "type":
        typed = sa.select(main_type().label("name")).select_from(experiment_run).where(*found.conditions).subquery()
        return sa.select(sa.literal("text"), typed.c.name, sa.func.count()).group_by(typed.c.name)
    if field.name in ("model", "life", "project"):
        column = {"model": model.c.name, "life": model_version.c.life_stage, "project": project.c.name}[field.name]
        rows = experiment_run.join(model_version, model_version.c.run_id == runs)
        rows = rows.join(model, model.c.id == model_version.c.model_id).join(
            project, project.c.id == model.c.project_id
        )
        return _by(column, rows, found)
    if field.name == "experiment":
        return _by(experiment.c.name, experiment_run.join(experiment), found)
    return _by(experiment_run.c[field.name], experiment_run, found)


def _by(column: sa.ColumnElement[Any], rows: sa.FromClause, found: Matching) -> sa.Select[Any]:
    return (
        sa.select(sa.literal("text"), column, sa.func.count(experiment_run.c.id.distinct()))
        .select_from(rows)
        .where(*found.conditions)
        .group_by(column)
    )


def _without(connection: sa.Connection, field: Field, found: Matching, total: int) -> int:
    has: sa.ColumnElement[bool]
    has = main_type().is_not(None) if field == Field("", "type") else found.compiled.condition(IsNull(field, True))
    counted = sa.select(sa.func.count()).select_from(experiment_run).where(*found.conditions, has)
    return total - int(connection.execute(counted).scalar_one())


def _label(kind: str, text: str) -> str:
    return text if text.strip() or kind != "string" else repr(text)


def _condition(field: Field, kind: str, text: str) -> str:
    """Return the filter of one value, where the language has one."""
    value: Value
    match kind:
        case "json":
            return ""
        case "bool":
            value = text == "true"
        case "int":
            value = int(text)
        case "double":
            value = float(text)
            if value != value or value in (float("inf"), float("-inf")):
                return ""
        case _:
            value = text
    return write_condition(Comparison(field, Operator.EQUAL, value))


def _missing(field: Field) -> Condition:
    return Not(IsNull(field, True))
