"""Failing a task for good, with the reason in one line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowFailException

from mistique_core.errors import CatalogueUnavailableError, MistiqueError

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


@contextmanager
def one_line_refusals(context: Context) -> Iterator[None]:
    """Turn an error that a retry would not help into the end of the task; the XCom ``error`` says why.

    Raises
    ------
    AirflowFailException
        In place of the error, with its message.
    CatalogueUnavailableError
        As it is: a retry may help.
    """
    try:
        yield
    except CatalogueUnavailableError:
        raise
    except MistiqueError as error:
        reason = " ".join(str(error).split())
        log.error("%s", reason)
        context["ti"].xcom_push(key="error", value=reason)
        raise AirflowFailException(reason) from None
