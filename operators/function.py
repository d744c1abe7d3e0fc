"""A function, named by a text, as a stage: for mapping a stage over shares of its row blocks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from operators.operator_name import OperatorName
from operators.references import references_from_xcom, stage_inputs
from operators.stage import StageOperator

if TYPE_CHECKING:
    from mistique_core.model import Stage


class FunctionOperator(StageOperator):
    """Call a function with frames and fitted objects, as ``@task.stage`` does, where a decorator would not do.

    A decorated function is mapped over its own arguments; this operator is mapped over anything, such as `blocks`.

    Parameters
    ----------
    function
        ``package.module:function``; a module may also lie below the DAGs folder or ``$MISTIQUE_CODE_PATH``. See
        :class:`mistique_core.workflows.FunctionStage` for what it may return. Templated.
    arguments
        What it takes besides `inputs`, JSON values by name; templated. A single reference in `inputs` is named
        ``data``.
    row_id, deterministic, lazy, row_wise
        See :class:`mistique_core.workflows.FunctionStage`.

    Examples
    --------
    >>> FunctionOperator.partial(                                                                # doctest: +SKIP
    ...     task_id="features", project="homes", model="P1", function="features:add", row_wise=True,
    ...     inputs={"data": homes.output},
    ... ).expand(blocks=["1/4", "2/4", "3/4", "4/4"])
    """

    template_fields = (*StageOperator.template_fields, "function", "arguments")

    def __init__(
        self,
        *,
        function: str,
        arguments: Mapping[str, Any] | None = None,
        row_id: str | None = None,
        deterministic: bool | None = None,
        lazy: bool = True,
        row_wise: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.function = function
        self.arguments = dict(arguments or {})
        self.row_id = row_id
        self.deterministic = deterministic
        self.lazy = lazy
        self.row_wise = row_wise

    custom_operator_name = OperatorName(lambda operator: str(operator.function).rpartition(":")[2])

    def make_stage(self) -> Stage:
        """See :class:`StageOperator`."""
        from mistique_core.errors import InvalidInputError
        from mistique_core.workflows import FunctionStage
        from mistique_core.workflows.code_location import named_code

        function: Callable[..., Any] = named_code(self.function, "function")
        given = stage_inputs(self.inputs)
        arguments = {**references_from_xcom(self.arguments), **given}
        try:
            inspect.signature(function).bind(**arguments)
        except TypeError as error:
            raise InvalidInputError(
                f"{self.function} cannot be called with {', '.join(arguments) or 'nothing'}: {error}; name what it "
                "takes in inputs={...} and arguments={...}; a single reference is named 'data'"
            ) from error
        stage, inputs = FunctionStage.bind(
            function,
            [],
            arguments,
            row_id=self.row_id,
            deterministic=self.deterministic,
            lazy=self.lazy,
            row_wise=self.row_wise,
        )
        if inputs.keys() != given.keys():
            raise InvalidInputError(
                f"{', '.join(inputs.keys() - given.keys())} of {self.function} is the output of a stage; pass it in "
                "inputs={...}, not in arguments"
            )
        return stage
