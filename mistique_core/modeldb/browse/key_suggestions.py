"""Keys to choose from while somebody writes one: intermediates first, then the columns of one."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from mistique_core.catalogue.entities import SUCCESS
from mistique_core.catalogue.intermediates import columns_of, find_intermediate
from mistique_core.catalogue.tables import experiment_run, intermediate, model, model_version, project
from mistique_core.errors import MistiqueError
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.modeldb.visibility import readable

MOST_LOOKED_AT = 20_000


def suggest_keys(
    connection: sa.Connection,
    text: str,
    *,
    whole: bool = True,
    readable_dags: Collection[str] | None = None,
    limit: int = 50,
) -> list[str]:
    """Return keys that begin with, or else contain, what was written so far.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    text
        What was written. Once it names an intermediate and a dot, its columns are suggested.
    whole
        Whether a key may name a whole intermediate; else only keys of columns are, and of intermediates with a dot at
        the end what leads to them.
    readable_dags
        DAGs whose runs may be shown; ``None`` means all.
    limit
        Most to return.
    """
    wanted = text.strip()
    names = _intermediates(connection, readable_dags)
    for name in sorted(names, key=len, reverse=True):
        if wanted.startswith(f"{name}."):
            return _columns(connection, name, wanted.removeprefix(f"{name}."), readable_dags, limit)
    versioned = _versioned(wanted)
    if versioned is not None:
        return _columns(connection, *versioned, readable_dags, limit)
    lowered = wanted.lower()
    first = [name for name in names if name.lower().startswith(lowered)]
    others = [name for name in names if lowered in name.lower() and not name.lower().startswith(lowered)]
    return [name if whole else f"{name}." for name in [*first, *others][:limit]]


def _intermediates(connection: sa.Connection, readable_dags: Collection[str] | None) -> list[str]:
    """Return ``project.model.intermediate`` of the latest complete version of each model, the newest model first."""
    newest = (
        sa.select(sa.func.max(model_version.c.id))
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .where(experiment_run.c.state == SUCCESS, *readable(readable_dags))
        .group_by(model_version.c.model_id)
    )
    query = (
        sa.select(project.c.name, model.c.name, intermediate.c.name)
        .select_from(project.join(model).join(model_version).join(intermediate))
        .where(model_version.c.id.in_(newest))
        .order_by(model_version.c.id.desc(), intermediate.c.id)
        .limit(MOST_LOOKED_AT)
    )
    return list(dict.fromkeys(".".join(row) for row in connection.execute(query)))


def _versioned(text: str) -> tuple[str, str] | None:
    """Return (key of the intermediate, rest) of a text that names a version."""
    head, _, rest = text.partition("@")
    parts = rest.split(".", 2)
    if len(parts) != 3 or not parts[0].isdecimal():
        return None
    name = f"{head}@{parts[0]}.{parts[1]}"
    try:
        IntermediateKey.parse(name)
    except MistiqueError:
        return None
    return name, parts[2]


def _columns(
    connection: sa.Connection, name: str, rest: str, readable_dags: Collection[str] | None, limit: int
) -> list[str]:
    try:
        record = find_intermediate(connection, IntermediateKey.parse(name))
    except MistiqueError:
        return []
    if not _may_be_shown(connection, record.model_version_id, readable_dags):
        return []
    lowered = "" if rest == ALL_COLUMNS else rest.lower()
    names = [column.name for column in columns_of(connection, record.ref.id)]
    first = [item for item in names if item.lower().startswith(lowered)]
    others = [item for item in names if lowered in item.lower() and not item.lower().startswith(lowered)]
    return [f"{name}.{item}" for item in [*first, *others][:limit]]


def _may_be_shown(connection: sa.Connection, version_id: int, readable_dags: Collection[str] | None) -> bool:
    query = (
        sa.select(model_version.c.id)
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .where(model_version.c.id == version_id, *readable(readable_dags))
    )
    return connection.scalar(query) is not None
