"""The operator that captures the layers of a network that was saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from operators.connection import DEFAULT_CONNECTION
from operators.hook import MistiqueHook
from operators.links import RunPageLink
from operators.named_function import named_function
from operators.openlineage.gather import capture_facts
from operators.openlineage.source import LineageSource, keep_task_facts
from operators.stage_task import reuse_allowed

if TYPE_CHECKING:
    from airflow.sdk import Context


class LogIntermediatesOperator(LineageSource, BaseOperator):
    """Feed rows to a saved Keras network, and log what its layers give as intermediates of a model.

    One task captures all layers of one network, since whoever computes a layer has computed those before it. Map the
    operator over checkpoints, or, for many rows, over ranges of row blocks: what all of them captured becomes visible
    with the last one. TensorFlow is imported when the task runs.

    XCom: what was captured, as :meth:`mistique_core.store.network_report.NetworkReport.to_json` gives it; its
    ``output`` is the reference of the last layer, as stages take it, once all row blocks are there.

    Parameters
    ----------
    project, model
        Whose intermediates they are; templated.
    network
        A ``.keras`` file; or a ``.weights.h5`` file, with `model_function`. Templated.
    input_function
        ``package.module:function``, which returns one array ``(rows, ...)``, or a dict of ``row_id`` (int64) and an
        array under each input's name. Templated.
    input_arguments
        Its arguments; templated.
    model_function, model_arguments
        ``package.module:function``, which returns the network that weights belong to, and its arguments; templated.
    layers
        Names, patterns such as ``block5_*``, or types such as ``Conv2D``; ``None``: all. Templated.
    scheme
        How values are stored: a text for all layers, or a dict of patterns to texts; ``None``: as the default policy
        says. Templated.
    batch_rows
        Rows that are fed at once, which is also the size of a row block; templated.
    blocks
        ``[first, end]``, `end` exclusive, or a share such as ``"1/4"``: capture only these row blocks. ``None``: all.
        Templated.
    reuse
        Whether what an equal layer gave for equal rows may be taken over. The conf ``{"mistique_reuse": false}``
        switches it off for a run.
    mistique_conn_id
        Connection of the store.

    Examples
    --------
    >>> LogIntermediatesOperator.partial(                                                        # doctest: +SKIP
    ...     task_id="capture", project="cifar10", input_function="mistique_core.workflows.cifar:network_input"
    ... ).expand_kwargs(train.output)
    """

    template_fields: Sequence[str] = (
        "project",
        "model",
        "network",
        "input_function",
        "input_arguments",
        "model_function",
        "model_arguments",
        "layers",
        "scheme",
        "batch_rows",
        "blocks",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "input_arguments": "json",
        "model_arguments": "json",
        "scheme": "json",
    }
    operator_extra_links = (RunPageLink(),)
    ui_color = "#e6f0f7"

    def __init__(
        self,
        *,
        project: str,
        model: str,
        network: str,
        input_function: str,
        input_arguments: Mapping[str, Any] | None = None,
        model_function: str | None = None,
        model_arguments: Mapping[str, Any] | None = None,
        layers: Any = None,
        scheme: Any = None,
        batch_rows: Any = 1_000,
        blocks: Any = None,
        reuse: bool = True,
        mistique_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.model = model
        self.network = network
        self.input_function = input_function
        self.input_arguments = input_arguments
        self.model_function = model_function
        self.model_arguments = model_arguments
        self.layers = layers
        self.scheme = scheme
        self.batch_rows = batch_rows
        self.blocks = blocks
        self.reuse = reuse
        self.mistique_conn_id = mistique_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Capture the layers; return what it came to."""
        build = None
        if self.model_function:
            build = named_function(self.model_function, self.model_arguments, "model_function")
        share = None
        if self.blocks is not None:
            from mistique_core.model import BlockShare

            share = BlockShare.parse(self.blocks)
        hook = MistiqueHook(self.mistique_conn_id)
        run = hook.open_run(context, self.project, self.model)
        report = run.log_network(
            self.network,
            named_function(self.input_function, self.input_arguments, "input_function"),
            model_function=build,
            layers=self.layers,
            scheme=self.scheme,
            batch_rows=int(self.batch_rows),
            blocks=share,
            reuse=reuse_allowed(context, self.reuse),
            task_id=context["ti"].task_id,
        )
        self.log.info("%s", report)
        told = report.to_json()
        keep_task_facts(context, lambda: capture_facts(hook.store, told))
        return told
