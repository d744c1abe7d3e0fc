"""The DAG that searches a workflow's hyperparameters: ``plan``, a mapped task a trial, ``best`` and ``refit``.

Each trial is an ExperimentRun of its own; another try of its task is the same trial. A trial that fails does not fail
the search, which fails if all do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator, TriggerRule

from operators.connection import DEFAULT_CONNECTION
from operators.dag_options import dag_id_of, dag_options
from operators.hook import MistiqueHook
from operators.links import RunPageLink
from operators.stage_task import reuse_allowed

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mistique_core.store import Run
    from mistique_core.workflows.specification import WorkflowSpec

SUFFIX = "_search"
TAG = "search"


def search_dag(spec: WorkflowSpec, mistique_conn_id: str, dag_kwargs: dict[str, Any]) -> DAG:
    """Return the DAG of a workflow's search; its params are the parameters that are not searched.

    Parameters
    ----------
    spec
        A workflow, or a variation, that has a search.
    mistique_conn_id
        Connection of the store.
    dag_kwargs
        Further arguments of the DAG.

    Raises
    ------
    InvalidInputError
        If its id is too long.
    """
    search = spec.search
    assert search is not None
    fixed = [name for name in spec.parameters if name not in search.space.parameters]
    options = dag_options(spec, dag_kwargs, fixed)
    options["tags"] = sorted({*options["tags"], TAG})
    options["description"] = f"Searches {', '.join(search.space.parameters)} of {spec.project}.{spec.model}"
    common: dict[str, Any] = {"workflow": spec, "mistique_conn_id": mistique_conn_id}
    with DAG(dag_id_of(spec, SUFFIX), schedule=None, **options) as dag:
        plan = SearchPlanOperator(task_id="plan", **common)
        trial = SearchTrialOperator.partial(
            task_id="trial",
            map_index_template="{{ task.title }}",
            max_active_tis_per_dagrun=search.parallel,
            **common,
        ).expand(number=plan.output)
        best = SearchBestOperator(task_id="best", trigger_rule=TriggerRule.ALL_DONE, **common)
        trial >> best
        if search.refit:
            best >> SearchRefitOperator(task_id="refit", **common)
    return dag


class SearchOperator(BaseOperator):
    """A task of a search.

    Parameters
    ----------
    workflow
        The workflow, or the variation, with its search.
    reuse
        Whether outputs of equal earlier stages may be taken over; else every trial executes all of its stages.
    mistique_conn_id
        Connection of the store.
    """

    template_fields: Sequence[str] = ("project", "model", "search")
    operator_extra_links = (RunPageLink(),)
    ui_color = "#e6f0f7"

    def __init__(
        self,
        *,
        workflow: WorkflowSpec,
        reuse: bool = True,
        mistique_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.workflow = workflow
        self.project = workflow.project
        self.model = workflow.model
        self.search = "" if workflow.search is None else workflow.search.objective
        self.reuse = reuse
        self.mistique_conn_id = mistique_conn_id

    @cached_property
    def hook(self) -> MistiqueHook:
        """The hook, opened on first use."""
        return MistiqueHook(self.mistique_conn_id)

    def open_run(self, context: Context) -> Run:
        """Return the run of the search."""
        from mistique_core.workflows.search.trial import search_model

        return self.hook.open_run(context, self.project, search_model(self.model), workflow=self.workflow.facts())

    def fixed(self, context: Context) -> dict[str, Any]:
        """Return the values of the parameters that are not searched."""
        from mistique_core.workflows.search.search_run import check_fixed

        params = context["params"]
        search = self.workflow.search
        searched = search.space.parameters if search is not None else {}
        given = {name: params[name] for name in self.workflow.parameters if name in params and name not in searched}
        return check_fixed(self.workflow, given)


class SearchPlanOperator(SearchOperator):
    """Begin a search."""

    def execute(self, context: Context) -> list[int]:
        """Record what is searched; return the numbers of the trials."""
        from airflow.sdk import conf

        from mistique_core.errors import InvalidInputError
        from mistique_core.workflows.search.trial_run import note, search_of

        search = search_of(self.workflow)
        most = conf.getint("core", "max_map_length", fallback=1024)
        if search.trials > most:
            raise InvalidInputError(
                f"the search has {search.trials} trials, and Airflow maps at most {most}; raise [core] max_map_length, "
                "or try fewer combinations"
            )
        self.fixed(context)
        note(self.hook.store, self.open_run(context), {"search": search.to_json()})
        return list(range(1, search.trials + 1))


class SearchTrialOperator(SearchOperator):
    """Run one trial.

    Parameters
    ----------
    number
        The trial, from 1.
    **kwargs
        See :class:`SearchOperator`.
    """

    template_fields: Sequence[str] = (*SearchOperator.template_fields, "number")

    def __init__(self, *, number: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number = number
        self.title = f"trial {number}"

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the trial; return what is recorded of it."""
        from mistique_core.workflows.search.trial_run import run_trial

        made = run_trial(
            self.hook.store,
            self.workflow,
            self.open_run(context).key,
            self.number,
            parameters=self.fixed(context),
            reuse=reuse_allowed(context, self.reuse),
            task_id=self.task_id,
        )
        self.log.info(
            "trial %d with %s: %s, %s = %s", made.number, made.params, made.state, self.search, made.objective
        )
        return made.to_json()


class SearchBestOperator(SearchOperator):
    """Compare the trials."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Record the trials and the best of them, which is returned; fails if no trial came to its end."""
        from mistique_core.workflows.search.conclusion import conclude_search

        report = conclude_search(self.hook.store, self.workflow, self.open_run(context), task_id=self.task_id)
        self.log.info("%s", report)
        return report.best.to_json()


class SearchRefitOperator(SearchOperator):
    """Run the workflow with the best parameters, as an ordinary version of its model."""

    def execute(self, context: Context) -> str:
        """Run it; return ``project.model@version``."""
        from mistique_core.workflows.search.conclusion import best_trial, refit_best

        run, store = self.open_run(context), self.hook.store
        return refit_best(
            store,
            self.workflow,
            run,
            best_trial(store, self.workflow, run),
            parameters=self.fixed(context),
            reuse=reuse_allowed(context, self.reuse),
            progress=False,
        )
