"""The stages of a fitted pipeline of Spark as parts of its event; nothing is fitted again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mistique_core.model.event import FrameEntity, StageEvent, StageKind, TransformerEntity
from mistique_core.modeldb.client.callable_names import call_path
from mistique_core.modeldb.client.data_source import DataView
from mistique_core.modeldb.client.known_models import KnownModel
from mistique_core.modeldb.client.tracker import Tracker
from mistique_core.modeldb.spark.memory import VectorItems
from mistique_core.modeldb.spark.model_facts import FitContext, model_facts
from mistique_core.modeldb.spark.params import described, hyperparameters_of
from mistique_core.modeldb.spark.stages import inputs_of, is_estimator, label_of, predicts
from mistique_core.modeldb.spark.vector_items import items_made


class FittedPipeline:
    """The stages of a pipeline, with what each took and made, as far as schemas tell.

    Parameters
    ----------
    pipeline, overrides
        The specification, and the param map that it was fitted with.
    model
        The fitted pipeline.
    frame
        What it was fitted on.
    items
        The items of the vector columns of the data.

    Attributes
    ----------
    last
        The specification of the last stage that predicts, else of the last one.
    items
        The items of all vector columns that the stages took.
    features
        Columns of the data that the stages take; all but the label, where one does not say.
    label
        Column of the data that the last model learned to predict.
    """

    def __init__(
        self,
        pipeline: Any,
        overrides: Mapping[Any, Any],
        model: Any,
        frame: Any,
        items: Mapping[str, VectorItems],
    ) -> None:
        self._overrides = overrides
        self._stages = list(zip(pipeline.getStages(), model.stages, strict=True))
        self.items = dict(items)
        # What each stage is given; ``None`` from where on it is not known.
        self._columns: list[dict[str, str] | None] = [dict(frame.dtypes)]
        schema = frame._jdf.schema()
        for _, fitted in self._stages:
            before = self._columns[-1]
            self.items.update(items_made(fitted, before, self.items))
            schema = None if schema is None else _schema_after(fitted, schema)
            self._columns.append(None if schema is None else _columns_of(schema))
        learned = [stage for stage, fitted in self._stages if predicts(fitted)]
        self.last = learned[-1] if learned else self._stages[-1][0] if self._stages else pipeline
        given = self._columns[0] or {}
        self.label = label_of(self.last, {name for columns in self._columns for name in columns or {}})
        self.features = self._features(list(given))

    def _features(self, given: list[str]) -> list[str]:
        """Return the columns of the data that any stage takes."""
        taken: list[str] = []
        for stage, _ in self._stages:
            columns = inputs_of(stage)
            if not columns:
                return [name for name in given if name != self.label]
            taken += [name for name in columns if name in given]
        return list(dict.fromkeys(taken))

    def parts(self, tracker: Tracker, event: StageEvent, data: DataView) -> list[StageEvent]:
        """Return an event for each stage, in order."""
        parts = []
        entity = data.source.entity
        for position, (stage, fitted) in enumerate(self._stages):
            before, after = self._columns[position : position + 2]
            is_fit = is_estimator(stage) and predicts(fitted)
            hyperparameters = hyperparameters_of(stage, self._overrides)
            label = label_of(stage, before or {}) if is_fit else None
            facts = model_facts(fitted, FitContext(type(stage).__name__, hyperparameters, self.items, None, label))
            made = TransformerEntity(facts, tracker.models.tag_of(stage))
            part = StageEvent(
                StageKind.FIT if is_fit else StageKind.TRANSFORM,
                type(stage).__name__,
                call_path(type(stage), "fit" if is_estimator(stage) else "transform"),
                type(stage).__name__,
                params=described(stage, self._overrides),
                inputs={"data": entity},
                fitted={"model" if is_fit else "transformer": made},
                hyperparameters=hyperparameters,
                facts={"position": position, **_columns_taken_and_made(stage, before, after)},
                parent=event,
                started_at=event.started_at,
                ended_at=event.ended_at,
            )
            if tracker.models.find(fitted) is None:
                tracker.models.remember(fitted, KnownModel(made, part))
            if position < len(self._stages) - 1:
                entity = FrameEntity(data.source.rows, None if after is None else tuple(after.items()))
                part.frames = {"": entity}
            parts.append(part)
        return parts


def _columns_taken_and_made(
    stage: Any, before: Mapping[str, str] | None, after: Mapping[str, str] | None
) -> dict[str, list[str]]:
    taken = inputs_of(stage)
    if not taken or before is None or after is None:
        return {}
    return {"input_columns": list(taken), "output_columns": [name for name in after if name not in before]}


def _schema_after(fitted: Any, schema: Any) -> Any:
    """Return the schema of what a stage makes, as the JVM tells it; ``None`` for a stage that is written in Python."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    java = getattr(fitted, "_java_obj", None)
    if java is None:
        return None
    try:
        fitted._transfer_params_to_java()
        return java.transformSchema(schema)
    except (Py4JError, PySparkException):
        return None


def _columns_of(schema: Any) -> dict[str, str]:
    from pyspark.sql.types import StructType

    fields = StructType.fromJson(json.loads(schema.json())).fields
    return {field.name: field.dataType.simpleString() for field in fields}
