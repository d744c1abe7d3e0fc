"""What the items of vector columns are: as Spark says in a column's metadata, or as the stages that made it tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mistique_core.modeldb.spark.frames import VECTOR
from mistique_core.modeldb.spark.memory import VectorItems
from mistique_core.modeldb.spark.params import column_params

ITEM_LIMIT = 10_000
"""Most items that become features of a model; of a longer vector, its column is the only one."""
_KEEP_ORDER = ("MaxAbsScaler", "MinMaxScaler", "Normalizer", "RobustScaler", "StandardScaler", "VectorIndexer")


def items_in_metadata(field: Any) -> VectorItems | None:
    """Return the items of a column of a schema; ``None`` where its metadata does not name all of them."""
    group = (field.metadata or {}).get("ml_attr", {})
    attributes = [item for kind in group.get("attrs", {}).values() for item in kind]
    if not attributes or len(attributes) != group.get("num_attrs", len(attributes)) or len(attributes) > ITEM_LIMIT:
        return None
    names = {item.get("idx", number): item.get("name") for number, item in enumerate(attributes)}
    return VectorItems(tuple(names[number] or f"{field.name}_{number}" for number in sorted(names)))


def items_of_frame(frame: Any, known: Mapping[str, VectorItems]) -> dict[str, VectorItems]:
    """Return vector column -> items of a data frame; those that are known already, and those in its metadata."""
    found = dict(known)
    for field in frame.schema.fields:
        if field.name not in found and field.dataType.simpleString() == VECTOR:
            items = items_in_metadata(field)
            if items is not None:
                found[field.name] = items
    return found


def items_made(
    stage: Any, columns: Mapping[str, str] | None, known: Mapping[str, VectorItems]
) -> dict[str, VectorItems]:
    """Return vector column -> items that a transformer makes, as far as it can be told without data.

    Parameters
    ----------
    stage
        The transformer, fitted if it has to be.
    columns
        Name -> type of what it is given; ``None`` if that is not known.
    known
        The items of vector columns that it is given.
    """
    kind = type(stage).__name__.removesuffix("Model")
    outputs = column_params(stage, ("outputCol",))
    inputs = column_params(stage, ("inputCol", "inputCols", "featuresCol"))
    if len(outputs) != 1 or not inputs:
        return {}
    if kind == "VectorAssembler":
        items = _assembled(inputs, columns or {}, known)
        return {} if items is None else {outputs[0]: items}
    before = known.get(inputs[0])
    if before is None or len(inputs) > 1:
        return {}
    if kind in _KEEP_ORDER:
        return {outputs[0]: VectorItems(before.names, _is_standardized(stage, kind))}
    chosen = _chosen(stage, kind)
    if chosen is None or max(chosen, default=0) >= len(before.names):
        return {}
    return {outputs[0]: VectorItems(tuple(before.names[number] for number in chosen), before.is_standardized)}


def _assembled(
    inputs: tuple[str, ...], columns: Mapping[str, str], known: Mapping[str, VectorItems]
) -> VectorItems | None:
    """Return the items of several columns one after the other; ``None`` where one is a vector of unknown ones."""
    names: list[str] = []
    for column in inputs:
        if column in known:
            names += known[column].names
        elif columns.get(column, VECTOR) == VECTOR:
            return None
        else:
            names.append(column)
    is_standardized = all(column in known and known[column].is_standardized for column in inputs)
    return VectorItems(tuple(names), is_standardized or None)


def _is_standardized(stage: Any, kind: str) -> bool | None:
    if kind != "StandardScaler":
        return None
    return bool(stage.getOrDefault("withMean") and stage.getOrDefault("withStd"))


def _chosen(stage: Any, kind: str) -> list[int] | None:
    """Return the positions of the items that a stage selects, in the order in which it gives them."""
    if kind == "VectorSlicer":
        return None if stage.getOrDefault("names") else [int(number) for number in stage.getOrDefault("indices")]
    if kind in ("ChiSqSelector", "UnivariateFeatureSelector", "VarianceThresholdSelector"):
        return sorted(int(number) for number in stage.selectedFeatures)
    return None
