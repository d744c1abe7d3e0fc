"""Record that a stage failed or was skipped, without hiding why."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.stages import fail_stage
from mistique_core.errors import MistiqueError

log = logging.getLogger(__name__)


def record_failure(catalogue: Catalogue, stage_id: int, error: BaseException) -> None:
    """Record the error of a stage; that this failed too is only logged, so that the error itself can be raised."""
    text = f"{type(error).__name__}: {error}"
    try:
        with catalogue.write() as connection:
            fail_stage(connection, stage_id, text, skipped=_is_skip(error))
    except (MistiqueError, sa.exc.SQLAlchemyError) as second:
        log.warning("could not record that stage %d failed (%s): %s", stage_id, text, second)


def _is_skip(error: BaseException) -> bool:
    """Whether Airflow takes the error for a decision to skip the task; told by name, as this layer knows no Airflow."""
    return any(
        base.__name__ == "AirflowSkipException" and base.__module__.partition(".")[0] == "airflow"
        for base in type(error).__mro__
    )
