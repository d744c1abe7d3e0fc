"""The operator that trains a Keras network and keeps its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from operators.named_function import named_function
from operators.stage import StageOperator
from operators.stage_task import reuse_allowed, run_stage_task

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from airflow.sdk import Context

    from mistique_core.store import Run
    from mistique_core.workflows.keras_checkpoints import LogCheckpoints
    from mistique_core.workflows.train_keras import TrainKerasStage


class TrainKerasOperator(StageOperator):
    """Train a Keras network; keep every n-th epoch as a file, as intermediates of a model of its own, or both.

    The model of epoch 3 of ``vgg16`` is ``vgg16_epoch03``. The training curve is the intermediate
    ``<intermediate>_history``, one row an epoch, whose row id is the epoch; the last epoch's metrics, the optimizer's
    settings and the layers are recorded with the stage. It is executed in every run. TensorFlow is imported when the
    task runs.

    XCom: the checkpoints, one ``{"model": name, "network": path}`` each (without ``network`` if no files are
    written), as :class:`operators.LogIntermediatesOperator` takes them through ``expand_kwargs``; the reference of
    the curve under the key ``history``; what was captured under ``captured``, a report for each model. Of a
    checkpoint whose layers were captured here the reference of the last one stands beside its model as ``output``.

    Parameters
    ----------
    model_function, data_function
        ``package.module:function`` with a compiled network, and with ``(x, y)`` or ``((x, y), (x, y))``, the second
        to validate with; see :class:`mistique_core.workflows.train_keras.TrainKerasStage`. Templated.
    model_arguments, data_arguments
        Their arguments; templated.
    epochs, batch_size, seed
        How long, in which steps and in which order; templated.
    every
        An epoch is kept if its number, counted from 1, is a multiple of this; templated.
    folder
        Where the files go; templated. ``None`` or empty: no files.
    formats
        ``keras``, ``weights``, or both; the paths in XCom are those of the first.
    input_function
        ``package.module:function`` with what is fed to the network to capture its layers after every n-th epoch, in
        this very process; templated. ``None`` or empty: nothing is captured.
    input_arguments
        Its arguments; templated.
    layers, scheme, batch_rows
        What is captured, and how; see :meth:`mistique_core.store.Run.log_network`. Templated.
    """

    template_fields = (
        *StageOperator.template_fields,
        "model_function",
        "data_function",
        "model_arguments",
        "data_arguments",
        "epochs",
        "batch_size",
        "seed",
        "every",
        "folder",
        "input_function",
        "input_arguments",
        "layers",
        "scheme",
        "batch_rows",
    )

    def __init__(
        self,
        *,
        model_function: str,
        data_function: str,
        model_arguments: Mapping[str, Any] | None = None,
        data_arguments: Mapping[str, Any] | None = None,
        epochs: Any = 10,
        batch_size: Any = 64,
        seed: Any = 0,
        every: Any = 1,
        folder: str | None = None,
        formats: Sequence[str] = ("keras",),
        input_function: str | None = None,
        input_arguments: Mapping[str, Any] | None = None,
        layers: Any = None,
        scheme: Any = None,
        batch_rows: Any = 1_000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model_function = model_function
        self.data_function = data_function
        self.model_arguments = model_arguments
        self.data_arguments = data_arguments
        self.epochs = epochs
        self.batch_size = batch_size
        self.seed = seed
        self.every = every
        self.folder = folder
        self.formats = formats
        self.input_function = input_function
        self.input_arguments = input_arguments
        self.layers = layers
        self.scheme = scheme
        self.batch_rows = batch_rows

    def make_stage(self) -> TrainKerasStage:
        """See :class:`StageOperator`; the stage alone keeps no checkpoints."""
        from mistique_core.workflows.train_keras import TrainKerasStage

        return TrainKerasStage(
            self.model_function,
            self.data_function,
            int(self.epochs),
            int(self.batch_size),
            None if self.seed is None else int(self.seed),
            self.model_arguments,
            self.data_arguments,
        )

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Train; return the checkpoints."""
        stage = self.make_stage()
        kept = self._checkpoints(context) if self.folder or self.input_function else None
        if kept is not None:
            stage.callbacks.append(kept)
        history = run_stage_task(
            context,
            self.hook,
            project=self.project,
            model=self.model,
            intermediate=self.intermediate,
            stage=stage,
            inputs={},
            reuse=False,
            blocks=self.blocks,
        )
        context["ti"].xcom_push(key="history", value=history)
        checkpoints = [] if kept is None else kept.checkpoints
        captured = {item.model: item.report.to_json() for item in checkpoints if item.report is not None}
        context["ti"].xcom_push(key="captured", value=captured)
        return [
            {
                "model": item.model,
                **({"network": str(item.paths[self.formats[0]])} if item.paths else {}),
                **({"output": captured[item.model]["output"]} if item.report is not None else {}),
            }
            for item in checkpoints
        ]

    def _checkpoints(self, context: Context) -> LogCheckpoints:
        from mistique_core.workflows.keras_checkpoints import LogCheckpoints

        def open_run(model: str) -> AbstractContextManager[Run]:
            return nullcontext(self.hook.open_run(context, self.project, model))  # it ends with its DAG run

        capture: dict[str, Any] = {}
        if self.input_function:
            capture = {
                "open_run": open_run,
                "input_func": named_function(self.input_function, self.input_arguments, "input_function"),
                "layers": self.layers,
                "scheme": self.scheme,
                "batch_rows": int(self.batch_rows),
                "reuse": reuse_allowed(context, self.reuse),
                "task_id": context["ti"].task_id,
            }
        return LogCheckpoints(
            self.model, every=int(self.every), folder=self.folder or None, formats=self.formats, **capture
        )
