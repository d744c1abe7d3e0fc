"""Any registered stage by its name, as in workflow files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mistique_core.workflows.operator_names import OPERATORS
from operators.operator_name import OperatorName
from operators.stage import StageOperator

if TYPE_CHECKING:
    from mistique_core.model import Stage


class NamedStageOperator(StageOperator):
    """Run one of the stages that ship with MISTIQUE: ``Join``, ``FillNa``, ``OneHotEncoding`` and so on.

    Parameters
    ----------
    stage
        Its name in workflow files (thesis Table 5.3); ``mistique workflow schema`` lists all with their arguments.
    arguments
        What the stage takes; templated.

    Examples
    --------
    >>> NamedStageOperator(                                                                      # doctest: +SKIP
    ...     task_id="joined", stage="Join", inputs={"left": sales.output, "right": homes.output}
    ... )
    """

    template_fields = (*StageOperator.template_fields, "arguments")

    def __init__(self, *, stage: str, arguments: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if stage not in OPERATORS:
            from mistique_core.errors import InvalidInputError, did_you_mean

            raise InvalidInputError(f"stage {stage!r} is unknown; {did_you_mean(stage, OPERATORS)}")
        self.stage = stage
        self.arguments = dict(arguments or {})

    custom_operator_name = OperatorName(lambda operator: str(operator.stage))

    def make_stage(self) -> Stage:
        """See :class:`StageOperator`."""
        return OPERATORS[self.stage].make(self.arguments)
