"""The tasks of a check-up: choose what to ask, ask each question, put the findings in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from operators.connection import DEFAULT_CONNECTION
from operators.hook import MistiqueHook
from operators.links import RunPageLink
from operators.recorded_answer import answer_for_xcom
from operators.refusal import one_line_refusals
from operators.task_report import record_report, steps_of_run

if TYPE_CHECKING:
    from airflow.sdk import Context

CHECK_UP = "check_up"
ABOUT = "about"
_TITLE = "Check-up"


class PlanCheckUpOperator(BaseOperator):
    """Choose the columns and examples of a check-up, and return its questions; records nothing but a refusal.

    Parameters
    ----------
    parameters
        Those of :func:`mistique_core.checkup.check_up`; default the run's params. Templated.
    mistique_conn_id
        Connection of the store.
    """

    template_fields: Sequence[str] = ("parameters",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"parameters": "json"}
    ui_color = "#f7efe0"

    def __init__(
        self,
        *,
        parameters: Mapping[str, Any] | None = None,
        mistique_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.parameters = parameters
        self.mistique_conn_id = mistique_conn_id

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Return title, technique and parameters of each question, to be mapped over.

        The XCom ``about`` holds what is looked at (``label``) and how it was chosen (``told``).

        Raises
        ------
        AirflowFailException
            If it cannot be told what to ask, with the reason in one line, which is recorded too.
        """
        from mistique_core.checkup import check_up
        from mistique_core.errors import CatalogueUnavailableError, MistiqueError

        given = dict(context["params"] if self.parameters is None else self.parameters)
        chosen = {name: value for name, value in given.items() if value not in (None, "")}
        with one_line_refusals(context), MistiqueHook(self.mistique_conn_id).store as store:
            try:
                plan = check_up(store, **chosen)
            except CatalogueUnavailableError:
                raise
            except MistiqueError as error:
                record_report(store, context, CHECK_UP, chosen, title=_TITLE, error=str(error))
                raise
        for sentence in plan.told:
            self.log.info("%s", sentence)
        context["ti"].xcom_push(key=ABOUT, value={"label": plan.label, "told": list(plan.told)})
        return [
            {"title": item.title, "technique": item.technique, "parameters": dict(item.parameters)}
            for item in plan.questions
        ]


class CheckUpQuestionOperator(BaseOperator):
    """Answer one question of a check-up; the answer is recorded like any other.

    Parameters
    ----------
    title, technique, parameters
        See :class:`mistique_core.checkup.questions.Question`.
    mistique_conn_id
        Connection of the store.
    """

    template_fields: Sequence[str] = ("title", "technique", "parameters")
    template_fields_renderers: ClassVar[dict[str, str]] = {"parameters": "json"}
    operator_extra_links = (RunPageLink(),)
    ui_color = "#f7efe0"

    def __init__(
        self,
        *,
        title: str,
        technique: str,
        parameters: Mapping[str, Any],
        mistique_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.title = title
        self.technique = technique
        self.parameters = parameters
        self.mistique_conn_id = mistique_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Answer the question; see :class:`operators.diagnose.DiagnoseOperator`.

        Raises
        ------
        AirflowFailException
            If it cannot be answered, with the reason in one line.
        """
        from mistique_core.checkup.questions import ask_part

        parameters = dict(self.parameters)
        request = {"technique": self.technique, **parameters}
        with one_line_refusals(context), MistiqueHook(self.mistique_conn_id).store as store:
            return answer_for_xcom(
                store,
                context,
                self.technique,
                request,
                lambda: ask_part(store, self.technique, parameters),
                title=self.title,
            )


class CheckUpReportOperator(BaseOperator):
    """Put the findings of a check-up in order, each with a sentence and a link; the page and the XCom show it.

    Parameters
    ----------
    questions, about
        What :class:`PlanCheckUpOperator` returned, and its XCom ``about``; templated.
    mistique_conn_id
        Connection of the store.
    """

    template_fields: Sequence[str] = ("questions", "about")
    operator_extra_links = (RunPageLink(),)
    ui_color = "#f7efe0"

    def __init__(
        self, *, questions: Any, about: Any, mistique_conn_id: str = DEFAULT_CONNECTION, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.questions = questions
        self.about = about
        self.mistique_conn_id = mistique_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Record and return the report: ``sentence``, ``steps``, ``markdown``, ``query_id``.

        Raises
        ------
        AirflowFailException
            If the check-up could not be planned, or none of its questions could be answered.
        """
        if not self.questions or not self.about:
            raise AirflowFailException("there is no report, because the check-up could not be planned; see its plan")
        titles = [item["title"] for item in self.questions]
        with one_line_refusals(context), MistiqueHook(self.mistique_conn_id).store as store:
            steps = [
                {"title": "What was looked at", "sentence": "", "query_id": None, "error": None},
                *steps_of_run(store, context, titles),
            ]
            steps[0]["notes"] = self.about["told"]
            failed = sum(step["error"] is not None for step in steps)
            asked = len(titles)
            sentence = f"Check-up of {self.about['label']}: {asked - failed} of {asked} questions are answered."
            asked_for = dict(context["params"])
            report = record_report(store, context, CHECK_UP, asked_for, title=_TITLE, sentence=sentence, steps=steps)
        if failed == asked:
            raise AirflowFailException(
                f"none of the {asked} questions could be answered; the first: {steps[1]['error']}"
            )
        return report
