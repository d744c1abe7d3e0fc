"""A re-run that several workers share: plan its ranges of row blocks, and re-run one of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from operators.connection import DEFAULT_CONNECTION
from operators.diagnose import filled_in
from operators.hook import MistiqueHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mistique_core.store import Mistique
    from mistique_core.store.block_reruns import PlannedBlocks

WORKERS = "workers"


class PlanRerunOperator(BaseOperator):
    """Find out what a question would re-run as a whole, and divide that among workers where it pays.

    Never fails because of the question: what cannot be asked is left to the task that answers, which records why.

    Parameters
    ----------
    request
        As of :class:`operators.DiagnoseOperator`; default the run's params. Templated.
    workers
        Most workers for each intermediate; default the run's param ``workers``. Templated.
    left_out
        Params of the run that are no part of the question.
    mistique_conn_id
        Connection of the store.
    """

    template_fields: Sequence[str] = ("request", "workers")
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json"}
    ui_color = "#f7efe0"

    def __init__(
        self,
        *,
        request: Mapping[str, Any] | None = None,
        workers: Any = None,
        left_out: Collection[str] = (WORKERS,),
        mistique_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.request = request
        self.workers = workers
        self.left_out = tuple(left_out)
        self.mistique_conn_id = mistique_conn_id

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Return key, first row block and row block after the last of each range, to be mapped over; often nothing.

        Raises
        ------
        CatalogueUnavailableError
            If the catalogue cannot be reached; a retry may help.
        """
        from mistique_core.errors import CatalogueUnavailableError, MistiqueError

        params = context["params"]
        workers = int(params.get(WORKERS, 1) if self.workers is None else self.workers)
        request = filled_in(params if self.request is None else self.request, self.left_out)
        try:
            with MistiqueHook(self.mistique_conn_id).store as store:
                planned = _planned(store, request, workers)
        except CatalogueUnavailableError:
            raise
        except MistiqueError as error:
            self.log.warning("nothing is re-run beforehand: %s", " ".join(str(error).split()))
            return []
        if not planned:
            self.log.info("nothing has to be re-run as a whole")
        for item in planned:
            told = "shared by" if item.split.pays else "left to the answer, not shared by"
            self.log.info(
                "%s, %d row blocks: %s %d workers: %s", item.key, item.blocks, told, workers, item.split.reason
            )
        return [
            {"key": item.key, "start": blocks.start, "stop": blocks.stop}
            for item in planned
            for blocks in item.split.ranges
        ]


def _planned(store: Mistique, request: Mapping[str, Any], workers: int) -> list[PlannedBlocks]:
    """Return the re-runs that a question needs; none where the question itself says how its values are obtained."""
    from mistique_core.diagnostics import check_request
    from mistique_core.diagnostics.touched_keys import touched_keys, touched_rows

    technique, parameters = check_request(request)
    if parameters.get("strategy", "auto") != "auto":
        return []
    rows = touched_rows(technique.name, parameters)
    return store.plan_blocks(touched_keys(technique.name, parameters), workers=workers, row_id=rows)


class RerunBlocksOperator(BaseOperator):
    """Re-run a range of row blocks of an intermediate, and store them; see :meth:`mistique_core.Mistique.rerun_blocks`.

    Parameters
    ----------
    key
        The intermediate. Templated, as the others.
    start, stop
        First row block, and the one after the last.
    mistique_conn_id
        Connection of the store.

    Examples
    --------
    >>> RerunBlocksOperator.partial(task_id="rerun").expand_kwargs(plan.output)                   # doctest: +SKIP
    """

    template_fields: Sequence[str] = ("key", "start", "stop")
    ui_color = "#f7efe0"

    def __init__(
        self, *, key: str, start: Any, stop: Any, mistique_conn_id: str = DEFAULT_CONNECTION, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.key = key
        self.start = start
        self.stop = stop
        self.mistique_conn_id = mistique_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Re-run and store the row blocks that nobody has stored; return what it came to.

        Raises
        ------
        AirflowFailException
            If the values are not those that were recorded, or there is no such intermediate or row block: a retry would
            not help.
        MistiqueError
            Else: a retry goes on with what is missing.
        """
        from dataclasses import asdict

        from mistique_core.errors import InvalidInputError, NotFoundError, RerunMismatchError

        blocks = range(int(self.start), int(self.stop))
        with MistiqueHook(self.mistique_conn_id).store as store:
            try:
                report = store.rerun_blocks(self.key, blocks=blocks)
            except (InvalidInputError, NotFoundError, RerunMismatchError) as error:
                raise AirflowFailException(" ".join(str(error).split())) from error
        self.log.info(
            "%s: %d row blocks re-run in %.1f s, %d of %d are stored%s",
            report.key,
            report.blocks,
            report.seconds,
            report.done,
            report.of,
            "; it is kept from now on" if report.is_kept else f"; not kept: {report.reason}" if report.reason else "",
        )
        return asdict(report)
