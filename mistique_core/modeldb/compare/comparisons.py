"""Compare models and runs, and analyse a model's inside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.fit_facts import read_facts
from mistique_core.catalogue.modeldb_tables import data_frame, feature, history, stage_input, transformer, value_name
from mistique_core.errors import IllegalOperationError, InvalidInputError, NotFoundError
from mistique_core.model.fit_facts import FitFacts
from mistique_core.modeldb.compare.importances import compare, importances, linear_importances, ranked
from mistique_core.modeldb.compare.records import (
    ConfidenceInterval,
    FeatureComparison,
    HyperparameterComparison,
    ImportanceComparison,
    RunTable,
)
from mistique_core.modeldb.compare.run_table import run_table
from mistique_core.modeldb.compare.student_t import t_quantile
from mistique_core.modeldb.entities import one_model, read_specs, select_batches
from mistique_core.modeldb.entity_records import ModelRecord

UNKNOWN = -1
OBJECTIVE = "objective"


class Comparisons:
    """Compare models and runs.

    Calls raise NotFoundError for an id that does not exist, unless they say otherwise.

    Parameters
    ----------
    catalogue
        Where they are recorded.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def hyperparameters(self, model_1: int, model_2: int) -> HyperparameterComparison:
        """Return which hyperparameters only one model has, and the values of those that both have.

        Raises
        ------
        NotFoundError
            If a model does not exist, or no event is recorded that fitted it.
        """
        with self._catalogue.read() as connection:
            first, second = (_hyperparameters(connection, model) for model in (model_1, model_2))
        return HyperparameterComparison(
            {name: value for name, value in first.items() if name not in second},
            {name: value for name, value in second.items() if name not in first},
            {name: (value, second[name]) for name, value in first.items() if name in second},
        )

    def features(self, model_1: int, model_2: int) -> FeatureComparison:
        """Return which features only one model has, and which both have.

        Raises
        ------
        NotFoundError
            If a model does not exist, or none of its features is recorded.
        """
        with self._catalogue.read() as connection:
            first, second = (_features(connection, model) for model in (model_1, model_2))
        return FeatureComparison(
            tuple(name for name in first if name not in second),
            tuple(name for name in second if name not in first),
            tuple(name for name in first if name in second),
        )

    def feature_importances(self, model_1: int, model_2: int) -> tuple[ImportanceComparison, ...]:
        """Return the percentile ranks of the features of two models of any kind.

        Raises
        ------
        IllegalOperationError
            If a model gives no importances and is no linear one.
        """
        with self._catalogue.read() as connection:
            first, second = (importances(*_facts(connection, model)) for model in (model_1, model_2))
        return compare(first, second)

    def linear_feature_importances(self, model_id: int) -> tuple[str, ...]:
        """Return the features of a linear model, those with the largest absolute coefficients first.

        Raises
        ------
        IllegalOperationError
            If it is no linear model, or it was not fitted on standardised features.
        """
        with self._catalogue.read() as connection:
            return tuple(ranked(linear_importances(*_facts(connection, model_id))))

    def confidence_intervals(self, model_id: int, significance: float) -> tuple[ConfidenceInterval, ...]:
        """Return the t confidence interval of each coefficient of a linear model, by target and index.

        Each covers with probability 1 - `significance`: of 0.05 it is the 95 % interval. Coefficients without standard
        error are left out.

        Raises
        ------
        InvalidInputError
            If `significance` is not between 0 and 1.
        IllegalOperationError
            If it is no linear model, or it was fitted on no more rows than it has coefficients.
        NotFoundError
            If the model does not exist, or it is not recorded on how many rows it was fitted.
        """
        if not 0 < significance < 1:
            raise InvalidInputError(f"significance {significance}: give one between 0 and 1, such as 0.05")
        with self._catalogue.read() as connection:
            model, facts = _facts(connection, model_id)
            rows = _training_rows(connection, [model_id])[model_id]
        if facts.linear is None:
            raise IllegalOperationError(f"model {model_id} ({model.type_name}) is not a linear model; ask for one")
        if rows == UNKNOWN:
            raise NotFoundError(
                f"model {model_id} ({model.type_name}): it is not recorded on how many rows it was fitted; record the "
                "event that fits it, with its inputs"
            )
        found = []
        by_target: dict[str, list[Any]] = defaultdict(list)
        for term in facts.linear.terms:
            by_target[term.target].append(term)
        for target, terms in sorted(by_target.items()):
            degrees = rows - len(terms)
            if degrees < 1:
                raise IllegalOperationError(
                    f"model {model_id} ({model.type_name}) has {len(terms)} coefficients, fitted on {rows} rows; "
                    "intervals need more rows than coefficients"
                )
            factor = t_quantile(1 - significance / 2, degrees)
            for term in sorted(terms, key=lambda item: item.index):
                if term.std_err is not None:
                    half = factor * term.std_err
                    low, high = term.coefficient - half, term.coefficient + half
                    found.append(ConfidenceInterval(term.index, term.name, target, low, high))
        return tuple(found)

    def iterations_until_convergence(
        self, model_ids: Sequence[int], tolerance: float, *, curve: str = OBJECTIVE
    ) -> tuple[int, ...]:
        """Return for each model after how many iterations its objective changed by less than `tolerance`.

        Where it never did, that is the number of its iterations; -1 for a model without history, or of an unknown id.

        Parameters
        ----------
        model_ids
            The models.
        tolerance
            Largest change that no longer counts.
        curve
            Which history: ``objective``, ``loss``, ``val_loss``...
        """
        with self._catalogue.read() as connection:
            query = (
                sa.select(transformer.c.id, history.c.value)
                .select_from(
                    transformer.join(history, history.c.stage_id == transformer.c.stage_id).join(
                        value_name, value_name.c.id == history.c.name_id
                    )
                )
                .where(value_name.c.name == curve)
                .order_by(transformer.c.id, history.c.step)
            )
            curves: dict[int, list[float]] = defaultdict(list)
            for row in select_batches(connection, query, transformer.c.id, model_ids):
                curves[row.id].append(row.value)
        return tuple(_converged(curves[model], tolerance) for model in model_ids)

    def training_rows_count(self, model_id: int) -> int:
        """Return the number of rows that a model was fitted on; -1 if it, or the model, is not known."""
        return self.training_rows_counts([model_id])[0]

    def training_rows_counts(self, model_ids: Sequence[int]) -> tuple[int, ...]:
        """Return for each model the number of rows that it was fitted on; -1 for what is not known."""
        with self._catalogue.read() as connection:
            found = _training_rows(connection, model_ids)
        return tuple(found[model] for model in model_ids)

    def runs(self, run_ids: Sequence[int]) -> RunTable:
        """Return hyperparameters and metrics of any number of runs side by side, those that differ first."""
        with self._catalogue.read() as connection:
            return run_table(connection, run_ids)


def _hyperparameters(connection: sa.Connection, model_id: int) -> dict[str, Any]:
    model = one_model(connection, model_id)
    if model.stage_id is None:
        raise NotFoundError(f"model {model_id} ({model.type_name}): no event is recorded that fitted it; record it")
    return read_specs(connection, [model.stage_id])[model.stage_id].hyperparameters


def _features(connection: sa.Connection, model_id: int) -> list[str]:
    model = one_model(connection, model_id)
    query = sa.select(feature.c.name).where(feature.c.facts_id == model.facts_id).order_by(feature.c.position)
    names = list(connection.scalars(query))
    if not names:
        raise NotFoundError(f"model {model_id} ({model.type_name}): none of its features is recorded; record them")
    return names


def _facts(connection: sa.Connection, model_id: int) -> tuple[ModelRecord, FitFacts]:
    model = one_model(connection, model_id)
    if model.facts_id is None:
        return model, FitFacts(model.type_name)
    return model, read_facts(connection, model.facts_id, model.type_name)


def _training_rows(connection: sa.Connection, model_ids: Sequence[int]) -> dict[int, int]:
    """Return model -> rows of the first of its inputs that are known; labels beside it have as many."""
    query = (
        sa.select(transformer.c.id, data_frame.c.rows)
        .select_from(
            transformer.join(stage_input, stage_input.c.stage_id == transformer.c.stage_id).join(
                data_frame, data_frame.c.id == stage_input.c.data_frame_id
            )
        )
        .where(data_frame.c.rows.is_not(None))
        .order_by(transformer.c.id, stage_input.c.name)
    )
    found: dict[int, int] = defaultdict(lambda: UNKNOWN)
    for row in select_batches(connection, query, transformer.c.id, model_ids):
        found.setdefault(row.id, int(row.rows))
    return found


def _converged(curve: Sequence[float], tolerance: float) -> int:
    if not curve:
        return UNKNOWN
    for step in range(1, len(curve)):
        if abs(curve[step] - curve[step - 1]) < tolerance:
            return step + 1
    return len(curve)
