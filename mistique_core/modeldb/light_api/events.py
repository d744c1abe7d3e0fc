"""What the Light API is told, as events of ModelDB."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mistique_core.model.event import FrameEntity, StageEvent, StageKind, TransformerEntity
from mistique_core.model.fit_facts import FitFacts
from mistique_core.modeldb.light_api.values import Dataset, LightFile, Metric, Model

OPERATOR = "light"
"""What stands for the operator of every event: the Light API does not know what ran."""


def dataset_event(dataset: Dataset) -> StageEvent:
    """Return the event that stands for a dataset: it was read, by whatever."""
    frame = FrameEntity(
        rows=_rows(dataset.metadata),
        columns=_columns(dataset.metadata),
        tag=dataset.tag,
        filepath=dataset.filename,
        metadata=dataset.metadata,
    )
    facts = {"entry": dict(dataset.extra)} if dataset.extra else {}
    return _event(StageKind.READ, dataset.tag or "dataset", "dataset", frames={"": frame}, facts=facts)


def fit_event(model: Model, data: FrameEntity | None) -> StageEvent:
    """Return the fit of a model on a dataset, if it is known which."""
    facts = FitFacts(model.model_type, hyperparameters=model.config)
    fitted = TransformerEntity(facts, model.name, model.path, model.metadata)
    return _event(
        StageKind.FIT,
        model.name,
        model.model_type,
        inputs={} if data is None else {"train": data},
        fitted={"model": fitted},
        hyperparameters=dict(model.config),
    )


def metric_event(
    metrics: Iterable[Metric], model: TransformerEntity, data: FrameEntity | None, positions: Sequence[int] = ()
) -> StageEvent:
    """Return the measurement of a model on one dataset.

    Parameters
    ----------
    metrics
        What was measured.
    model, data
        Of which model, on which data.
    positions
        The how-manyth of its model's metrics each of them is; default in order from 0.
    """
    found = tuple(metrics)
    places = positions or range(len(found))
    entries = [
        {"position": place, "name": metric.name, **({"extra": dict(metric.extra)} if metric.extra else {})}
        for place, metric in zip(places, found, strict=True)
    ]
    return _event(
        StageKind.METRIC,
        f"evaluate_{data.tag}" if data is not None and data.tag else "evaluate",
        "metrics",
        inputs={"model": model} if data is None else {"data": data, "model": model},
        metrics={metric.name: metric.value for metric in found},
        metrics_of=model,
        metrics_on=data,
        facts={"entries": entries},
    )


def model_events(model: Model, frames: Mapping[str, FrameEntity]) -> list[StageEvent]:
    """Return the fit of a model and one measurement for each dataset that it was measured on."""
    fit = fit_event(model, frames.get(model.tag))
    fitted = fit.fitted["model"]
    by_tag: dict[str, list[int]] = {}
    for position, metric in enumerate(model.metrics):
        by_tag.setdefault(metric.tag or model.tag, []).append(position)
    return [
        fit,
        *(
            metric_event([model.metrics[n] for n in positions], fitted, frames.get(tag), positions)
            for tag, positions in by_tag.items()
        ),
    ]


def file_events(file: LightFile) -> list[StageEvent]:
    """Return everything that a file says, in order."""
    reads = [dataset_event(dataset) for dataset in file.datasets]
    frames = {dataset.tag: event.frames[""] for dataset, event in zip(file.datasets, reads, strict=True)}
    return [*reads, *(event for model in file.models for event in model_events(model, frames))]


def _event(kind: StageKind, name: str, label: str, **values: Any) -> StageEvent:
    now = time.time()
    return StageEvent(kind, name, OPERATOR, label, started_at=now, ended_at=now, **values)


def _rows(metadata: Mapping[str, Any]) -> int | None:
    rows = metadata.get("NUM_ROWS")
    return rows if isinstance(rows, int) and not isinstance(rows, bool) else None


def _columns(metadata: Mapping[str, Any]) -> tuple[tuple[str, str], ...] | None:
    """Return (name, type) of columns that metadata names; a type that it does not give is ""."""
    columns = metadata.get("COLUMNS")
    if isinstance(columns, Mapping) and all(isinstance(kind, str) for kind in columns.values()):
        return tuple(columns.items())
    if isinstance(columns, list | tuple) and all(isinstance(name, str) for name in columns):
        return tuple((name, "") for name in columns)
    return None
