"""The facade's calls that run whole workflows.

What runs them lies above the store, so it is imported when it is needed, from the short list here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mistique_core.errors import InvalidInputError
from mistique_core.store.workflow_report import WorkflowReport

if TYPE_CHECKING:
    import pandas as pd

RUNNERS = {
    ".yaml": "mistique_core.workflows.workflow_run:run_workflow_file",
    ".yml": "mistique_core.workflows.workflow_run:run_workflow_file",
}
"""End of a workflow's file name -> ``module:function`` that runs it."""

InputFunc = Callable[[], "pd.DataFrame | Mapping[str, pd.DataFrame]"]


class LogsWorkflows:
    """How :class:`Mistique` logs the intermediates of a workflow."""

    def log_intermediates(
        self,
        workflow: str | os.PathLike[str],
        input_func: InputFunc | None = None,
        *,
        project: str | None = None,
        model: str | None = None,
        variation: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        reuse: bool = True,
        progress: bool | None = None,
        layers: Any = None,
        scheme: Any = None,
        batch_rows: int = 1_000,
    ) -> WorkflowReport:
        """Run a workflow and log every intermediate (thesis 5.3.2).

        Parameters
        ----------
        workflow
            A YAML file; see ``docs/workflows.md``.
        input_func
            Returns a DataFrame, which takes the place of the only source stage, or source stage -> DataFrame. The
            row ids are those of the stage that it replaces.
        project, model
            In place of those in the file.
        variation
            The variation to run; needed if the file has any.
        parameters
            Parameter -> value, in place of those in the file.
        reuse
            Whether outputs of equal earlier stages may be taken over.
        progress
            Whether to draw a progress bar on stderr; ``None`` means only on a terminal.
        layers, scheme, batch_rows
            For networks, which cannot be logged yet; left as they are.

        Raises
        ------
        InvalidInputError
            If the file, a parameter or what `input_func` returns cannot be used; nothing is then run.
        NotFoundError
            If the file, a variation, a parameter or a user's function does not exist; nothing is then run.
        Exception
            Whatever a stage raises; the run is then recorded as failed.
        """
        if not isinstance(workflow, (str, os.PathLike)):
            raise InvalidInputError(
                f"a {type(workflow).__name__} cannot be logged yet; give the path of a YAML workflow"
            )
        suffix = Path(workflow).suffix.lower()
        if suffix not in RUNNERS:
            what = "networks cannot be logged yet" if suffix in (".keras", ".h5") else "this is no YAML file"
            raise InvalidInputError(f"workflow {os.fspath(workflow)!r}: {what}; give a file that ends with .yaml")
        for name, value, default in (
            ("layers", layers, None),
            ("scheme", scheme, None),
            ("batch_rows", batch_rows, 1_000),
        ):
            if value != default:
                raise InvalidInputError(
                    f"{name} is for networks, not for the workflow {os.fspath(workflow)!r}; leave it out"
                )
        module, _, function = RUNNERS[suffix].partition(":")
        report: WorkflowReport = getattr(import_module(module), function)(
            self,
            Path(workflow),
            input_func,
            project=project,
            model=model,
            variation=variation,
            parameters=parameters,
            reuse=reuse,
            progress=progress,
        )
        return report
