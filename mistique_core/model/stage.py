"""The contract of a stage: what the operators, the recorder and the re-runner all share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class StageResult:
    """What executing a stage gave.

    Attributes
    ----------
    frames
        Output name -> DataFrame with a unique int64 index named ``row_id``. The name "" stands for
        the only output and takes the stage's own name.
    fitted
        Output name -> learned object (a transformer or a model).
    metrics
        Metric name -> value.
    hyperparameters
        Name -> JSON value of what a fit was asked for.
    metrics_input
        Name of the input that the metrics were computed on.
    """

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    fitted: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    metrics_input: str | None = None


class Stage(ABC):
    """One operator of a workflow, free of Airflow, disk and database.

    A subclass is rebuilt from its recorded import path and :meth:`params`, so both must be stable.
    """

    @property
    def deterministic(self) -> bool:
        """Whether equal inputs always give equal outputs; a stage that is not is never reused."""
        return True

    is_source: bool = False
    """Whether the stage takes no intermediate and so numbers its own rows."""

    @abstractmethod
    def params(self) -> dict[str, Any]:
        """Return the parameters as JSON values; equal stages give equal parameters."""

    def identity(self) -> dict[str, Any]:
        """Return the part of :meth:`params` that decides the output, for the fingerprint."""
        return self.params()

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        """Rebuild the stage from what :meth:`params` returned: by default, the constructor's arguments."""
        return cls(**params)

    @abstractmethod
    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Run the stage.

        Parameters
        ----------
        inputs
            Input name -> DataFrame (index ``row_id``) or fitted object.
        learned
            The fitted objects of an earlier execution. When given, nothing is learned again.
        """

    def functions(self) -> Sequence[Callable[..., Any]]:
        """Return the user's functions whose code belongs to this stage's identity."""
        return ()

    def packages(self) -> Sequence[str]:
        """Return the packages whose versions can change the stage's output."""
        return ("numpy", "pandas")

    def imports(self) -> Sequence[str]:
        """Return the packages to import before the stage is timed, so that its cost is its own."""
        return self.packages()

    def external_state(self) -> Mapping[str, Any]:
        """Return what outside the parameters decides the output, such as a file's content hash."""
        return {}

    @classmethod
    def import_path(cls) -> str:
        """Return ``module:qualname`` of the class."""
        return f"{cls.__module__}:{cls.__qualname__}"

    def label(self) -> str:
        """Return the operator's name for people."""
        return type(self).__name__.removesuffix("Stage")
