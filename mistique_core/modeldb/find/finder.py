"""Find, group and rank models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.modeldb_tables import feature, fit_facts, transformer
from mistique_core.catalogue.tables import project
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.modeldb.entities import one_model, select_batches
from mistique_core.modeldb.find.likeness import (
    EQUAL,
    MODEL_LIMIT,
    group_values,
    metric_values,
    refine,
    refine_equal,
)
from mistique_core.modeldb.json_path import value_at

_FACTS = ("name", "author", "description")


class Finder:
    """Find models that are like one, that have features, or whose metadata says something.

    Parameters
    ----------
    catalogue
        Where they are recorded.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def similar_models(self, model_id: int, by: Sequence[str], limit: int) -> tuple[int, ...]:
        """Return the models that are most like one, the most alike first; without the model itself.

        The first criterion selects: models that are equal to the model (``project``, ``experiment run``,
        ``model type``, ``problem type``), or the thousand whose value is nearest (any metric). Each further one only
        breaks ties. What is still equal is ordered by id. A criterion that the model has no value of is left out.

        Parameters
        ----------
        model_id
            The model.
        by
            Criteria, the most important first: values of :class:`~mistique_core.modeldb.find.likeness.Criterion`, or
            names of metrics.
        limit
            Most models to return.

        Raises
        ------
        NotFoundError
            If the model does not exist.
        InvalidInputError
            If `limit` is less than 1.
        """
        if limit < 1:
            raise InvalidInputError(f"{limit} similar models: ask for 1 at least")
        groups: list[list[int]] = []
        with self._catalogue.read() as connection:
            one_model(connection, model_id)
            for criterion in by:
                groups = _refined(connection, groups, str(criterion), model_id)
        ordered = (found for group in groups for found in group if found != model_id)
        return tuple(found for found, _ in zip(ordered, range(limit), strict=False))

    def rank_models(
        self, model_ids: Sequence[int], metric: str, *, on: str | None = None, descending: bool = True
    ) -> tuple[int, ...]:
        """Return models by a metric, the largest value first; those without it, and unknown ids, are left out.

        Parameters
        ----------
        model_ids
            The models.
        metric
            Name of any metric; of linear models also ``rmse``, ``explained_variance`` and ``r2`` of their fit.
        on
            Tag, or name of the output, of the data that it was measured on; ``None`` takes the last that was measured.
        descending
            Whether the largest value comes first, as in the original for every metric.
        """
        with self._catalogue.read() as connection:
            values = metric_values(connection, metric, model_ids, on)
        known = [model_id for model_id in dict.fromkeys(model_ids) if model_id in values]
        return tuple(sorted(known, key=values.__getitem__, reverse=descending))

    def group_by_problem_type(self, model_ids: Sequence[int]) -> dict[str, tuple[int, ...]]:
        """Return problem type -> models, each once, in their order; unknown ids are left out."""
        with self._catalogue.read() as connection:
            query = sa.select(transformer.c.id, fit_facts.c.problem_type).outerjoin(
                fit_facts, fit_facts.c.id == transformer.c.facts_id
            )
            types = {row.id: row.problem_type for row in select_batches(connection, query, transformer.c.id, model_ids)}
        groups: dict[str, list[int]] = {}
        for model_id in dict.fromkeys(model_ids):
            if model_id in types:
                groups.setdefault(types[model_id] or "undefined", []).append(model_id)
        return {name: tuple(found) for name, found in groups.items()}

    def models_with_features(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the models that have every one of some features, by id; none for no names."""
        wanted = set(names)
        with self._catalogue.read() as connection:
            having = (
                sa.select(feature.c.facts_id)
                .where(feature.c.name.in_(sorted(wanted)))
                .group_by(feature.c.facts_id)
                .having(sa.func.count(sa.distinct(feature.c.name)) == len(wanted))
            )
            query = sa.select(transformer.c.id).where(transformer.c.facts_id.in_(having)).order_by(transformer.c.id)
            return tuple(connection.scalars(query)) if wanted else ()

    def model_ids(self, values: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the models whose metadata has all of some values, by id.

        Parameters
        ----------
        values
            Dot path -> JSON value; a text also finds a number or a truth value that it spells.
        """
        with self._catalogue.read() as connection:
            query = sa.select(transformer.c.id, transformer.c.metadata).where(transformer.c.metadata.is_not(None))
            rows = connection.execute(query.order_by(transformer.c.id))
            return tuple(row.id for row in rows if _has_all(row.metadata or {}, values))

    def project_ids(self, values: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the projects that have all of some values, by id.

        Parameters
        ----------
        values
            ``name``, ``author`` or ``description`` -> text; any other key is a dot path into the project's metadata.
        """
        with self._catalogue.read() as connection:
            rows = connection.execute(sa.select(project).order_by(project.c.id)).all()
        facts = {name: value for name, value in values.items() if name in _FACTS}
        further = {name: value for name, value in values.items() if name not in _FACTS}
        return tuple(
            row.id
            for row in rows
            if all(row._mapping[name] == value for name, value in facts.items())
            and _has_all(row.metadata or {}, further)
        )


def _refined(connection: sa.Connection, groups: list[list[int]], criterion: str, model_id: int) -> list[list[int]]:
    """Return the groups after one more criterion; the first one selects."""
    if criterion in EQUAL:
        if not groups:
            alike = list(group_values(connection, criterion, like=model_id))
            return [alike[: MODEL_LIMIT + 1]] if alike else []
        values = group_values(connection, criterion)
        return refine_equal(groups, values, values.get(model_id))
    measured = metric_values(connection, criterion)
    if model_id not in measured:
        return groups
    if groups:
        return refine(groups, measured, measured[model_id])
    nearest = sorted(measured, key=lambda found: (abs(measured[found] - measured[model_id]), found))
    return refine([nearest[: MODEL_LIMIT + 1]], measured, measured[model_id])


def _has_all(document: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return all(_has(document, path, value) for path, value in values.items())


def _has(document: Mapping[str, Any], path: str, value: Any) -> bool:
    try:
        found = value_at(document, path)
    except NotFoundError:
        return False
    if isinstance(found, bool) != isinstance(value, bool) and not isinstance(value, str):
        return False
    spelled = str(found).lower() if isinstance(found, bool) else str(found)
    return bool(found == value or (isinstance(value, str) and spelled == value))
