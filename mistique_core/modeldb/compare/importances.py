"""How important features are to models."""

from __future__ import annotations

from collections.abc import Mapping

from mistique_core.errors import IllegalOperationError
from mistique_core.model.fit_facts import FitFacts
from mistique_core.modeldb.compare.records import ImportanceComparison
from mistique_core.modeldb.entity_records import ModelRecord

INTERCEPT = 0


def importances(model: ModelRecord, facts: FitFacts) -> dict[str, float]:
    """Return feature -> importance: as the model gives it, or of a linear model the largest absolute coefficient.

    Raises
    ------
    IllegalOperationError
        If the model gives none.
    """
    given = {item.name: item.importance for item in facts.features if item.importance is not None}
    if given:
        return given
    if facts.linear is None:
        raise IllegalOperationError(
            f"model {model.id} ({model.type_name}) has no feature importances; ask for a linear model or for trees"
        )
    return _coefficients(facts)


def linear_importances(model: ModelRecord, facts: FitFacts) -> dict[str, float]:
    """Return feature -> absolute coefficient of a linear model of standardised features.

    Raises
    ------
    IllegalOperationError
        If it is no linear model, or its features were not standardised, so that coefficients do not compare.
    """
    if facts.linear is None:
        raise IllegalOperationError(f"model {model.id} ({model.type_name}) is not a linear model; ask for one")
    if not facts.linear.is_standardized:
        raise IllegalOperationError(
            f"model {model.id} ({model.type_name}) was not fitted on standardised features, so its coefficients do not "
            "compare; fit it on features of mean 0 and standard deviation 1"
        )
    return _coefficients(facts)


def _coefficients(facts: FitFacts) -> dict[str, float]:
    assert facts.linear is not None
    found: dict[str, float] = {}
    for term in facts.linear.terms:
        if term.index != INTERCEPT:
            found[term.name] = max(found.get(term.name, 0.0), abs(term.coefficient))
    return found


def ranked(values: Mapping[str, float]) -> list[str]:
    """Return the features, the most important first; equal ones in the order of the model."""
    return sorted(values, key=lambda name: -values[name])


def compare(first: Mapping[str, float], second: Mapping[str, float]) -> tuple[ImportanceComparison, ...]:
    """Return the percentile ranks of the features of either model, those of the first in its order first."""
    ranks_1, ranks_2 = _percentiles(first), _percentiles(second)
    return tuple(
        ImportanceComparison(name, ranks_1.get(name), ranks_2.get(name)) for name in dict.fromkeys([*first, *second])
    )


def _percentiles(values: Mapping[str, float]) -> dict[str, float]:
    ordered = sorted(values.values())
    at_most = {value: number for number, value in enumerate(ordered, start=1)}
    return {name: at_most[value] / len(ordered) for name, value in values.items()}
