"""ModelDB as JSON: what may be changed, by those who may edit the DAG that it belongs to.

Bodies are JSON and other methods than GET are used throughout, so that a page of another site cannot make a
browser send them with the user's cookie.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.edit.annotation_records import AnnotationRecord, Fragment
from mistique_core.modeldb.edit.deletion import RunDeletion
from mistique_ui.modeldb_context import MOST, Asked, Id, answer, ids_of, version_row_of

Type = Literal["string", "int", "long", "double", "bool", "datetime"]
Path = Annotated[str, Query(min_length=1, max_length=500, description="keys and indices, joined by dots")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewFragment(_Body):
    """A message, or a reference to a data frame, a model or a specification of the run."""

    message: str | None = Field(None, max_length=20_000)
    frame_id: int | None = Field(None, ge=0, le=MOST)
    model_id: int | None = Field(None, ge=0, le=MOST)
    spec_id: int | None = Field(None, ge=0, le=MOST)


class NewAnnotation(_Body):
    """An annotation; its fragments stay in their order."""

    fragments: list[NewFragment] = Field(min_length=1, max_length=100)


class NewLife(_Body):
    """Where a model version goes."""

    life_stage: Literal["candidate", "production", "archived"]
    archive_others: bool = False
    allow_several: bool = False


class NewText(_Body):
    """A text."""

    value: str = Field(max_length=20_000)


class NewValue(_Body):
    """A typed value of free metadata."""

    value: Any
    type: Type


class NewVector(_Body):
    """Typed values of free metadata."""

    values: list[Any] = Field(default_factory=list, max_length=10_000)
    type: Type = "string"


def edit_router(ask: Any) -> APIRouter:
    """Return the routes below ``/api/modeldb`` that change something."""
    router = APIRouter(prefix="/api/modeldb", tags=["ModelDB: edits"])
    _add_annotations(router, ask)
    _add_labels(router, ask)
    _add_metadata(router, ask)
    return router


def _add_annotations(router: APIRouter, ask: Any) -> None:
    @router.post("/runs/{run_id}/annotations", response_model=AnnotationRecord, status_code=201)
    def annotate(run_id: Id, body: NewAnnotation, asked: Asked = ask) -> JSONResponse:
        """Write about a run and what is in it."""
        asked.may.change("run", [run_id])
        fragments = [Fragment(**item.model_dump()) for item in body.fragments]
        return answer(asked.db.annotations.add(run_id, *fragments, author=asked.may.author), 201)

    @router.delete("/annotations/{annotation_id}", status_code=200)
    def delete_annotation(annotation_id: Id, asked: Asked = ask) -> JSONResponse:
        """Delete an annotation."""
        asked.may.change("annotation", [annotation_id])
        asked.db.annotations.delete(annotation_id)
        return answer({"deleted": annotation_id})

    @router.delete("/runs", response_model=RunDeletion)
    def delete_runs(
        ids: Annotated[str, Query(max_length=12_000)], asked: Asked = ask, force: bool = False, dry_run: bool = False
    ) -> JSONResponse:
        """Delete runs with all that they recorded; ``dry_run`` only says what that would be."""
        wanted = ids_of(ids)
        asked.may.change("run", wanted)
        return answer(asked.db.delete_runs(wanted, force=force, dry_run=dry_run))


def _add_labels(router: APIRouter, ask: Any) -> None:
    @router.put("/tags/{entity}/{row}/{name}")
    def add_tag(entity: str, row: Id, name: str, asked: Asked = ask) -> JSONResponse:
        """Tag a project, a run or a version."""
        asked.may.change(_tagged(entity), [row])
        asked.db.tags.add(entity, row, name)
        return answer(asked.db.tags.of(entity, row))

    @router.delete("/tags/{entity}/{row}/{name}")
    def remove_tag(entity: str, row: Id, name: str, asked: Asked = ask) -> JSONResponse:
        """Take a tag away."""
        asked.may.change(_tagged(entity), [row])
        asked.db.tags.remove(entity, row, name)
        return answer(asked.db.tags.of(entity, row))

    @router.put("/versions/{project}/{model}/{version}/life")
    def move(project: str, model: str, version: Id, body: NewLife, asked: Asked = ask) -> JSONResponse:
        """Move a model version to another stage of its life."""
        row = version_row_of(asked, project, model, version)
        asked.may.change("version", [row])
        asked.db.life_stages.move(
            project,
            model,
            version,
            body.life_stage,
            archive_others=body.archive_others,
            allow_several=body.allow_several,
            author=asked.may.author,
        )
        return answer({"life_stage": asked.db.life_stages.of(project, model, version)})

    @router.put("/projects/{project_id}/{key}")
    def update_project(project_id: Id, key: str, body: NewText, asked: Asked = ask) -> JSONResponse:
        """Change the author or the description of a project."""
        asked.may.change("project", [project_id])
        asked.db.projects.update(project_id, key, body.value)
        return answer({key: body.value})

    @router.put("/description/{entity}/{row}")
    def describe(entity: str, row: Id, body: NewText, asked: Asked = ask) -> JSONResponse:
        """Describe a project, an experiment or a run."""
        if entity not in ("project", "experiment", "run"):
            raise InvalidInputError(f"{entity!r} has no description; known: project, experiment, run")
        asked.may.change(entity, [row])
        asked.db.projects.describe(entity, row, body.value)
        return answer({"description": body.value})


def _add_metadata(router: APIRouter, ask: Any) -> None:
    @router.put("/metadata/{entity}/{row}")
    def replace(entity: str, row: Id, body: Annotated[dict[str, Any], Body()], asked: Asked = ask) -> JSONResponse:
        """Replace the free JSON of a project, an experiment, a run, a model or a data frame."""
        asked.may.change(_described(entity), [row])
        asked.db.metadata.replace(entity, row, body)
        return answer(asked.db.metadata.get(entity, row))

    @router.put("/metadata/{entity}/{row}/scalar")
    def set_scalar(entity: str, row: Id, path: Path, body: NewValue, asked: Asked = ask) -> JSONResponse:
        """Set a single value, new or not."""
        asked.may.change(_described(entity), [row])
        asked.db.metadata.create_or_update_scalar(entity, row, path, body.value, body.type)
        return answer(asked.db.metadata.get(entity, row))

    @router.post("/metadata/{entity}/{row}/vector", status_code=201)
    def create_vector(entity: str, row: Id, path: Path, body: NewVector, asked: Asked = ask) -> JSONResponse:
        """Create a vector."""
        asked.may.change(_described(entity), [row])
        asked.db.metadata.create_vector(entity, row, path, body.values, body.type)
        return answer(asked.db.metadata.get(entity, row), 201)

    @router.put("/metadata/{entity}/{row}/vector/{index}")
    def update_vector(entity: str, row: Id, index: Id, path: Path, body: NewValue, asked: Asked = ask) -> JSONResponse:
        """Replace an item of a vector."""
        asked.may.change(_described(entity), [row])
        asked.db.metadata.update_vector(entity, row, path, index, body.value, body.type)
        return answer(asked.db.metadata.get(entity, row))

    @router.post("/metadata/{entity}/{row}/vector/items", status_code=201)
    def append(entity: str, row: Id, path: Path, body: NewValue, asked: Asked = ask) -> JSONResponse:
        """Append to a vector."""
        asked.may.change(_described(entity), [row])
        asked.db.metadata.append_to_vector(entity, row, path, body.value, body.type)
        return answer(asked.db.metadata.get(entity, row), 201)

    @router.delete("/metadata/{entity}/{row}")
    def remove(entity: str, row: Id, path: Path, asked: Asked = ask) -> JSONResponse:
        """Take away what is at a path."""
        asked.may.change(_described(entity), [row])
        asked.db.metadata.remove(entity, row, path)
        return answer(asked.db.metadata.get(entity, row))


def _tagged(entity: str) -> str:
    if entity not in ("project", "run", "version"):
        raise InvalidInputError(f"{entity!r} carries no tags; known: project, run, version")
    return entity


def _described(entity: str) -> str:
    known = ("project", "experiment", "run", "model", "data frame")
    if entity not in known:
        raise InvalidInputError(f"{entity!r} has no metadata; known: {', '.join(known)}")
    return entity
