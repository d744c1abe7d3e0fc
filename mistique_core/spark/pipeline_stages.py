"""The stages of a fitted pipeline of Spark, and which of them can be written together.

Spark's stages add columns to those before them, row by row, so that the outputs of several stages are columns of one
DataFrame: it is computed and written once, and each intermediate names its columns. A stage that drops rows or columns,
or of which nobody knows what it does, begins a DataFrame of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.model import StageKind
from mistique_core.model.names import check_name
from mistique_core.spark.partition_rows import is_remote

_CHANGES_ROWS = ("SQLTransformer", "ALSModel")
"""Stages of Spark itself that may drop rows or give them in another order."""


@dataclass(frozen=True)
class PipelineStep:
    """One stage.

    Attributes
    ----------
    name
        Of its intermediate.
    stage
        The fitted stage.
    frame
        What it gives.
    """

    name: str
    stage: Any
    frame: Any

    @property
    def kind(self) -> StageKind:
        """What it does: a model predicts, others transform."""
        return StageKind.PREDICT if self.stage.hasParam("predictionCol") else StageKind.TRANSFORM

    @property
    def operator(self) -> str:
        """Import path of its class."""
        return f"{type(self.stage).__module__}:{type(self.stage).__qualname__}"

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters, those by default included; such that are no JSON values as texts."""
        return {param.name: _json(value) for param, value in self.stage.extractParamMap().items()}


def steps_of(model: Any, frame: Any, names: Sequence[str] | Mapping[str, str] | None) -> list[PipelineStep]:
    """Return the stages of a pipeline, those of pipelines in it included, each with what it gives.

    Parameters
    ----------
    model
        A ``PipelineModel``, or any fitted transformer.
    frame
        What goes into it.
    names
        One a stage, or uid of a stage -> name; by default number and class: ``1_StringIndexer``.

    Raises
    ------
    InvalidInputError
        If it is no such pipeline, or names do not fit it.
    """
    stages = list(_flat(model))
    if not all(hasattr(stage, "transform") for stage in stages):
        raise InvalidInputError(
            f"{type(model).__name__} is not fitted: {next(s for s in stages if not hasattr(s, 'transform'))} has no "
            "transform; give what fit returned"
        )
    given = _names(stages, names)
    steps = []
    for name, stage in zip(given, stages, strict=True):
        frame = stage.transform(frame)
        steps.append(PipelineStep(name, stage, frame))
    return steps


def _flat(model: Any) -> list[Any]:
    """Return the stages of a pipeline; of a search for parameters, those of the best model that it found."""
    best = getattr(model, "bestModel", None)
    if best is not None and type(model).__module__.startswith("pyspark.ml."):
        return _flat(best)
    inner = getattr(model, "stages", None)
    if not isinstance(inner, (list, tuple)):
        return [model]
    return [stage for item in inner for stage in _flat(item)]


def _names(stages: Sequence[Any], names: Sequence[str] | Mapping[str, str] | None) -> list[str]:
    own = [f"{place}_{type(stage).__name__.removesuffix('Model')}" for place, stage in enumerate(stages, 1)]
    if isinstance(names, Mapping):
        unknown = sorted(set(names) - {stage.uid for stage in stages})
        if unknown:
            raise InvalidInputError(f"names has {unknown[0]!r}, which is the uid of no stage of the pipeline")
        own = [names.get(stage.uid, name) for stage, name in zip(stages, own, strict=True)]
    elif names is not None:
        own = list(names)
    if len(own) != len(stages):
        raise InvalidInputError(f"names has {len(own)} names for {len(stages)} stages; give one a stage")
    for name in own:
        check_name("intermediate", name)
    if len(set(own)) < len(own):
        raise InvalidInputError("two stages have the same name; give each its own by names=")
    return own


def adds_columns(step: PipelineStep, before: Any) -> bool:
    """Return whether a stage keeps the rows and columns of what it gets, and only adds columns.

    A column that is computed anew under its old name is none that was kept: Spark gives it another id.
    """
    stage = step.stage
    if not type(stage).__module__.startswith("pyspark.ml.") or type(stage).__name__ in _CHANGES_ROWS:
        return False
    if stage.hasParam("handleInvalid") and stage.getOrDefault("handleInvalid") == "skip":
        return False
    kept = {field.name: field.dataType for field in step.frame.schema.fields}
    if is_remote(before) or not all(kept.get(field.name) == field.dataType for field in before.schema.fields):
        return False
    had, has = (frame._jdf.queryExecution().analyzed().outputSet() for frame in (before, step.frame))
    return bool(had.subsetOf(has))


def _json(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    return str(value)
