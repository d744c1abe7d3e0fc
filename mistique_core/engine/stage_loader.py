"""Rebuild a stage from its record, and refuse when its code is no longer what ran then."""

from __future__ import annotations

import importlib
import logging
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.tables import stage as stage_table
from mistique_core.errors import MistiqueError, RerunError
from mistique_core.lineage import stage_code_hash
from mistique_core.model import Stage

log = logging.getLogger(__name__)


def load_stage(connection: sa.Connection, stage_id: int) -> tuple[str, Stage]:
    """Return (name, stage) as recorded.

    Raises
    ------
    RerunError
        If the operator or its function cannot be imported, or its code has changed since.
    """
    row = connection.execute(sa.select(stage_table).where(stage_table.c.id == stage_id)).one()
    try:
        operator = import_operator(row.operator)
        stage = operator.from_params(row.params)
    except (ImportError, AttributeError, TypeError, ValueError, MistiqueError) as error:
        raise RerunError(
            f"stage {row.name!r} cannot be rebuilt: {error}; make its code importable, or use strategy='read'"
        ) from error
    if stage_code_hash(stage) != row.code_hash:
        raise RerunError(
            f"the code of stage {row.name!r} has changed since it ran, so a re-run could give other values; "
            "use strategy='read', or run its DAG again"
        )
    return row.name, stage


def import_operator(path: str) -> type[Stage]:
    """Return the stage class of a recorded import path, ``module:qualname``.

    Raises
    ------
    ImportError, AttributeError
        If there is nothing there.
    TypeError
        If it is no stage class.
    """
    module_name, _, qualname = path.partition(":")
    value: Any = importlib.import_module(module_name)
    for name in qualname.split("."):
        value = getattr(value, name)
    if not (isinstance(value, type) and issubclass(value, Stage)):
        raise TypeError(f"{path} is not a subclass of mistique_core.model.Stage")
    return value
