"""The facade's calls that run whole workflows.

What runs them lies above the store, so it is imported when it is needed, from the short list here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from mistique_core.catalogue.captures import find_interrupted
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.entities import RunKey
from mistique_core.errors import InvalidInputError
from mistique_core.store.network_report import NetworkReport
from mistique_core.store.run import Run
from mistique_core.store.workflow_report import WorkflowReport

RUNNERS = {
    ".yaml": "mistique_core.workflows.workflow_run:run_workflow_file",
    ".yml": "mistique_core.workflows.workflow_run:run_workflow_file",
}
"""End of a workflow's file name -> ``module:function`` that runs it."""

NETWORK_RUNNER = "mistique_core.networks.log_network:log_network"
NETWORK_SUFFIXES = (".keras", ".weights.h5", ".h5")

InputFunc = Callable[[], Any]


class LogsWorkflows:
    """How :class:`Mistique` logs the intermediates of a workflow."""

    run: Callable[..., Run]
    catalogue: Catalogue

    def log_intermediates(
        self,
        workflow: Any,
        input_func: InputFunc | None = None,
        *,
        project: str | None = None,
        model: str | None = None,
        variation: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        reuse: bool = True,
        progress: bool | None = None,
        layers: str | Iterable[str] | None = None,
        scheme: Any = None,
        batch_rows: int = 1_000,
        model_function: str | Callable[[], Any] | None = None,
        exact: bool = False,
    ) -> WorkflowReport | NetworkReport:
        """Run a workflow, or a network, and log every intermediate (thesis 5.3.2).

        Parameters
        ----------
        workflow
            A YAML file (``docs/workflows.md``); or a network (``docs/networks.md``): a Keras model, a ``.keras`` file,
            or a ``.weights.h5`` file.
        input_func
            Of a YAML file: returns a DataFrame, which takes the place of the only source stage, or source stage ->
            DataFrame; the row ids are those of the stage that it replaces. Of a network: see :meth:`Run.log_network`.
        project, model
            In place of those in the file; a network needs both.
        variation
            The variation of a YAML file to run; needed if the file has any.
        parameters
            Parameter of a YAML file -> value, in place of those in the file.
        reuse
            Whether outputs of equal earlier stages may be taken over.
        progress
            Whether to draw a progress bar on stderr; ``None`` means only on a terminal.
        layers, scheme, batch_rows, model_function, exact
            Of a network only, see :meth:`Run.log_network`.

        Raises
        ------
        InvalidInputError
            If the file, a parameter or what `input_func` returns cannot be used; nothing is then run.
        NotFoundError
            If the file, a variation, a parameter or a user's function does not exist; nothing is then run.
        Exception
            Whatever a stage raises; the run is then recorded as failed.
        """
        if not _is_file(workflow, tuple(RUNNERS)):
            _refuse(workflow, "a YAML file", variation=(variation, None), parameters=(parameters, None))
            return self._log_network(
                workflow,
                input_func,
                project,
                model,
                layers=layers,
                scheme=scheme,
                batch_rows=batch_rows,
                model_function=model_function,
                reuse=reuse,
                exact=exact,
                progress=progress,
            )
        _refuse(
            workflow,
            "a network",
            layers=(layers, None),
            scheme=(scheme, None),
            batch_rows=(batch_rows, 1_000),
            model_function=(model_function, None),
            exact=(exact, False),
        )
        path = Path(workflow)
        report: WorkflowReport = _imported(RUNNERS[path.suffix.lower()])(
            self,
            path,
            input_func,
            project=project,
            model=model,
            variation=variation,
            parameters=parameters,
            reuse=reuse,
            progress=progress,
        )
        return report

    def _log_network(
        self, network: Any, input_func: Any, project: str | None, model: str | None, **options: Any
    ) -> NetworkReport:
        """Log a network as a run of its own, or go on with that of an interrupted call."""
        if isinstance(network, (str, os.PathLike)) and not _is_file(network, NETWORK_SUFFIXES):
            raise InvalidInputError(
                f"workflow {os.fspath(network)!r} is neither a workflow nor a network; give a file that ends with "
                f"{', '.join((*RUNNERS, *NETWORK_SUFFIXES))}"
            )
        if not isinstance(network, (str, os.PathLike)) and not hasattr(network, "layers"):
            raise InvalidInputError(
                f"a {type(network).__name__} is neither a workflow nor a network; give a path, or a Keras model"
            )
        if project is None or model is None:
            raise InvalidInputError("a network belongs to a project and a model; give project=... and model=...")
        run: Run | None = None

        def open_run(key: str | None) -> Run:
            nonlocal run
            run = self.run(project, model, key=self._interrupted(project, model, key))
            return run

        try:
            report = run_network(self, open_run, network, input_func, **options)
        except BaseException as error:
            if run is not None:
                run.finish(f"{type(error).__name__}: {error}")
            raise
        assert run is not None
        run.finish()
        return report

    def _interrupted(self, project: str, model: str, key: str | None) -> RunKey | None:
        if key is None:
            return None
        with self.catalogue.read() as connection:
            return find_interrupted(connection, project, model, key)


def run_network(store: Any, open_run: Callable[[str | None], Run], *given: Any, **options: Any) -> NetworkReport:
    """Log a network as part of the run that `open_run` returns; see :meth:`Run.log_network`."""
    report: NetworkReport = _imported(NETWORK_RUNNER)(store, open_run, *given, **options)
    return report


def _imported(path: str) -> Callable[..., Any]:
    module, _, function = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


def _is_file(workflow: Any, suffixes: tuple[str, ...]) -> bool:
    return isinstance(workflow, (str, os.PathLike)) and os.fspath(workflow).lower().endswith(suffixes)


def _refuse(workflow: Any, what: str, **given: tuple[Any, Any]) -> None:
    """Refuse arguments that are meant for something else."""
    for name, (value, default) in given.items():
        if value != default:
            shown = os.fspath(workflow) if isinstance(workflow, (str, os.PathLike)) else type(workflow).__name__
            raise InvalidInputError(f"{name} is for {what}, not for the workflow {shown!r}; leave it out")
