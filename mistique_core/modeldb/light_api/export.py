"""Write a recorded run of the Light API as the file that says the same."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.entities import RunKey
from mistique_core.catalogue.modeldb_tables import (
    data_frame,
    hyperparameter,
    metric,
    stage_input,
    transformer,
    value_name,
)
from mistique_core.catalogue.tables import experiment, experiment_run, project, stage
from mistique_core.catalogue.values import values_of_runs
from mistique_core.errors import NotFoundError
from mistique_core.model.event import StageKind
from mistique_core.modeldb.light_api.light_run import LIGHT
from mistique_core.modeldb.light_api.structure import known_keys
from mistique_core.store import Mistique
from mistique_core.workflows.specification.document import implicit_types


def to_document(store: Mistique, name: str, run_id: str) -> dict[str, Any]:
    """Return a run as the content of a file: JSON values, keys in the order of Listing 4.4.

    A tag that is the only possible one is written all the same; one that stands in METADATA stays there.

    Parameters
    ----------
    store
        Where it is recorded.
    name, run_id
        The run: what :attr:`LightRun.key` and :class:`ImportedFile` give.

    Raises
    ------
    NotFoundError
        If the Light API has recorded no such run.
    """
    with store.catalogue.read() as connection:
        conditions = (
            experiment_run.c[column] == value for column, value in RunKey(LIGHT, name, run_id).columns().items()
        )
        head = connection.execute(
            sa.select(experiment_run, experiment.c.name.label("experiment"), project.c.name.label("project"))
            .select_from(experiment_run.join(experiment).join(project))
            .where(*conditions)
        ).first()
        if head is None:
            raise NotFoundError(
                f"the Light API has recorded no run {run_id!r} of {name!r}; give the key of a LightRun, or "
                "name and run_id of an ImportedFile"
            )
        datasets = _datasets(connection, head.id)
        models = _models(connection, head.id)
    document: dict[str, Any] = {"PROJECT": head.project}
    if head.experiment != head.dag_id:
        document["EXPERIMENT"] = head.experiment
    for key, value in (("DESCRIPTION", head.description), ("CODE_VERSION", head.code_version)):
        if value is not None:
            document[key] = value
    document |= {key: value for key, value in (head.metadata or {}).items() if key not in known_keys("")}
    if datasets:
        document["DATASETS"] = datasets
    if len(models) == 1:
        document["MODEL"] = models[0]
    elif models:
        document["MODELS"] = models
    return document


def to_yaml(store: Mistique, name: str, run_id: str) -> str:
    """Return a run as the text of a file, which :func:`import_file` reads; parameters as :func:`to_document`."""
    return yaml_text(to_document(store, name, run_id))


def yaml_text(document: Mapping[str, Any]) -> str:
    """Return JSON values as YAML that reads as the same values, in YAML 1.1 and 1.2."""
    import yaml

    text = yaml.dump(dict(document), Dumper=_dumper_class(), sort_keys=False, width=100)
    assert isinstance(text, str)
    return text


@cache
def _dumper_class() -> Any:
    """Return PyYAML's safe dumper, which quotes also what only YAML 1.2 takes for a number."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    for tag, pattern, first in implicit_types():
        Dumper.add_implicit_resolver(tag, pattern, first)
    return Dumper


def _datasets(connection: sa.Connection, run: int) -> list[dict[str, Any]]:
    query = (
        sa.select(data_frame, stage.c.facts)
        .join(stage, stage.c.id == data_frame.c.stage_id)
        .where(data_frame.c.run_id == run, stage.c.kind == StageKind.READ.value)
        .order_by(data_frame.c.id)
    )
    made = []
    for row in connection.execute(query):
        metadata = row.metadata or {}
        entry: dict[str, Any] = {"FILENAME": row.filepath or ""}
        if "TAG" not in metadata and row.tag:
            entry["TAG"] = row.tag
        if metadata:
            entry["METADATA"] = metadata
        made.append(entry | (row.facts or {}).get("entry", {}))
    return made


def _models(connection: sa.Connection, run: int) -> list[dict[str, Any]]:
    frames = sa.select(data_frame.c.id, data_frame.c.tag).where(data_frame.c.run_id == run)
    tags = {row.id: row.tag for row in connection.execute(frames)}
    query = (
        sa.select(transformer, stage_input.c.data_frame_id)
        .join(stage, stage.c.id == transformer.c.stage_id)
        .outerjoin(stage_input, sa.and_(stage_input.c.stage_id == stage.c.id, stage_input.c.data_frame_id.is_not(None)))
        .where(transformer.c.run_id == run, stage.c.kind == StageKind.FIT.value)
        .order_by(transformer.c.id)
    )
    settings = _settings(connection, run)
    made = []
    for row in connection.execute(query).all():
        tag = tags.get(row.data_frame_id)
        entry: dict[str, Any] = {"NAME": row.tag, "TYPE": row.type_name}
        if row.filepath:
            entry["PATH"] = row.filepath
        if tag:
            entry["TAG"] = tag
        entry["CONFIG"] = settings.get(row.stage_id, {})
        metrics = _metrics(connection, row.id, tag, tags)
        if metrics:
            entry["METRICS"] = metrics
        made.append(entry | (row.metadata or {}))
    return made


def _settings(connection: sa.Connection, run: int) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for _, stage_id, name, value in values_of_runs(connection, hyperparameter, [run]):
        found.setdefault(stage_id, {})[name] = value
    return found


def _metrics(connection: sa.Connection, model: int, tag: str | None, tags: Mapping[int, str]) -> list[dict[str, Any]]:
    query = (
        sa.select(metric.c.stage_id, metric.c.value, metric.c.data_frame_id, value_name.c.name, stage.c.facts)
        .join(value_name, value_name.c.id == metric.c.name_id)
        .join(stage, stage.c.id == metric.c.stage_id)
        .where(metric.c.transformer_id == model)
        .order_by(metric.c.stage_id, value_name.c.name)
    )
    made: list[tuple[tuple[int, int], dict[str, Any]]] = []
    for row in connection.execute(query):
        entries = {item["name"]: item for item in (row.facts or {}).get("entries", ())}
        known = entries.get(row.name, {})
        entry: dict[str, Any] = {"TYPE": row.name, "VALUE": row.value}
        measured_on = tags.get(row.data_frame_id)
        if measured_on and measured_on != tag:
            entry["TAG"] = measured_on
        made.append(((known.get("position", 0), row.stage_id), entry | known.get("extra", {})))
    return [entry for _, entry in sorted(made, key=lambda item: item[0])]
