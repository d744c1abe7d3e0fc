"""The contract of a stage: what the operators, the recorder and the re-runner all share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from mistique_core.model.event import StageKind
from mistique_core.model.fit_facts import FitFacts
from mistique_core.model.need import Need

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
    about
        Name of a fitted output -> what is known about it; of others that is what the object itself tells.
    streams
        Output name -> frames that follow each other and are one output together, where that would not fit into memory.
        Each is asked for when those before it are stored; all have the same columns and types.
    """

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    fitted: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    metrics_input: str | None = None
    about: dict[str, FitFacts] = field(default_factory=dict)
    streams: dict[str, Iterator[pd.DataFrame]] = field(default_factory=dict)

    def gather(self) -> None:
        """Bring what is streamed into memory, as frames."""
        import pandas as pd

        for name, frames in self.streams.items():
            given = list(frames)
            filled = [frame for frame in given if len(frame)]
            self.frames[name] = pd.concat(filled) if filled else given[0] if given else pd.DataFrame()
        self.streams = {}


class Stage(ABC):
    """One operator of a workflow, free of Airflow, disk and database.

    A subclass is rebuilt from its recorded import path and :meth:`params`, so both must be stable.
    """

    @property
    def deterministic(self) -> bool:
        """Whether equal inputs always give equal outputs; a stage that is not is never reused."""
        return True

    kind: StageKind = StageKind.TRANSFORM
    """Which event of ModelDB the stage is; a source is :attr:`StageKind.READ` whatever is given here."""

    is_source: bool = False
    """Whether the stage takes no intermediate and so numbers its own rows."""

    row_wise: bool = False
    """Whether a row of an output depends only on the rows of the inputs with the same row id and on what the
    stage has learned, bit for bit, so that a few rows can be computed from a few rows."""

    whole_up_to_rows: int = 0
    """Inputs of at most so many rows are executed as a whole even if the stage is `row_wise`: it takes another way
    then, whose last bits may differ."""

    lazy: bool = True
    """Whether the input frames may be lazy ones, whose columns are read when they are touched
    (:class:`mistique_core.frames.LazyFrame`); else they are plain DataFrames, read before the stage runs."""

    outputs: tuple[str, ...] | None = None
    """Names of the outputs: "" is the only frame, ``*`` one frame for each input under its name (or the only frame, if
    there is one input); those in `learns` need not be repeated. ``None`` where nobody can say before the stage runs."""

    learns: tuple[str, ...] = ()
    """Names of the fitted outputs: the state that a later execution is given instead of learning again."""

    def needs(self, output: str, inputs: Collection[str]) -> Mapping[str, Need]:
        """Return what the stage needs of each input frame to give some rows of one output.

        Asked after the stage was executed; the answer is recorded, and holds for what that execution made.

        Parameters
        ----------
        output
            Name of an output frame; "" for the only one.
        inputs
            Names of the input frames; fitted objects are not among them.

        Returns
        -------
        Mapping
            One item an input: by default :attr:`Need.ROWS` of each if the stage is `row_wise`, else
            :attr:`Need.WHOLE`. With any WHOLE the other inputs may still be restricted to the wanted rows.
        """
        return dict.fromkeys(inputs, Need.ROWS if self.row_wise else Need.WHOLE)

    def execute_rows(self, output: str, inputs: Mapping[str, Any], learned: Mapping[str, Any]) -> pd.DataFrame:
        """Return some rows of one output.

        Parameters
        ----------
        output
            Name of an output frame; "" for the only one.
        inputs
            What :meth:`needs` asks for: restricted frames, whole frames, fitted objects; inputs of which
            nothing is needed are missing.
        learned
            The fitted objects of the recorded execution.

        Returns
        -------
        DataFrame
            Index ``row_id``: at least the wanted rows, in any order, bit-equal to those of :meth:`execute`.
        """
        result = self.execute(inputs, learned or None)
        result.gather()
        return result.frames[output]

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

    def facts(self) -> dict[str, Any]:
        """Return what else ModelDB records of it, JSON values (:attr:`StageEvent.facts`); asked after the execution."""
        return {}

    def label(self) -> str:
        """Return the operator's name for people."""
        return type(self).__name__.removesuffix("Stage")
