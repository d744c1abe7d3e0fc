"""Questions about lineage, for any kind of model and on any graph."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.modeldb_tables import feature, transformer
from mistique_core.errors import NotFoundError
from mistique_core.model.event import StageKind
from mistique_core.modeldb.entities import one_frame, one_model, read_models, read_specs
from mistique_core.modeldb.entity_records import EventRecord, ModelRecord
from mistique_core.modeldb.lineage.graph import (
    LineageGraph,
    distances,
    events_behind,
    input_frames,
    nearest_common,
    path,
)
from mistique_core.modeldb.lineage.load import fitted_on_descendants, load_graph, project_of
from mistique_core.modeldb.lineage.original_features import trace_columns
from mistique_core.modeldb.lineage.records import (
    Ancestor,
    CommonAncestor,
    FrameAncestry,
    ModelAncestry,
    OriginalFeatures,
    PipelineStep,
    SourceColumn,
)

_NO_STEP = (StageKind.READ, StageKind.SPLIT)


class Lineage:
    """Where data frames and models come from, and what was made of them.

    Every call raises NotFoundError for an id that does not exist.

    Parameters
    ----------
    catalogue
        Where they are recorded.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def frame_ancestry(self, frame_id: int) -> FrameAncestry:
        """Return all data frames that one was made from, and the events between."""
        with self._catalogue.read() as connection:
            frame = one_frame(connection, frame_id)
            graph = load_graph(connection, [frame.run_id])
        found = distances(graph, [frame_id])
        ancestors = tuple(Ancestor(graph.frames[item], steps) for item, steps in found.items() if item != frame_id)
        return FrameAncestry(frame, ancestors, events_behind(graph, [frame_id]))

    def common_ancestor(self, frame_1: int, frame_2: int) -> CommonAncestor:
        """Return the nearest data that two data frames were made from; one of them itself counts.

        Data frames of equal stored content count as the same, so that data of two runs can have a common ancestor.
        """
        with self._catalogue.read() as connection:
            frames = [one_frame(connection, item) for item in (frame_1, frame_2)]
            graph = load_graph(connection, {frame.run_id for frame in frames})
        return _common(graph, [frame_1], [frame_2])

    def common_ancestor_of_models(self, model_1: int, model_2: int) -> CommonAncestor:
        """Return the nearest data that what two models were fitted on was made from.

        Raises
        ------
        NotFoundError
            If a model does not exist, or it is not recorded what it was fitted on.
        """
        with self._catalogue.read() as connection:
            models = [one_model(connection, item) for item in (model_1, model_2)]
            graph = load_graph(connection, {model.run_id for model in models})
        return _common(graph, *(_fit_frames(graph, model) for model in models))

    def model_ancestry(self, model_id: int) -> ModelAncestry:
        """Return the event that fitted a model, and all that led to the data that it was fitted on.

        Raises
        ------
        NotFoundError
            If the model does not exist, or no event is recorded that fitted it.
        """
        with self._catalogue.read() as connection:
            model, graph = _model_and_graph(connection, model_id)
        return _ancestry(graph, model)

    def extract_pipeline(self, model_id: int) -> tuple[PipelineStep, ...]:
        """Return the steps from source data to a model, in order, the model last: what was applied, what was fitted.

        Reading and splitting are no steps. The parts of a pipeline that was fitted as one are.

        Raises
        ------
        NotFoundError
            If the model does not exist, or no event is recorded that fitted it.
        """
        with self._catalogue.read() as connection:
            model, graph = _model_and_graph(connection, model_id)
            ancestry = _ancestry(graph, model)
            found = [step for event in ancestry.events for step in _steps(event)]
            if ancestry.fit.kind == StageKind.PIPELINE:
                found += [step for event in _parts(graph, ancestry.fit) for step in _steps(event) if event.fitted]
            found.append((ancestry.fit, model_id))
            specs = read_specs(connection, {_spec_stage(graph, event, item) for event, item in found})
        return tuple(
            PipelineStep(
                event, None if item is None else graph.models[item], specs.get(_spec_stage(graph, event, item))
            )
            for event, item in found
        )

    def original_features(self, model_id: int) -> OriginalFeatures:
        """Return the columns of source data that a model's features come from.

        A transformation is followed by what it says of its columns; where it says nothing, a column that its input has
        too comes from that one, and a new column from all of them.

        Raises
        ------
        NotFoundError
            If the model does not exist, or it is not recorded what it was fitted on.
        """
        with self._catalogue.read() as connection:
            model, graph = _model_and_graph(connection, model_id)
            names = connection.scalars(
                sa.select(feature.c.name).where(feature.c.facts_id == model.facts_id).order_by(feature.c.position)
            ).all()
        # A fit may say which columns it took: of a vector of Spark, the features are the items.
        fit = None if model.stage_id is None else graph.events.get(model.stage_id)
        taken = None if fit is None else fit.facts.get("input_columns")
        columns = trace_columns(graph, _fit_frames(graph, model), taken or names)
        return OriginalFeatures(model, tuple(SourceColumn(graph.frames[frame], name) for frame, name in columns))

    def models_derived_from(self, frame_id: int) -> tuple[ModelRecord, ...]:
        """Return the models of its project that were fitted on a data frame, or on what was made of it, by id.

        Data frames of the project with equal stored content count as the same.
        """
        with self._catalogue.read() as connection:
            frame = one_frame(connection, frame_id)
            project_id = project_of(connection, frame.run_id)
            if project_id is None:
                return ()
            ids = fitted_on_descendants(connection, frame, project_id)
            return tuple(read_models(connection, transformer.c.id, ids))


def _model_and_graph(connection: sa.Connection, model_id: int) -> tuple[ModelRecord, LineageGraph]:
    model = one_model(connection, model_id)
    return model, load_graph(connection, [model.run_id])


def _ancestry(graph: LineageGraph, model: ModelRecord) -> ModelAncestry:
    fit = None if model.stage_id is None else graph.events.get(model.stage_id)
    if fit is None:
        raise _not_fitted(model, "no event is recorded that fitted it")
    starts = input_frames(fit)
    sources = (graph.frames[frame] for frame in distances(graph, starts) if not graph.parents(frame))
    return ModelAncestry(model, fit, events_behind(graph, starts), tuple(sources))


def _steps(event: EventRecord) -> list[tuple[EventRecord, int | None]]:
    """Return (event, transformer) of what an event applied; the event alone if it transformed without learning."""
    applied = dict.fromkeys([*(model for _, model in event.model_inputs), *event.fitted])
    if not applied and event.kind in _NO_STEP:
        return []
    return [(event, model) for model in applied] or [(event, None)]


def _parts(graph: LineageGraph, whole: EventRecord) -> list[EventRecord]:
    """Return the parts of an event in their order."""
    parts = (event for event in graph.events.values() if event.parent_id == whole.id)
    return sorted(parts, key=lambda event: (event.facts.get("position", 0), event.started_at, event.id))


def _spec_stage(graph: LineageGraph, event: EventRecord, model_id: int | None) -> int:
    """Return the event that stands for the specification of a step."""
    maker = None if model_id is None else graph.models[model_id].stage_id
    return event.id if maker is None else maker


def _common(graph: LineageGraph, first: Sequence[int], second: Sequence[int]) -> CommonAncestor:
    found = nearest_common(graph, first, second)
    if found is None:
        return CommonAncestor(None, None, -1, -1, (), ())
    events_1, events_2 = path(graph, found[0], first), path(graph, found[1], second)
    return CommonAncestor(
        graph.frames[found[0]], graph.frames[found[1]], len(events_1), len(events_2), events_1, events_2
    )


def _fit_frames(graph: LineageGraph, model: ModelRecord) -> tuple[int, ...]:
    frames = graph.fit_frames(model)
    if not frames:
        raise _not_fitted(model, "it is not recorded what it was fitted on")
    return frames


def _not_fitted(model: ModelRecord, why: str) -> NotFoundError:
    return NotFoundError(f"model {model.id} ({model.type_name}): {why}; record the event that fits it, with its inputs")
