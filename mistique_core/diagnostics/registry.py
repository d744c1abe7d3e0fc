"""The techniques by name, each with what it needs: shared by Python, CLI and the query DAG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mistique_core.diagnostics.col_diff import col_diff
from mistique_core.diagnostics.confusion_matrix import confusion_matrix
from mistique_core.diagnostics.pointq import pointq
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.topk import topk
from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.model import IntermediateKey
from mistique_core.model.names import check_name
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


@dataclass(frozen=True)
class DiagnosticRequest:
    """A question in the form in which a person fills it in.

    Attributes
    ----------
    technique
        Name in the registry.
    project
        Project of all models.
    models
        One or two models, each ``name`` or ``name@version``.
    intermediate
        Intermediate of all models.
    columns
        Column names; what they mean depends on the technique.
    rows
        Row ids.
    k
        Number of examples for ``topk``.
    largest
        Whether ``topk`` wants the largest values.
    tolerance
        Largest difference that ``col_diff`` ignores.
    strategy
        ``auto``, ``read`` or ``rerun``.
    """

    technique: str
    project: str
    models: Sequence[str]
    intermediate: str
    columns: Sequence[str] = ()
    rows: Sequence[int] = ()
    k: int = 10
    largest: bool = True
    tolerance: float = 0.0
    strategy: Strategy = "auto"

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> DiagnosticRequest:
        """Build a request from JSON values; ``None`` means the default.

        Raises
        ------
        InvalidInputError
            If a field is unknown or missing, or has the wrong type.
        """
        known = list(cls.__dataclass_fields__)
        for name in document:
            if name not in known:
                raise InvalidInputError(f"a diagnostic request has no field {name!r}; {did_you_mean(name, known)}")
        given = {name: value for name, value in document.items() if value is not None}
        for name in ("technique", "project", "models", "intermediate"):
            if not given.get(name):
                raise InvalidInputError(f"a diagnostic request needs {name!r}; fill it in")
        for name in ("technique", "project", "intermediate", "strategy"):
            if not isinstance(given.get(name, ""), str):
                raise InvalidInputError(f"{name}={given[name]!r} is not a string; give one name")
        if not isinstance(given.get("largest", True), bool):
            raise InvalidInputError(f"largest={given['largest']!r} is not a truth value; give true or false")
        for name in ("models", "columns", "rows"):
            value = given.get(name, [])
            if not isinstance(value, (list, tuple)):
                raise InvalidInputError(f"{name}={value!r} is not a list; write one item a line, or [...] in JSON")
        for name in ("models", "columns"):
            for value in given.get(name, []):
                if not isinstance(value, str):
                    raise InvalidInputError(f"{value!r} in {name} is not a string; put it in quotes")
        for value in given.get("rows", []):
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidInputError(f"row {value!r} is not a row_id; give integers")
        return cls(**given)

    def key(self, model: str, column: str | None = None) -> str:
        """Return the key of a column, or of all columns, of a model's intermediate."""
        for kind, name in (
            ("project", self.project),
            ("model", model.partition("@")[0]),
            ("intermediate", self.intermediate),
        ):
            check_name(kind, name)
        text = f"{self.project}.{model}.{self.intermediate}"
        return str(IntermediateKey.parse(f"{text}.{column}" if column else text))


@dataclass(frozen=True)
class Technique:
    """A technique with the numbers of models, columns and rows that it takes.

    Attributes
    ----------
    name, help
        For people.
    models, columns, rows
        (least, most) of each; most ``None`` means any number.
    answer
        Runs it.
    """

    name: str
    help: str
    models: tuple[int, int]
    columns: tuple[int, int | None]
    rows: tuple[int, int | None]
    answer: Callable[[Mistique, DiagnosticRequest], DiagnosticResult]

    def check(self, request: DiagnosticRequest) -> None:
        """Raise :class:`InvalidInputError` unless the request has what the technique needs."""
        for what in ("models", "columns", "rows"):
            least, most = getattr(self, what)
            count = len(getattr(request, what))
            if count < least or (most is not None and count > most):
                wanted = f"{least}" if least == most else f"at least {least}" if most is None else f"{least} to {most}"
                given = ", ".join(map(str, getattr(request, what))) or "none"
                raise InvalidInputError(f"{self.name} needs {wanted} {what} but got {count} ({given}); {self.help}")


def _pointq(store: Mistique, request: DiagnosticRequest) -> DiagnosticResult:
    columns: Sequence[str | None] = request.columns or [None]
    keys = [request.key(model, column) for model in request.models for column in columns]
    return pointq(store, keys, list(request.rows), strategy=request.strategy)


def _topk(store: Mistique, request: DiagnosticRequest) -> DiagnosticResult:
    key = request.key(request.models[0], request.columns[0])
    return topk(store, key, request.k, largest=request.largest, strategy=request.strategy)


def _col_diff(store: Mistique, request: DiagnosticRequest) -> DiagnosticResult:
    first, second = (request.key(model, request.columns[0]) for model in request.models)
    return col_diff(store, first, second, tolerance=request.tolerance, strategy=request.strategy)


def _confusion_matrix(store: Mistique, request: DiagnosticRequest) -> DiagnosticResult:
    truth, prediction = (request.key(request.models[0], column) for column in request.columns)
    return confusion_matrix(store, truth, prediction, strategy=request.strategy)


TECHNIQUES: dict[str, Technique] = {
    item.name: item
    for item in (
        Technique(
            "pointq", "name the rows, and the columns unless you want all.", (1, 2), (0, None), (1, None), _pointq
        ),
        Technique("topk", "name one model and the one column to rank by.", (1, 1), (1, 1), (0, 0), _topk),
        Technique("col_diff", "name two models and the one column to compare.", (2, 2), (1, 1), (0, 0), _col_diff),
        Technique(
            "confusion_matrix",
            "name one model and two columns: the truth, then the prediction.",
            (1, 1),
            (2, 2),
            (0, 0),
            _confusion_matrix,
        ),
    )
}


def find_technique(name: str) -> Technique:
    """Return a technique by name; raises :class:`InvalidInputError` if there is none."""
    if name not in TECHNIQUES:
        raise InvalidInputError(f"technique {name!r} is unknown; {did_you_mean(name, TECHNIQUES)}")
    return TECHNIQUES[name]


def diagnose(store: Mistique, request: DiagnosticRequest) -> DiagnosticResult:
    """Answer a request; nothing is read before it has been checked.

    Raises
    ------
    InvalidInputError
        If the technique is unknown or the request lacks what it needs.
    NotFoundError
        If a project, model, intermediate, column or row does not exist.
    """
    technique = find_technique(request.technique)
    technique.check(request)
    return technique.answer(store, request)
