"""Answer a diagnostic question from a DAG."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from operators.connection import DEFAULT_CONNECTION
from operators.hook import MistiqueHook
from operators.links import RunPageLink
from operators.openlineage.gather import answer_facts
from operators.openlineage.source import LineageSource, keep_task_facts
from operators.recorded_answer import answer_for_xcom
from operators.refusal import one_line_refusals

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mistique_core.diagnostics import DiagnosticResult
    from mistique_core.store import Mistique


class DiagnoseOperator(LineageSource, BaseOperator):
    """Answer one technique; the answer is shown in the run's tab MISTIQUE.

    XCom carries the machine-readable answer: sentence, strategy, plan, columns and the first 100
    rows. All rows (up to 1,000) and the figure are kept with the query in the catalogue.

    Parameters
    ----------
    request
        ``technique`` and its parameters (:data:`mistique_core.diagnostics.TECHNIQUES`), ``None`` for defaults; default
        the run's params. Templated.
    technique
        The technique, where the request does not name it.
    title
        What the question is about, as a heading of the page; templated.
    left_out
        Params of the run that are about something else.
    mistique_conn_id
        Connection of the store.
    """

    template_fields: Sequence[str] = ("request", "title")
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json"}
    operator_extra_links = (RunPageLink(),)
    ui_color = "#f7efe0"

    def __init__(
        self,
        *,
        request: Mapping[str, Any] | None = None,
        technique: str | None = None,
        title: str = "",
        left_out: Collection[str] = (),
        mistique_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.request = request
        self.technique = technique
        self.title = title
        self.left_out = tuple(left_out)
        self.mistique_conn_id = mistique_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Answer the request; nothing is read before it has been checked.

        Raises
        ------
        AirflowFailException
            If it cannot be answered, with the reason in one line; a retry would not help. The reason is recorded, and
            the XCom ``error`` holds it too.
        CatalogueUnavailableError
            If the catalogue cannot be reached; a retry may help.
        """
        given = dict(context["params"] if self.request is None else self.request)
        if self.technique is not None:
            given["technique"] = self.technique
        request = filled_in(given, self.left_out)
        technique = str(request.get("technique"))
        with one_line_refusals(context), MistiqueHook(self.mistique_conn_id).store as store:
            results: list[DiagnosticResult] = []

            def ask() -> DiagnosticResult:
                results.append(_ask(store, request))
                return results[-1]

            answer = answer_for_xcom(store, context, technique, request, ask, title=self.title)
            keep_task_facts(context, lambda: answer_facts(store, results[-1]))
            return answer


def filled_in(given: Mapping[str, Any], left_out: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields of a form that are about the question and are not empty."""
    return {name: value for name, value in given.items() if name not in left_out and value not in (None, "", [])}


def _ask(store: Mistique, request: Mapping[str, Any]) -> DiagnosticResult:
    from mistique_core.diagnostics import check_request, diagnose

    technique, parameters = check_request(request)
    return diagnose(store, technique.name, parameters)
