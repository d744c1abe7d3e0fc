"""Intermediates: registering, finding and describing them."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from mistique_core.catalogue.chunks import known_addresses
from mistique_core.catalogue.data_frames import add_stored_frame
from mistique_core.catalogue.driver_statements import find_largest, insert_new, select_rows
from mistique_core.catalogue.entities import SUCCESS, lock_version
from mistique_core.catalogue.layouts import Layout, pack_versions, read_layout, register_layout, unpack_versions
from mistique_core.catalogue.tables import (
    column_version,
    experiment_run,
    intermediate,
    layout,
    model,
    model_version,
    project,
    stage,
)
from mistique_core.catalogue.unstored import UnstoredColumn, unpack_threshold, unpack_unstored
from mistique_core.errors import CatalogueError, ConflictError, NotFoundError, did_you_mean
from mistique_core.frames import LogicalType
from mistique_core.model import IntermediateKey, IntermediateRef

_BATCH = 500
LOSSLESS = "lossless"
UNSTORED = 0
"""Stands for the id of a column version that the store does not hold."""


class VersionKey(NamedTuple):
    """A column version: its id, and its content address (32 bytes).

    What is remembered about a column version is remembered under both, because a database may give
    the id of a deleted row to a new one.
    """

    id: int
    address: bytes


@dataclass(frozen=True)
class ColumnRecord:
    """One column of an intermediate.

    Attributes
    ----------
    name
        Its name.
    version
        Its column version; with the id :data:`UNSTORED` where the store knows its address only.
    logical_type
        Canonical JSON of its type.
    logical_bytes
        Bytes of its values.
    unit
        Which of the units of its column version it is, from 0; ``None`` where the version holds one column.
    scheme
        Canonical JSON of the lossy scheme; ``None`` when the values are exactly those logged.
    max_abs_error
        Bound of the absolute error of any value.
    position
        Place of its column version among those of the intermediate, from 0.
    """

    name: str
    version: VersionKey
    logical_type: str
    logical_bytes: int
    unit: int | None = None
    scheme: str | None = None
    max_abs_error: float = 0.0
    position: int = 0


@dataclass(frozen=True)
class IntermediateRecord:
    """One intermediate with its address and sizes.

    Attributes
    ----------
    ref
        Its reference.
    address
        Content address of the frame, 32 bytes.
    row_id_version
        The column version that holds its row ids.
    stage_id
        Id of the stage that produced it; ``None`` when it was logged by hand.
    output
        Name of the stage's output.
    logical_bytes, stored_bytes
        Bytes as logged, and bytes that storing it added.
    created_at
        Unix seconds; with the id it tells this row from a later one that was given the same id.
    is_kept
        Whether all its columns stay stored; else some may, and another is stored only as long as another intermediate
        keeps it.
    gamma_min
        Of one that is not kept: the gamma from which on a re-run result is to be kept; ``None`` for never, but for what
        fits into a budget.
    scheme
        Text of the lossy scheme, or ``lossless``.
    model_version_id
        The model version that it belongs to.
    budget_bytes
        Encoded bytes that those of its model version which can be re-run may take together; ``None`` for any.
    rerun_equal
        Whether re-running it has given what was recorded; ``None`` where nobody has tried.
    kept
        Positions of the columns that it refers to, where not all are kept.
    state
        Changes whenever the column versions do that it refers to.
    """

    ref: IntermediateRef
    address: bytes
    row_id_version: VersionKey
    stage_id: int | None
    output: str
    logical_bytes: int
    stored_bytes: int
    created_at: float
    is_kept: bool = True
    gamma_min: float | None = None
    scheme: str = LOSSLESS
    model_version_id: int = 0
    budget_bytes: int | None = None
    rerun_equal: bool | None = None
    kept: frozenset[int] = frozenset()
    state: int = 0

    @property
    def exact(self) -> bool:
        """Whether what is stored are the values themselves, not what a lossy scheme has made of them."""
        return self.scheme == LOSSLESS


_RECORD = sa.select(
    intermediate,
    project.c.name.label("project"),
    model.c.name.label("model"),
    model_version.c.number.label("number"),
    model_version.c.budget_bytes,
    column_version.c.address.label("row_id_address"),
).select_from(
    intermediate.join(model_version, model_version.c.id == intermediate.c.model_version_id)
    .join(model, model.c.id == model_version.c.model_id)
    .join(project, project.c.id == model.c.project_id)
    .join(column_version, column_version.c.id == intermediate.c.row_id_version)
)
_RECORD_NAMES = tuple(_RECORD.selected_columns.keys())


def _record(row: Sequence[Any]) -> IntermediateRecord:
    fields = dict(zip(_RECORD_NAMES, row, strict=False))
    unstored = fields["unstored"]
    gamma_min, kept = (None, frozenset[int]()) if unstored is None else unpack_threshold(bytes(unstored))
    ref = IntermediateRef(
        fields["project"], fields["model"], fields["number"], fields["name"], fields["n_rows"], fields["id"]
    )
    return IntermediateRecord(
        ref,
        bytes(fields["address"]),
        VersionKey(fields["row_id_version"], bytes(fields["row_id_address"])),
        fields["stage_id"],
        fields["output"],
        fields["logical_bytes"],
        fields["stored_bytes"],
        fields["created_at"],
        fields["unstored"] is None,
        gamma_min,
        fields["scheme"],
        fields["model_version_id"],
        fields["budget_bytes"],
        None if fields["rerun_equal"] is None else bool(fields["rerun_equal"]),
        kept,
        zlib.crc32(bytes(fields["columns"] or b"")),
    )


def register_intermediate(
    connection: sa.Connection,
    *,
    model_version_id: int,
    name: str,
    stage_id: int | None,
    output: str,
    address: bytes,
    rows: int,
    row_id_version: int,
    layout: Layout,
    versions: Sequence[int],
    logical_bytes: int,
    stored_bytes: int,
    scheme: str = LOSSLESS,
) -> int:
    """Insert an intermediate with the names and the column version ids of its columns; return its id.

    An intermediate of the same name in the same model version, left by an earlier try, stays as it
    is: the new one gets the next attempt number.
    """
    lock_version(connection, model_version_id)
    place = {"model_version_id": model_version_id, "name": name}
    last = find_largest(connection, intermediate, "attempt", place)
    row = {
        **place,
        "attempt": last + 1,
        "stage_id": stage_id,
        "output": output,
        "address": address,
        "n_rows": rows,
        "row_id_version": row_id_version,
        "logical_bytes": logical_bytes,
        "stored_bytes": stored_bytes,
        "scheme": scheme,
        "created_at": time.time(),
        "layout_id": register_layout(connection, layout),
        "columns": pack_versions(versions),
    }
    intermediate_id = insert_new(connection, intermediate, row)
    if intermediate_id is None:
        raise ConflictError(f"attempt {last + 1} of intermediate {name!r} was registered by another writer; try again")
    add_stored_frame(
        connection,
        intermediate_id=intermediate_id,
        model_version_id=model_version_id,
        stage_id=stage_id,
        output=output,
        rows=rows,
    )
    return intermediate_id


_RECORD_BY_ID = _RECORD.where(intermediate.c.id == sa.bindparam("wanted"))
_RECORDS_OF_STAGE = _RECORD.where(intermediate.c.stage_id == sa.bindparam("stage")).order_by(intermediate.c.id)


def intermediate_by_id(connection: sa.Connection, intermediate_id: int) -> IntermediateRecord:
    """Return one intermediate; raises :class:`NotFoundError` if there is none."""
    rows = select_rows(connection, _RECORD_BY_ID, {"wanted": intermediate_id})
    if not rows:
        raise NotFoundError(f"intermediate {intermediate_id} is not in the catalogue; it may have been deleted")
    return _record(rows[0])


def intermediates_of_stage(connection: sa.Connection, stage_id: int) -> list[IntermediateRecord]:
    """Return the outputs of a stage, in the order in which they were registered."""
    return [_record(row) for row in select_rows(connection, _RECORDS_OF_STAGE, {"stage": stage_id})]


_COLUMNS = (
    sa.select(intermediate.c.columns, intermediate.c.unstored, layout.c.names)
    .join(layout, layout.c.id == intermediate.c.layout_id)
    .where(intermediate.c.id == sa.bindparam("wanted"))
)
_VERSIONS = sa.select(
    column_version.c.id,
    column_version.c.address,
    column_version.c.logical_type,
    column_version.c.logical_bytes,
    column_version.c.scheme,
    column_version.c.max_abs_error,
).where(column_version.c.id.in_(sa.bindparam("versions", expanding=True)))


def columns_of(connection: sa.Connection, intermediate_id: int) -> list[ColumnRecord]:
    """Return the columns of an intermediate in order."""
    rows = select_rows(connection, _COLUMNS, {"wanted": intermediate_id})
    if not rows:
        raise NotFoundError(f"intermediate {intermediate_id} is not in the catalogue; it may have been deleted")
    columns, unstored, packed = rows[0]
    names = read_layout(bytes(packed))
    if unstored is None:
        versions = versions_by_id(connection, unpack_versions(bytes(columns)).tolist())
    else:
        versions = _by_address(connection, unpack_unstored(bytes(unstored)).columns)
    own: tuple[tuple[int, int | None], ...] = tuple((position, None) for position in range(len(versions)))
    members = names.members if names.members is not None else own
    found = []
    for name, (position, unit) in zip(names.names, members, strict=True):
        version = versions[position]
        size = version.logical_bytes // (1 if unit is None else _units(version.logical_type))
        found.append(
            ColumnRecord(
                name, version.version, version.logical_type, size, unit, version.scheme, version.max_abs_error, position
            )
        )
    return found


def versions_by_id(connection: sa.Connection, ids: Sequence[int]) -> list[ColumnRecord]:
    """Return column versions in the order of their ids, as columns without names."""
    known = _versions(connection, ids)
    return [known[item] for item in ids]


def _by_address(connection: sa.Connection, columns: Sequence[UnstoredColumn]) -> list[ColumnRecord]:
    """Return columns that are not kept; those that another intermediate keeps are stored all the same."""
    ids = known_addresses(connection, column_version, [column.address for column in columns])
    known = _versions(connection, list(ids.values()))
    return [
        known[ids[column.address]]
        if column.address in ids
        else ColumnRecord("", VersionKey(UNSTORED, column.address), column.logical_type, column.logical_bytes)
        for column in columns
    ]


def _versions(connection: sa.Connection, ids: Sequence[int]) -> dict[int, ColumnRecord]:
    """Return column versions as columns without names."""
    wanted = sorted(set(ids))
    found: dict[int, ColumnRecord] = {}
    for start in range(0, len(wanted), _BATCH):
        rows = select_rows(connection, _VERSIONS, {}, {"versions": wanted[start : start + _BATCH]})
        for number, address, logical_type, size, scheme, error in rows:
            key = VersionKey(number, bytes(address))
            found[number] = ColumnRecord("", key, logical_type, size, None, scheme, error or 0.0)
    missing = set(wanted) - set(found)
    if missing:
        raise CatalogueError(f"column version {min(missing)} is not in the catalogue; run 'mistique check'")
    return found


def _units(logical_type: str) -> int:
    return LogicalType.from_json(logical_type).units


def _found(version: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return the query, built once, for the newest attempt of an intermediate in the newest such version."""
    wanted = (
        sa.select(model_version.c.id)
        .join(model, model.c.id == model_version.c.model_id)
        .join(project, project.c.id == model.c.project_id)
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .where(project.c.name == sa.bindparam("key_project"), model.c.name == sa.bindparam("key_model"), version)
        .order_by(model_version.c.number.desc())
        .limit(1)
    )
    return (
        _RECORD.where(
            intermediate.c.model_version_id == wanted.scalar_subquery(),
            intermediate.c.name == sa.bindparam("key_intermediate"),
        )
        .order_by(intermediate.c.attempt.desc())
        .limit(1)
    )


_IN_LATEST = _found(experiment_run.c.state == SUCCESS)
_IN_VERSION = _found(model_version.c.number == sa.bindparam("key_version"))


def find_intermediate(connection: sa.Connection, key: IntermediateKey) -> IntermediateRecord:
    """Return the intermediate that a key names (its column is not looked at).

    Raises
    ------
    NotFoundError
        If the project, model, version or intermediate does not exist, or the model has no complete
        version; the message names the value and what exists.
    """
    parameters = {"key_project": key.project, "key_model": key.model, "key_intermediate": key.intermediate}
    if key.version is None:
        rows = select_rows(connection, _IN_LATEST, parameters)
    else:
        rows = select_rows(connection, _IN_VERSION, {**parameters, "key_version": key.version})
    if not rows:
        version_id = find_version(connection, key)
        known = connection.scalars(
            sa.select(intermediate.c.name).where(intermediate.c.model_version_id == version_id).distinct()
        )
        raise NotFoundError(
            f"model {key.project}.{key.model} has no intermediate {key.intermediate!r}; "
            f"{did_you_mean(key.intermediate, known)}"
        )
    return _record(rows[0])


def find_version(connection: sa.Connection, key: IntermediateKey) -> int:
    """Return the id of the model version that a key names; raises like :func:`find_intermediate`."""
    project_row = connection.scalar(sa.select(project.c.id).where(project.c.name == key.project))
    if project_row is None:
        known = connection.scalars(sa.select(project.c.name))
        raise NotFoundError(f"project {key.project!r} does not exist; {did_you_mean(key.project, known)}")
    model_row = connection.scalar(
        sa.select(model.c.id).where(model.c.project_id == project_row, model.c.name == key.model)
    )
    if model_row is None:
        known = connection.scalars(sa.select(model.c.name).where(model.c.project_id == project_row))
        raise NotFoundError(f"project {key.project!r} has no model {key.model!r}; {did_you_mean(key.model, known)}")
    versions = connection.execute(
        sa.select(model_version.c.id, model_version.c.number, experiment_run.c.state)
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .where(model_version.c.model_id == model_row)
        .order_by(model_version.c.number.desc())
    ).all()
    for version in versions:
        if version.number == key.version if key.version is not None else version.state == SUCCESS:
            return int(version.id)
    shown = ", ".join(f"@{version.number} ({version.state})" for version in versions[:8]) or "none"
    if key.version is not None:
        raise NotFoundError(f"model {key.project}.{key.model} has no version {key.version}; known: {shown}")
    raise NotFoundError(
        f"model {key.project}.{key.model} has no complete version yet; name one of its versions, "
        f"such as {key.model}@{versions[0].number if versions else 1}: {shown}"
    )


def list_intermediates(
    connection: sa.Connection, project_name: str | None, model_name: str | None
) -> list[dict[str, object]]:
    """Return one mapping an intermediate, newest version first, in order of creation within it."""
    query = (
        _RECORD.add_columns(
            stage.c.state.label("stage_state"),
            stage.c.reused_from,
            experiment_run.c.state.label("run_state"),
            layout.c.n_columns,
        )
        .join(layout, layout.c.id == intermediate.c.layout_id)
        .outerjoin(stage, stage.c.id == intermediate.c.stage_id)
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .order_by(project.c.name, model.c.name, model_version.c.number.desc(), intermediate.c.id)
    )
    if project_name is not None:
        query = query.where(project.c.name == project_name)
    if model_name is not None:
        query = query.where(model.c.name == model_name)
    return [
        {
            "project": row.project,
            "model": row.model,
            "version": row.number,
            "intermediate": row.name,
            "attempt": row.attempt,
            "rows": row.n_rows,
            "columns": row.n_columns,
            "logical_bytes": row.logical_bytes,
            "stored_bytes": row.stored_bytes,
            "kept": row.unstored is None,
            "reused": row.reused_from is not None,
            "state": row.run_state,
            "created_at": row.created_at,
        }
        for row in connection.execute(query)
    ]
