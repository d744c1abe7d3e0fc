"""The workflow of a recorded run: its stages, what each took and what it made, by content address."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.entities import SUCCESS
from mistique_core.catalogue.modeldb_tables import (
    data_frame,
    fit_facts,
    hyperparameter,
    metric,
    stage_input,
    transformer,
)
from mistique_core.catalogue.tables import (
    chunk,
    experiment_run,
    fitted,
    intermediate,
    model,
    model_version,
    project,
    stage,
)
from mistique_core.catalogue.values import values_of_runs
from mistique_core.errors import NotFoundError


@dataclass(frozen=True)
class RecordedInput:
    """What a stage took.

    Attributes
    ----------
    kind
        ``frame`` or ``fitted``.
    stage_id, output
        The stage that made it and the name of its output; ``None`` for a frame that no stage made.
    row
        Its row in ``intermediate`` or ``fitted``; ``None`` where the store does not hold it.
    address
        Hex content address; ``None`` where that is not known.
    """

    kind: str
    stage_id: int | None
    output: str
    row: int | None
    address: str | None


@dataclass(frozen=True)
class RecordedStage:
    """The last successful try of a stage.

    Attributes
    ----------
    id, name, map_index
        Its row, and which stage it is.
    kind
        Which event it is; "" where an earlier version recorded it.
    operator, label, params, code_hash, libraries
        What ran.
    facts
        What its kind knows, such as the seed of a split.
    inputs
        Input name -> what it took.
    frames, fitted
        Output name -> hex content address; ``None`` where the store does not hold it.
    models
        Output name -> hex address of what is known about the model that it fitted.
    metrics, hyperparameters
        Name -> value.
    parent_id
        The stage that it is a part of.
    """

    id: int
    name: str
    map_index: int
    kind: str
    operator: str
    label: str
    params: dict[str, Any]
    code_hash: str | None
    libraries: dict[str, str]
    facts: dict[str, Any]
    inputs: Mapping[str, RecordedInput] = field(default_factory=dict)
    frames: Mapping[str, str | None] = field(default_factory=dict)
    fitted: Mapping[str, str | None] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    parent_id: int | None = None

    @property
    def title(self) -> str:
        """Its name, with its index if it is mapped."""
        return self.name if self.map_index < 0 else f"{self.name}[{self.map_index}]"


@dataclass(frozen=True)
class RecordedWorkflow:
    """What a run did in one model version.

    Attributes
    ----------
    run_id, version_id
        Rows of the run and of the model version.
    project, model, version
        The model version.
    state
        Of the run.
    params
        What the run was triggered with.
    stages
        In the order in which they started.
    frames
        Rows of the intermediates that were logged without a stage.
    """

    run_id: int
    version_id: int
    project: str
    model: str
    version: int
    state: str
    params: dict[str, Any]
    stages: tuple[RecordedStage, ...]
    frames: tuple[int, ...]

    @property
    def label(self) -> str:
        """``project.model@version``."""
        return f"{self.project}.{self.model}@{self.version}"


def recorded_workflow(connection: sa.Connection, version_id: int) -> RecordedWorkflow:
    """Return what is recorded of a model version.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    version_id
        Row of the model version.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    head = connection.execute(
        sa.select(
            project.c.name.label("project"),
            model.c.name.label("model"),
            model_version.c.number,
            model_version.c.run_id,
            experiment_run.c.state,
            experiment_run.c.params,
        )
        .select_from(model_version.join(model).join(project))
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .where(model_version.c.id == version_id)
    ).first()
    if head is None:
        raise NotFoundError(f"model version {version_id} is not in the catalogue; it may have been deleted")
    rows = connection.execute(
        sa.select(stage)
        .where(stage.c.model_version_id == version_id, stage.c.state == SUCCESS)
        .order_by(stage.c.try_number)
    ).all()
    last = {(row.name, row.map_index): row for row in rows}
    kept = sorted(last.values(), key=lambda row: (row.started_at, row.id))
    ids = [row.id for row in kept]
    inputs = _inputs(connection, version_id)
    frames = _frames(connection, version_id)
    learned, models = _fitted(connection, version_id), _models(connection, version_id)
    metrics = _values(connection, metric, head.run_id)
    settings = _values(connection, hyperparameter, head.run_id)
    by_hand = sa.select(intermediate.c.id).where(
        intermediate.c.model_version_id == version_id, intermediate.c.stage_id.is_(None)
    )
    return RecordedWorkflow(
        head.run_id,
        version_id,
        head.project,
        head.model,
        head.number,
        head.state,
        dict(head.params or {}),
        tuple(
            RecordedStage(
                row.id,
                row.name,
                row.map_index,
                row.kind or "",
                row.operator,
                row.label,
                row.params,
                row.code_hash,
                row.libraries or {},
                row.facts or {},
                inputs[row.id],
                frames[row.id],
                {**dict.fromkeys(models[row.id]), **learned[row.id]},
                models[row.id],
                metrics[row.id],
                settings[row.id],
                row.parent_id if row.parent_id in ids else None,
            )
            for row in kept
        ),
        tuple(connection.scalars(by_hand.order_by(intermediate.c.id))),
    )


def _inputs(connection: sa.Connection, version_id: int) -> dict[int, dict[str, RecordedInput]]:
    query = (
        sa.select(
            stage_input,
            intermediate.c.address.label("frame_address"),
            chunk.c.address.label("fitted_address"),
            sa.func.coalesce(
                intermediate.c.stage_id, fitted.c.stage_id, data_frame.c.stage_id, transformer.c.stage_id
            ).label("maker"),
            sa.func.coalesce(intermediate.c.output, fitted.c.output, data_frame.c.output, transformer.c.output).label(
                "output"
            ),
        )
        .select_from(
            stage_input.join(stage, stage.c.id == stage_input.c.stage_id)
            .outerjoin(intermediate, intermediate.c.id == stage_input.c.intermediate_id)
            .outerjoin(fitted, fitted.c.id == stage_input.c.fitted_id)
            .outerjoin(chunk, chunk.c.id == fitted.c.chunk_id)
            .outerjoin(data_frame, data_frame.c.id == stage_input.c.data_frame_id)
            .outerjoin(transformer, transformer.c.id == stage_input.c.transformer_id)
        )
        .where(stage.c.model_version_id == version_id)
        .order_by(stage_input.c.stage_id, stage_input.c.name)
    )
    found: dict[int, dict[str, RecordedInput]] = defaultdict(dict)
    for row in connection.execute(query):
        is_fitted = row.fitted_id is not None or row.transformer_id is not None
        address = row.fitted_address if is_fitted else row.frame_address
        found[row.stage_id][row.name] = RecordedInput(
            "fitted" if is_fitted else "frame",
            row.maker,
            row.output or "",
            row.fitted_id if is_fitted else row.intermediate_id,
            _hex(address),
        )
    return found


def _frames(connection: sa.Connection, version_id: int) -> dict[int, dict[str, str | None]]:
    query = (
        sa.select(data_frame.c.stage_id, data_frame.c.output, intermediate.c.address)
        .join(stage, stage.c.id == data_frame.c.stage_id)
        .outerjoin(intermediate, intermediate.c.id == data_frame.c.intermediate_id)
        .where(stage.c.model_version_id == version_id)
        .order_by(data_frame.c.id)
    )
    found: dict[int, dict[str, str | None]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row.stage_id][row.output] = _hex(row.address)
    return found


def _fitted(connection: sa.Connection, version_id: int) -> dict[int, dict[str, str | None]]:
    query = (
        sa.select(fitted.c.stage_id, fitted.c.output, chunk.c.address)
        .join(chunk, chunk.c.id == fitted.c.chunk_id)
        .where(fitted.c.model_version_id == version_id)
        .order_by(fitted.c.id)
    )
    found: dict[int, dict[str, str | None]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row.stage_id][row.output] = _hex(row.address)
    return found


def _models(connection: sa.Connection, version_id: int) -> dict[int, dict[str, str]]:
    query = (
        sa.select(transformer.c.stage_id, transformer.c.output, fit_facts.c.address)
        .join(stage, stage.c.id == transformer.c.stage_id)
        .join(fit_facts, fit_facts.c.id == transformer.c.facts_id)
        .where(stage.c.model_version_id == version_id)
        .order_by(transformer.c.id)
    )
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row.stage_id][row.output] = bytes(row.address).hex()
    return found


def _values(connection: sa.Connection, table: sa.Table, run_id: int) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for _, stage_id, name, value in values_of_runs(connection, table, [run_id]):
        found[stage_id][name] = value
    return found


def _hex(address: bytes | None) -> str | None:
    return None if address is None else bytes(address).hex()
