"""Search a workflow's hyperparameters without Airflow."""

from __future__ import annotations

import logging
import platform
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from multiprocessing import get_context
from typing import Any

from mistique_core.catalogue.entities import RunKey
from mistique_core.config import StoreConfig
from mistique_core.errors import InvalidInputError
from mistique_core.store import Mistique
from mistique_core.workflows.run_progress import RunProgress
from mistique_core.workflows.search.conclusion import conclude_search, refit_best
from mistique_core.workflows.search.history import read_trials
from mistique_core.workflows.search.report import SearchReport
from mistique_core.workflows.search.trial import COMPLETE, PRUNED, search_model
from mistique_core.workflows.search.trial_run import run_trial, search_of
from mistique_core.workflows.specification import WorkflowSpec

log = logging.getLogger(__name__)

PYTHON = "python"


def run_search(
    store: Mistique,
    spec: WorkflowSpec,
    *,
    parameters: Mapping[str, Any] | None = None,
    trials: int | None = None,
    parallel: int | None = None,
    reuse: bool = True,
    progress: bool | None = None,
    run_id: str | None = None,
) -> SearchReport:
    """Try combinations of a workflow's hyperparameters, and run it with the best ones.

    A trial that fails is recorded, and the search goes on; it fails if all do.

    Parameters
    ----------
    store
        Where everything is logged to.
    spec
        The workflow, or one variation of it, with its search.
    parameters
        Values of parameters that are not searched, in place of those in the file.
    trials
        Number of trials, in place of that in the file; not for a grid.
    parallel
        Trials at a time, each in a process of its own, in place of what the file says. More than one needs a script
        that may be imported: ``if __name__ == "__main__":``.
    reuse
        Whether outputs of equal earlier stages may be taken over.
    progress
        Whether to draw a progress bar; ``None`` means only on a terminal.
    run_id
        What tells this search from others; default a new one. The id of a search that was interrupted goes on with it:
        trials that are complete stay, and the others are tried again with the parameters that were chosen for them.

    Raises
    ------
    InvalidInputError
        If the workflow has no search, has variations of which none was chosen, or a parameter cannot be used.
    SearchFailedError
        If no trial came to its end.
    """
    search = search_of(spec)
    if spec.variations:
        raise InvalidInputError(f"workflow {spec.path.name} has variations; choose one of {', '.join(spec.variations)}")
    if trials is not None:
        search = search.with_trials(trials)
    at_once = parallel if parallel is not None else search.parallel or 1
    if at_once < 1:
        raise InvalidInputError(f"parallel={at_once} is no number of trials; give at least 1")
    spec = replace(spec, search=search)
    given = check_fixed(spec, parameters)
    model = search_model(spec.model)
    key = RunKey(PYTHON, f"{spec.project}.{model}", run_id or uuid.uuid4().hex)
    with store.run(spec.project, model, key=key, facts=search_facts(spec, given)) as run:
        with store.catalogue.read() as connection:
            ended = {item.number for item in read_trials(connection, key, search) if item.state in (COMPLETE, PRUNED)}
        waiting = [number for number in range(1, search.trials + 1) if number not in ended]
        with RunProgress(len(waiting), progress) as bar:
            try:
                for label in _run_all(store, spec, key, waiting, given, reuse, at_once):
                    bar.start(label)
                    bar.finish()
            except KeyboardInterrupt:
                log.warning("the search was interrupted; go on with it by run_id=%r (--continue)", key.run_id)
                raise
        report = conclude_search(store, spec, run)
        if search.refit:
            made = refit_best(store, spec, run, report.best, parameters=given, reuse=reuse, progress=progress)
            report = replace(report, refit=made)
    return report


def check_fixed(spec: WorkflowSpec, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the values of the parameters that are not searched.

    Raises
    ------
    NotFoundError
        If there is no such parameter.
    InvalidInputError
        If a parameter is searched, or a value has another type than the file's.
    """
    given = dict(parameters or {})
    spec.values(given)
    for name in given:
        if name in search_of(spec).space.parameters:
            raise InvalidInputError(f"parameter {name!r} is searched; remove it here, or from the search")
    return given


def search_facts(spec: WorkflowSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is recorded with the run of a search, before its trials."""
    search = search_of(spec)
    values = spec.values(given)
    return {
        "params": {name: value for name, value in values.items() if name not in search.space.parameters},
        "environment": {"python": platform.python_version(), "host": platform.node(), "workflow": spec.facts()},
        "metadata": {"search": search.to_json()},
    }


def _run_all(
    store: Mistique,
    spec: WorkflowSpec,
    key: RunKey,
    numbers: list[int],
    given: dict[str, Any],
    reuse: bool,
    at_once: int,
) -> Iterator[str]:
    """Run trials; yield what to show whenever one has ended."""
    if at_once == 1:
        for number in numbers:
            try:
                run_trial(store, spec, key, number, parameters=given, reuse=reuse)
            except Exception as error:  # whatever a stage raises: the other trials do not depend on it
                log.warning("trial %d failed: %s: %s", number, type(error).__name__, error)
            yield f"trial {number}"
        return
    with ProcessPoolExecutor(at_once, get_context("spawn"), _open_store, (asdict(store.config),)) as pool:
        started = {pool.submit(_run_in_process, spec, key, number, given, reuse): number for number in numbers}
        for done in as_completed(started):
            failure = done.exception()
            if failure is not None:
                log.warning("trial %d failed: %s: %s", started[done], type(failure).__name__, failure)
            yield f"trial {started[done]}"


_opened: list[Mistique] = []
"""The store of a process that runs trials."""


def _open_store(settings: dict[str, Any]) -> None:
    config = StoreConfig(**settings)
    _opened.append(Mistique.open(settings.pop("location"), settings.pop("catalogue_url"), **settings))
    log.debug("trials are logged to %s", config.location)


def _run_in_process(spec: WorkflowSpec, key: RunKey, number: int, given: dict[str, Any], reuse: bool) -> None:
    run_trial(_opened[0], spec, key, number, parameters=given, reuse=reuse)
