"""How alike models are: by what they belong to, or by any metric."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from enum import StrEnum

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import (
    data_frame,
    fit_facts,
    linear_model,
    metric,
    transformer,
    value_name,
)
from mistique_core.catalogue.tables import experiment, experiment_run, model, model_version
from mistique_core.modeldb.entities import select_batches

MODEL_LIMIT = 1000
"""Most candidates that the first criterion selects, as in the original."""
FITTED = ("rmse", "explained_variance", "r2")
"""Metrics of a linear model that are known from its fit, where none of that name was measured."""


class Criterion(StrEnum):
    """By what models are alike; the values of the original. Any other text names a metric."""

    PROJECT = "project"
    EXPERIMENT_RUN = "experiment run"
    MODEL_TYPE = "model type"
    PROBLEM_TYPE = "problem type"
    RMSE = "rmse"
    EXPLAINED_VARIANCE = "explained_variance"
    R2 = "r2"


EQUAL = (Criterion.PROJECT, Criterion.EXPERIMENT_RUN, Criterion.MODEL_TYPE, Criterion.PROBLEM_TYPE)


def group_values(connection: sa.Connection, criterion: str, like: int | None = None) -> dict[int, object]:
    """Return model -> what it has of a criterion that is equal or not; only of models that are equal to `like`."""
    value = _group(criterion)
    query = sa.select(transformer.c.id, value.label("value")).select_from(_RUNS)
    if like is not None:
        wanted = connection.scalar(query.with_only_columns(value).where(transformer.c.id == like))
        query = query.where(value == wanted)
    return {row.id: row.value for row in connection.execute(query.order_by(transformer.c.id))}


_RUNS = (
    transformer.join(experiment_run, experiment_run.c.id == transformer.c.run_id)
    .outerjoin(experiment, experiment.c.id == experiment_run.c.experiment_id)
    .outerjoin(fit_facts, fit_facts.c.id == transformer.c.facts_id)
)


def _group(criterion: str) -> sa.ColumnElement[object]:
    of_version = (
        sa.select(sa.func.min(model.c.project_id))
        .join(model_version, model_version.c.model_id == model.c.id)
        .where(model_version.c.run_id == transformer.c.run_id)
        .correlate(transformer)
        .scalar_subquery()
    )
    return {
        Criterion.PROJECT.value: sa.func.coalesce(experiment.c.project_id, of_version),
        Criterion.EXPERIMENT_RUN.value: transformer.c.run_id,
        Criterion.MODEL_TYPE.value: transformer.c.type_name,
        Criterion.PROBLEM_TYPE.value: sa.func.coalesce(fit_facts.c.problem_type, "undefined"),
    }[criterion]


def metric_values(
    connection: sa.Connection, name: str, model_ids: Collection[int] | None = None, on: str | None = None
) -> dict[int, float]:
    """Return model -> its value of a metric.

    The last that was measured counts; of a linear model without one, what its fit gave on its training data.

    Parameters
    ----------
    connection
        A read connection.
    name
        Name of the metric.
    model_ids
        Models to restrict it to; ``None`` for all.
    on
        Tag, or name of the output, of the data frame that it was measured on; ``None`` for any.
    """
    found: dict[int, float] = {}
    if name in FITTED and on is None:
        fits = (
            sa.select(transformer.c.id, linear_model.c[name].label("value"))
            .join(linear_model, linear_model.c.facts_id == transformer.c.facts_id)
            .where(linear_model.c[name].is_not(None))
        )
        found.update((row.id, float(row.value)) for row in _restricted(connection, fits, transformer.c.id, model_ids))
    measured = (
        sa.select(metric.c.transformer_id.label("id"), metric.c.value)
        .join(value_name, value_name.c.id == metric.c.name_id)
        .where(value_name.c.name == name, metric.c.transformer_id.is_not(None))
        .order_by(metric.c.stage_id)
    )
    if on is not None:
        measured = measured.join(data_frame, data_frame.c.id == metric.c.data_frame_id).where(
            sa.or_(data_frame.c.tag == on, data_frame.c.output == on)
        )
    found.update(
        (row.id, float(row.value)) for row in _restricted(connection, measured, metric.c.transformer_id, model_ids)
    )
    return found


def _restricted(
    connection: sa.Connection,
    query: sa.Select[tuple[int, float]],
    column: sa.ColumnElement[int],
    ids: Collection[int] | None,
) -> Sequence[sa.Row[tuple[int, float]]]:
    if ids is None:
        return connection.execute(query).all()
    return list(select_batches(connection, query, column, ids))


def refine(groups: list[list[int]], values: dict[int, float], target: float) -> list[list[int]]:
    """Split each group of models that are equally alike by their distance to a value; those without one come last."""
    finer: list[list[int]] = []
    for group in groups:
        by_distance: dict[float, list[int]] = defaultdict(list)
        for model_id in group:
            by_distance[abs(values[model_id] - target) if model_id in values else float("inf")].append(model_id)
        finer += [by_distance[distance] for distance in sorted(by_distance)]
    return finer


def refine_equal(groups: list[list[int]], values: dict[int, object], target: object) -> list[list[int]]:
    """Split each group into models that are equal to what is asked for, and the others."""
    finer: list[list[int]] = []
    for group in groups:
        equal = [model_id for model_id in group if values.get(model_id) == target]
        others = [model_id for model_id in group if values.get(model_id) != target]
        finer += [part for part in (equal, others) if part]
    return finer
