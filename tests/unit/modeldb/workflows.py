"""A recorded workflow for tests: two tables are joined, scaled and split, and a linear model is fitted and measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mistique_core.catalogue import Catalogue
from mistique_core.model.event import FrameEntity, StageEvent, StageKind, TransformerEntity
from mistique_core.model.fit_facts import Feature, FitFacts, LinearFacts, LinearTerm, ProblemType
from tests.unit.modeldb.recording import record


def columns(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, "float64") for name in names)


def linear_facts(**changes: Any) -> FitFacts:
    """Return facts of y = 1 + 2 age - 3 log_income, with standard errors 0.5, 0.25, 0.1."""
    terms = (
        LinearTerm(0, "intercept", "", 1.0, 0.5),
        LinearTerm(1, "age", "", 2.0, 0.25),
        LinearTerm(2, "log_income", "", -3.0, 0.1),
    )
    values: dict[str, Any] = {
        "type_name": "LinearRegression",
        "problem_type": ProblemType.REGRESSION,
        "features": (Feature("age", 2.0), Feature("log_income", 3.0)),
        "label_columns": ("price",),
        "prediction_columns": ("prediction",),
        "linear": LinearFacts(terms, rmse=0.5, explained_variance=0.9, r2=0.8, is_standardized=True),
        "history": {"objective": (10.0, 5.0, 4.5, 4.4)},
    }
    return FitFacts(**{**values, **changes})


def forest_facts(**changes: Any) -> FitFacts:
    values: dict[str, Any] = {
        "type_name": "RandomForestRegressor",
        "problem_type": ProblemType.REGRESSION,
        "features": (Feature("age", 0.2), Feature("rooms", 0.5), Feature("log_income", 0.3)),
    }
    return FitFacts(**{**values, **changes})


@dataclass
class Workflow:
    """The entities and events of one run, by name."""

    people: FrameEntity
    homes: FrameEntity
    joined: FrameEntity
    scaled: FrameEntity
    train: FrameEntity
    test: FrameEntity
    predicted: FrameEntity
    scaler: TransformerEntity
    model: TransformerEntity
    events: dict[str, StageEvent]
    run: int = 0
    frames: dict[str, FrameEntity] = field(default_factory=dict)


def event(kind: StageKind, name: str, label: str | None = None, **values: Any) -> StageEvent:
    return StageEvent(kind, name, f"operators.{name}", label or name, **values)


def workflow(facts: FitFacts | None = None, auc: float = 0.9, **hyperparameters: Any) -> Workflow:
    people = FrameEntity(100, columns("id", "age", "income"), tag="people", filepath="people.csv")
    homes = FrameEntity(50, columns("id", "rooms", "price"), tag="homes", metadata={"license": "MIT"})
    joined = FrameEntity(50, columns("id", "age", "income", "rooms", "price"))
    scaled = FrameEntity(50, columns("id", "age", "log_income", "rooms", "price"))
    train, test = FrameEntity(40, scaled.columns), FrameEntity(10, scaled.columns)
    predicted = FrameEntity(10, columns("prediction"))
    scaler = TransformerEntity(FitFacts("LogScaler"))
    model = TransformerEntity(facts or linear_facts(), tag="best", filepath="/models/1", metadata={"owner": "bob"})
    logs = {"input_columns": ["income"], "output_columns": ["log_income"]}
    events = [
        event(StageKind.READ, "read_people", frames={"": people}),
        event(StageKind.READ, "read_homes", frames={"": homes}),
        event(StageKind.TRANSFORM, "join", inputs={"left": people, "right": homes}, frames={"": joined}),
        event(
            StageKind.FIT,
            "fit_scaler",
            "LogScaler",
            inputs={"frame": joined},
            fitted={"": scaler},
            hyperparameters={"base": 10},
        ),
        event(
            StageKind.TRANSFORM,
            "scale",
            inputs={"frame": joined, "transformer": scaler},
            frames={"": scaled},
            facts=logs,
        ),
        event(
            StageKind.SPLIT,
            "split",
            inputs={"frame": scaled},
            frames={"train": train, "test": test},
            facts={"seed": 7, "weights": [0.8, 0.2]},
        ),
        event(
            StageKind.FIT,
            "fit",
            model.facts.type_name,
            inputs={"frame": train},
            fitted={"model": model},
            hyperparameters={"alpha": 0.5, "fit_intercept": True, **hyperparameters},
            tag="ridge",
        ),
        event(
            StageKind.PREDICT,
            "predict",
            inputs={"frame": test, "model": model},
            frames={"": predicted},
            metrics={},
        ),
        event(
            StageKind.METRIC,
            "evaluate",
            inputs={"frame": predicted},
            metrics={"auc": auc, "rmse": 1 - auc},
            metrics_of=model,
            metrics_on=test,
        ),
        event(
            StageKind.METRIC,
            "evaluate_train",
            inputs={"frame": train},
            metrics={"auc": auc + 0.05},
            metrics_of=model,
            metrics_on=train,
        ),
    ]
    for number, item in enumerate(events):
        item.started_at, item.ended_at = 100.0 + number, 100.5 + number
    named = {item.name: item for item in events}
    frames = {"people": people, "homes": homes, "joined": joined, "scaled": scaled, "train": train, "test": test}
    return Workflow(
        people,
        homes,
        joined,
        scaled,
        train,
        test,
        predicted,
        scaler,
        model,
        named,
        frames={**frames, "pred": predicted},
    )


def record_workflow(
    catalogue: Catalogue, project: str = "homes", model: str = "price", *, made: Workflow | None = None, **run: Any
) -> Workflow:
    """Record a workflow as a run; return it with its ids."""
    made = made or workflow()
    made.run = record(catalogue, project, model, list(made.events.values()), **run)
    return made
