"""Answer a diagnostic question from a DAG."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from mistique_core.errors import CatalogueUnavailableError, MistiqueError
from operators.connection import DEFAULT_CONNECTION
from operators.hook import MistiqueHook
from operators.links import RunPageLink
from operators.reconcile import reconcile_from_task

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mistique_core.store import Mistique

_XCOM_ROWS = 100


class DiagnoseOperator(BaseOperator):
    """Answer one technique; the answer is shown in the run's tab MISTIQUE.

    XCom carries the machine-readable answer: sentence, strategy, plan, columns and the first 100
    rows. All rows (up to 1,000) are kept with the query in the catalogue.

    Parameters
    ----------
    request
        ``technique`` and its parameters (:data:`mistique_core.diagnostics.TECHNIQUES`), ``None`` for defaults; default
        the run's params. Templated.
    mistique_conn_id
        Connection of the store.
    """

    template_fields: Sequence[str] = ("request",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json"}
    operator_extra_links = (RunPageLink(),)
    ui_color = "#f7efe0"

    def __init__(
        self,
        *,
        request: Mapping[str, Any] | None = None,
        mistique_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.request = request
        self.mistique_conn_id = mistique_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Answer the request.

        Raises
        ------
        AirflowFailException
            If it cannot be answered, with the reason in one line; a retry would not help.
        CatalogueUnavailableError
            If the catalogue cannot be reached; a retry may help.
        """
        request = dict(context["params"] if self.request is None else self.request)
        try:
            store = MistiqueHook(self.mistique_conn_id).store
            return self._answer(store, request, context)
        except CatalogueUnavailableError:
            raise
        except MistiqueError as error:
            self.log.error("%s", error)
            raise AirflowFailException(str(error)) from None

    def _answer(self, store: Mistique, request: dict[str, Any], context: Context) -> dict[str, Any]:
        from mistique_core.diagnostics import check_request, diagnose
        from mistique_core.modeldb import record_query

        dag_run = context["dag_run"]
        record: dict[str, Any] = {
            "technique": str(request.get("technique")),
            "request": request,
            "dag_id": dag_run.dag_id,
            "run_id": dag_run.run_id,
        }
        try:
            reconcile_from_task(store.catalogue)
        except MistiqueError as error:
            self.log.warning("could not look for runs that have ended: %s", error)
        start = time.perf_counter()
        try:
            technique, parameters = check_request(request)
            result = diagnose(store, technique.name, parameters)
        except MistiqueError as error:
            record_query(store.catalogue, error=str(error), seconds=time.perf_counter() - start, **record)
            raise
        seconds = time.perf_counter() - start
        plan = result.plan.explain()
        self.log.info("%s", result.sentence)
        for line in plan.splitlines():
            self.log.info("%s", line)
        query_id = record_query(
            store.catalogue,
            plan=plan,
            strategy=result.plan.strategy,
            answer=result.to_json(),
            seconds=seconds,
            **record,
        )
        store.close()
        answer = result.to_json(_XCOM_ROWS)
        return {
            "query_id": query_id,
            "technique": result.technique,
            "strategy": result.plan.strategy,
            "why": result.plan.reason,
            "plan": plan,
            "seconds": seconds,
            **answer,
            "markdown": result.to_markdown(),
        }
