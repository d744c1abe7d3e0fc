"""An event of ModelDB that consists of stages, such as a cross-validation: begun before them, completed after them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.stages import StageSeconds, begin_stage, finish_stage
from mistique_core.engine.stage_failure import record_failure
from mistique_core.model import Ref, StageKind


@dataclass
class OpenEvent:
    """An event that has begun.

    Attributes
    ----------
    id
        Row of its stage, which those that it consists of name as their parent.
    metrics, hyperparameters, facts
        What is recorded with it when it ends; see :class:`mistique_core.model.event.StageEvent`.
    """

    id: int
    metrics: dict[str, float] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


@contextmanager
def open_event(
    catalogue: Catalogue,
    model_version_id: int,
    name: str,
    kind: StageKind,
    operator: str,
    label: str,
    *,
    params: Mapping[str, Any],
    inputs: Mapping[str, Ref],
    task_id: str | None,
) -> Iterator[OpenEvent]:
    """Record the beginning of an event and, when the block ends, its end; see :meth:`Run.event`."""
    with catalogue.write() as connection:
        stage_id = begin_stage(
            connection,
            model_version_id=model_version_id,
            name=name,
            task_id=task_id,
            map_index=-1,
            operator=operator,
            label=label,
            params=params,
            code_hash=None,
            libraries={},
            inputs=inputs,
            kind=kind,
        )
    event = OpenEvent(stage_id)
    started = time.perf_counter()
    try:
        yield event
    except BaseException as error:
        record_failure(catalogue, stage_id, error)
        raise
    with catalogue.write() as connection:
        finish_stage(
            connection,
            stage_id,
            StageSeconds(0.0, 0.0, time.perf_counter() - started, 0.0),
            fingerprint=None,
            deterministic=True,
            hyperparameters=event.hyperparameters,
            metrics=event.metrics,
            metrics_intermediate=None,
            needs={},
            facts=event.facts,
        )
