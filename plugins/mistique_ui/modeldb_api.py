"""ModelDB as JSON: what may be asked. ``docs/modeldb.md`` maps the calls of the original to these routes."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from mistique_core.catalogue.modeldb_tables import tag
from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.browse.records import ExperimentSummary, RunContents
from mistique_core.modeldb.compare.records import ConfidenceInterval, FeatureComparison, HyperparameterComparison
from mistique_core.modeldb.edit.annotation_records import AnnotationRecord
from mistique_core.modeldb.record_document import record_document
from mistique_core.modeldb.reproduce import recorded_workflow, verdict_of_version, workflow_yaml
from mistique_core.modeldb.search_records import SearchPage
from mistique_ui.modeldb_context import (
    MOST_ITEMS,
    Asked,
    Id,
    ItemPage,
    Limit,
    Offset,
    Row,
    answer,
    ids_of,
    page,
    version_row_of,
)

_IDS = Query(description="ids, such as 1,2,3", min_length=1, max_length=12_000)
Ids = Annotated[str, _IDS]


def modeldb_router(ask: Any) -> APIRouter:
    """Return the routes below ``/api/modeldb``; `ask` is the dependency of :func:`asked_by`."""
    router = APIRouter(prefix="/api/modeldb", tags=["ModelDB"])
    _add_runs(router, ask)
    _add_versions(router, ask)
    _add_projects(router, ask)
    _add_models(router, ask)
    _add_comparisons(router, ask)
    _add_data_frames(router, ask)
    return router


def _add_runs(router: APIRouter, ask: Any) -> None:
    @router.get("/runs", response_model=SearchPage)
    def search(
        asked: Asked = ask,
        filter: Annotated[str, Query(max_length=10_000, description="docs/modeldb.md, the filter language")] = "",
        columns: Annotated[str, Query(max_length=10_000, description="such as metrics.auc,params.depth")] = "",
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> JSONResponse:
        """Find runs by a filter over metrics, hyperparameters, tags and dates."""
        wanted = [item.strip() for item in columns.split(",") if item.strip()] or None
        found = asked.db.search(filter, readable_dags=asked.may.readable, columns=wanted, limit=limit, offset=offset)
        return answer(found)

    @router.get("/runs/compare")
    def compare_runs(ids: Ids, asked: Asked = ask) -> JSONResponse:
        """Compare any number of runs: hyperparameters and metrics side by side, those that differ first."""
        wanted = ids_of(ids)
        asked.may.see("run", wanted)
        return answer(asked.db.compare.runs(wanted))

    @router.get("/runs/{run_id}", response_model=RunContents)
    def run(run_id: Id, asked: Asked = ask) -> JSONResponse:
        """Return a run with its events, specifications, data frames, models and annotations."""
        asked.may.see("run", [run_id])
        return answer(asked.db.browse.run(run_id))

    @router.get("/runs/{run_id}/models", response_model=ItemPage)
    def models_of_run(run_id: Id, asked: Asked = ask, limit: Limit = 50, offset: Offset = 0) -> JSONResponse:
        """Return the models and transformers of a run."""
        asked.may.see("run", [run_id])
        return page(asked.db.browse.models(run_id), limit, offset)

    @router.get("/runs/{run_id}/annotations", response_model=list[AnnotationRecord])
    def annotations_of_run(run_id: Id, asked: Asked = ask) -> JSONResponse:
        """Return what people wrote about a run and what is in it, the oldest first."""
        asked.may.see("run", [run_id])
        return answer(asked.db.annotations.of_run(run_id))

    @router.get("/tags")
    def tags(asked: Asked = ask, entity: str = "run") -> JSONResponse:
        """Return tag -> how many rows carry it, of those that the user may read."""
        kind = _kind(entity)
        with asked.catalogue.read() as connection:
            rows = connection.execute(sa.select(tag.c.name, tag.c.entity_id).where(tag.c.entity == entity)).all()
        visible = set(asked.may.visible(kind, {row.entity_id for row in rows}))
        return answer(dict(sorted(Counter(row.name for row in rows if row.entity_id in visible).items())))

    @router.get("/tags/{entity}/{row}")
    def tags_of(entity: str, row: Id, asked: Asked = ask) -> JSONResponse:
        """Return the tags of a project, a run or a version."""
        asked.may.see(_kind(entity), [row])
        return answer(asked.db.tags.of(entity, row))

    @router.get("/metadata/{entity}/{row}")
    def metadata(entity: str, row: Id, asked: Asked = ask, path: str | None = None) -> JSONResponse:
        """Return the free JSON of a project, an experiment, a run, a model or a data frame, or what is at a path."""
        asked.may.see(_kind(entity), [row])
        return answer(asked.db.metadata.get(entity, row, path))


def _add_versions(router: APIRouter, ask: Any) -> None:
    def version_row(asked: Asked, project: str, model: str, version: int) -> int:
        row = version_row_of(asked, project, model, version)
        asked.may.see("version", [row])
        return row

    @router.get("/versions/{project}/{model}/{version}")
    def record(project: str, model: str, version: Id, asked: Asked = ask) -> JSONResponse:
        """Return the record of a model version without ids and times: equal workflows have equal ones."""
        row = version_row(asked, project, model, version)
        with asked.catalogue.read() as connection:
            return answer(record_document(connection, row))

    @router.get("/versions/{project}/{model}/{version}/workflow")
    def workflow(project: str, model: str, version: Id, asked: Asked = ask) -> JSONResponse:
        """Return the workflow file that re-creates a model version."""
        row = version_row(asked, project, model, version)
        with asked.catalogue.read() as connection:
            return answer({"yaml": workflow_yaml(recorded_workflow(connection, row))})

    @router.get("/versions/{project}/{model}/{version}/verdict")
    def verdict(project: str, model: str, version: Id, asked: Asked = ask) -> JSONResponse:
        """Say what differs from the version before: code, inputs, outputs of each stage; ``null`` for the first."""
        row = version_row(asked, project, model, version)
        with asked.catalogue.read() as connection:
            found = verdict_of_version(connection, row)
        return answer(None if found is None else found.to_json())

    @router.get("/versions/{project}/{model}/{version}/life")
    def life(project: str, model: str, version: Id, asked: Asked = ask) -> JSONResponse:
        """Return the life stage of a model version, and how it got there."""
        version_row(asked, project, model, version)
        return answer(
            {
                "life_stage": asked.db.life_stages.of(project, model, version),
                "history": asked.db.life_stages.history(project, model, version),
            }
        )


def _add_projects(router: APIRouter, ask: Any) -> None:
    @router.get("/projects", response_model=ItemPage)
    def projects(asked: Asked = ask, limit: Limit = 50, offset: Offset = 0) -> JSONResponse:
        """Return projects at a glance: counts, model types, and the range of each metric."""
        return page(asked.db.browse.projects(readable_dags=asked.may.readable), limit, offset)

    @router.get("/projects/ids")
    def project_ids(key: str, value: str, asked: Asked = ask) -> JSONResponse:
        """Return the ids of projects with a name, author, description, or value of their metadata."""
        return answer(asked.may.visible("project", asked.db.find.project_ids({key: value})))

    @router.get("/projects/{project_id}/experiments", response_model=ItemPage)
    def experiments(project_id: Id, asked: Asked = ask, limit: Limit = 50, offset: Offset = 0) -> JSONResponse:
        """Return the experiments of a project with the ids of their runs."""
        asked.may.see("project", [project_id])
        found = asked.db.browse.runs_and_experiments(project_id, readable_dags=asked.may.readable)
        hidden = asked.may.hidden("experiment", [item.id for item in found])
        found = [item for item in found if item.id not in hidden]
        return page(found, limit, offset)

    @router.get("/experiments/{experiment_id}", response_model=ExperimentSummary)
    def experiment(experiment_id: Id, asked: Asked = ask) -> JSONResponse:
        """Return an experiment."""
        asked.may.see("experiment", [experiment_id])
        return answer(asked.db.browse.experiment(experiment_id, readable_dags=asked.may.readable))

    @router.get("/experiments/{experiment_id}/runs", response_model=ItemPage)
    def runs_in_experiment(
        experiment_id: Id, asked: Asked = ask, limit: Limit = 50, offset: Offset = 0
    ) -> JSONResponse:
        """Return the runs of an experiment."""
        found = asked.db.browse.runs_in_experiment(experiment_id, readable_dags=asked.may.readable)
        return page(found, limit, offset)


def _add_models(router: APIRouter, ask: Any) -> None:
    @router.get("/models/ids", response_model=ItemPage)
    def model_ids(
        asked: Asked = ask,
        key: str = "",
        value: str = "",
        features: str = "",
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> JSONResponse:
        """Return the ids of models by a value of their metadata, or by names of features, separated by commas."""
        if bool(key) == bool(features):
            raise InvalidInputError("say which models: give key and value of their metadata, or features=a,b")
        found = (
            asked.db.find.model_ids({key: value})
            if key
            else asked.db.find.models_with_features([name.strip() for name in features.split(",")])
        )
        return page(asked.may.visible("model", found), limit, offset)

    @router.get("/models/rank")
    def rank(ids: Ids, metric: str, asked: Asked = ask, on: str | None = None, descending: bool = True) -> JSONResponse:
        """Order models by a metric; models without it, and unknown ids, are left out."""
        wanted = ids_of(ids)
        asked.may.see("model", wanted)
        return answer(asked.db.find.rank_models(wanted, metric, on=on, descending=descending))

    @router.get("/models/by-problem-type")
    def by_problem_type(ids: Ids, asked: Asked = ask) -> JSONResponse:
        """Group models by what they solve; unknown ids are left out."""
        wanted = ids_of(ids)
        asked.may.see("model", wanted)
        return answer(asked.db.find.group_by_problem_type(wanted))

    @router.get("/models/iterations-until-convergence")
    def iterations(ids: Ids, tolerance: float, asked: Asked = ask) -> JSONResponse:
        """Return after how many iterations each model's objective changed by less than the tolerance; -1 if unknown."""
        wanted = ids_of(ids)
        asked.may.see("model", wanted)
        return answer(asked.db.compare.iterations_until_convergence(wanted, tolerance))

    @router.get("/models/training-rows")
    def training_rows(ids: Ids, asked: Asked = ask) -> JSONResponse:
        """Return how many rows each model was fitted on; -1 if that is not known."""
        wanted = ids_of(ids)
        asked.may.see("model", wanted)
        return answer(asked.db.compare.training_rows_counts(wanted))

    @router.get("/models/{model_id}")
    def model(model_id: Id, asked: Asked = ask) -> JSONResponse:
        """Return a model: what it is like, what was fitted on what, its metrics on each data frame, annotations."""
        asked.may.see("model", [model_id])
        return answer(asked.db.browse.model(model_id))

    @router.get("/models/{model_id}/ancestry")
    def ancestry(model_id: Id, asked: Asked = ask) -> JSONResponse:
        """Return the event that fitted a model, and those behind its data, in order."""
        asked.may.see("model", [model_id])
        found = asked.db.lineage.model_ancestry(model_id)
        asked.may.see_runs_of(found)
        return answer(found)

    @router.get("/models/{model_id}/pipeline")
    def pipeline(model_id: Id, asked: Asked = ask) -> JSONResponse:
        """Return the transformers and specifications that lead from source data to a model, in order."""
        asked.may.see("model", [model_id])
        found = asked.db.lineage.extract_pipeline(model_id)
        asked.may.see_runs_of(found)
        return answer(found)

    @router.get("/models/{model_id}/original-features")
    def original_features(model_id: Id, asked: Asked = ask) -> JSONResponse:
        """Return the columns of source data that a model's features come from."""
        asked.may.see("model", [model_id])
        found = asked.db.lineage.original_features(model_id)
        asked.may.see_runs_of(found)
        return answer(found)

    @router.get("/models/{model_id}/feature-importances", response_model=list[str])
    def importances(model_id: Id, asked: Asked = ask) -> JSONResponse:
        """Return the features of a linear model on standardised data, the most important first."""
        asked.may.see("model", [model_id])
        return answer(asked.db.compare.linear_feature_importances(model_id))

    @router.get("/models/{model_id}/confidence-intervals", response_model=list[ConfidenceInterval])
    def intervals(model_id: Id, asked: Asked = ask, significance: float = 0.05) -> JSONResponse:
        """Return the interval of each coefficient that has a standard error."""
        asked.may.see("model", [model_id])
        return answer(asked.db.compare.confidence_intervals(model_id, significance))

    @router.get("/models/{model_id}/similar")
    def similar(model_id: Id, by: str, asked: Asked = ask, limit: Limit = 10) -> JSONResponse:
        """Return the models most similar by ``model type,auc`` and so on: the first selects, others break ties."""
        asked.may.see("model", [model_id])
        found = asked.db.find.similar_models(model_id, [item.strip() for item in by.split(",")], MOST_ITEMS)
        return answer(asked.may.visible("model", found)[:limit])

    @router.get("/models/{model_id}/annotations", response_model=list[AnnotationRecord])
    def annotations_of_model(model_id: Id, asked: Asked = ask) -> JSONResponse:
        """Return what people wrote about a model."""
        asked.may.see("model", [model_id])
        return answer(asked.db.annotations.of_model(model_id))


def _add_comparisons(router: APIRouter, ask: Any) -> None:
    @router.get("/compare/hyperparameters", response_model=HyperparameterComparison)
    def hyperparameters(first: Row, second: Row, asked: Asked = ask) -> JSONResponse:
        """Compare the hyperparameters of two models."""
        asked.may.see("model", [first, second])
        return answer(asked.db.compare.hyperparameters(first, second))

    @router.get("/compare/features", response_model=FeatureComparison)
    def features(first: Row, second: Row, asked: Asked = ask) -> JSONResponse:
        """Compare the features of two models."""
        asked.may.see("model", [first, second])
        return answer(asked.db.compare.features(first, second))

    @router.get("/compare/feature-importances")
    def feature_importances(first: Row, second: Row, asked: Asked = ask) -> JSONResponse:
        """Compare how important each feature is to two models, as percentile ranks."""
        asked.may.see("model", [first, second])
        return answer(asked.db.compare.feature_importances(first, second))

    @router.get("/compare/common-ancestor")
    def common_ancestor(first: Row, second: Row, asked: Asked = ask, kind: str = "data frame") -> JSONResponse:
        """Return the nearest data that two data frames, or two models, both come from, with the steps of each side."""
        if kind not in ("data frame", "model"):
            raise InvalidInputError(f"kind={kind!r} has no ancestors; give 'data frame' or 'model'")
        asked.may.see(kind, [first, second])
        lineage = asked.db.lineage
        call = lineage.common_ancestor if kind == "data frame" else lineage.common_ancestor_of_models
        found = call(first, second)
        asked.may.see_runs_of(found)
        return answer(found)


def _add_data_frames(router: APIRouter, ask: Any) -> None:
    @router.get("/data-frames/{frame_id}")
    def frame(frame_id: Id, asked: Asked = ask) -> JSONResponse:
        """Return a data frame: rows, columns, tag, file, and its intermediate, where it is stored."""
        asked.may.see("data frame", [frame_id])
        return answer(asked.db.browse.frame(frame_id))

    @router.get("/data-frames/{frame_id}/ancestry")
    def frame_ancestry(frame_id: Id, asked: Asked = ask) -> JSONResponse:
        """Return what a data frame was made from, the nearest first, and the events between."""
        asked.may.see("data frame", [frame_id])
        found = asked.db.lineage.frame_ancestry(frame_id)
        asked.may.see_runs_of(found)
        return answer(found)

    @router.get("/data-frames/{frame_id}/models", response_model=ItemPage)
    def derived_models(frame_id: Id, asked: Asked = ask, limit: Limit = 50, offset: Offset = 0) -> JSONResponse:
        """Return the models of the project that were fitted on data that comes from a data frame."""
        asked.may.see("data frame", [frame_id])
        found = asked.db.lineage.models_derived_from(frame_id)
        visible = set(asked.may.visible("run", {model.run_id for model in found}))
        return page([model for model in found if model.run_id in visible], limit, offset)

    @router.get("/data-frames/{frame_id}/annotations", response_model=list[AnnotationRecord])
    def annotations_of_frame(frame_id: Id, asked: Asked = ask) -> JSONResponse:
        """Return what people wrote about a data frame."""
        asked.may.see("data frame", [frame_id])
        return answer(asked.db.annotations.of_frame(frame_id))

    @router.get("/specifications/{spec_id}/annotations", response_model=list[AnnotationRecord])
    def annotations_of_spec(spec_id: Id, asked: Asked = ask) -> JSONResponse:
        """Return what people wrote about a specification."""
        asked.may.see("specification", [spec_id])
        return answer(asked.db.annotations.of_spec(spec_id))


def _kind(entity: str) -> str:
    """Return a kind of rows that carry tags or metadata, or raise."""
    known = ("project", "experiment", "run", "version", "model", "data frame")
    if entity not in known:
        raise InvalidInputError(f"{entity!r} carries neither tags nor metadata; known: {', '.join(known)}")
    return entity
