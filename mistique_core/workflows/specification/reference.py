"""A reference from a stage to the output of an earlier one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean

Value = TypeVar("Value")

PER_INPUT = "*"
"""Among the outputs of an operator: a frame for each input under the input's name, or the only frame of one input."""


@dataclass(frozen=True)
class StageReference:
    """``stage`` or ``stage.output`` in the inputs of a stage.

    Attributes
    ----------
    stage
        Name of the stage.
    output
        Name of its output, fitted objects included; ``None`` is its only frame, or its only output.
    """

    stage: str
    output: str | None = None

    @classmethod
    def parse(cls, text: str) -> StageReference:
        """Return the reference that a text stands for."""
        stage, dot, output = text.partition(".")
        if not stage or (dot and not output):
            raise InvalidInputError(f"{text!r} is not a reference; write stage or stage.output")
        return cls(stage, output if dot else None)

    def __str__(self) -> str:
        return self.stage if self.output is None else f"{self.stage}.{self.output}"

    def choose(self, outputs: Mapping[str, Value]) -> Value:
        """Return the output that is meant.

        Parameters
        ----------
        outputs
            All outputs of the stage by name; "" names the only frame.

        Raises
        ------
        NotFoundError
            If there is no such output, or several and none is named.
        """
        if self.output is not None:
            if self.output in outputs:
                return outputs[self.output]
            named = [name for name in outputs if name]
            if not named:
                raise NotFoundError(
                    f"stage {self.stage!r} has no output {self.output!r}; write {self.stage} for its only output"
                    if outputs
                    else f"stage {self.stage!r} has no outputs, only metrics"
                )
            raise NotFoundError(
                f"stage {self.stage!r} has no output {self.output!r}; {did_you_mean(self.output, named)}"
            )
        if "" in outputs:
            return outputs[""]
        if len(outputs) == 1:
            return next(iter(outputs.values()))
        if not outputs:
            raise NotFoundError(f"stage {self.stage!r} has no outputs, only metrics")
        names = " or ".join(f"{self.stage}.{name}" for name in outputs)
        raise NotFoundError(f"stage {self.stage!r} has several outputs; write {names}")


def outputs_of(declared: Collection[str], inputs: Collection[str]) -> list[str]:
    """Return the names of a stage's outputs.

    Parameters
    ----------
    declared
        What its operator declares, :data:`PER_INPUT` included.
    inputs
        Names of the stage's inputs.
    """
    names: list[str] = []
    for name in declared:
        if name != PER_INPUT:
            names.append(name)
        else:
            names.extend(inputs if len(inputs) > 1 else [""])
    return names
