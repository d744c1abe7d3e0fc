"""An event that consists of stages: they are parts of it, and only its own values are the run's."""

from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.modeldb_tables import hyperparameter, metric, value_name
from mistique_core.catalogue.tables import stage
from mistique_core.model import StageKind
from mistique_core.modeldb.runs import list_runs
from mistique_core.store import Run
from mistique_core.workflows import EvaluateStage
from mistique_core.workflows.fit import FitStage

TRUTH = pd.DataFrame({"label": [0, 1, 1, 0], "prediction": [0, 1, 0, 0]}).rename_axis("row_id")
OPERATOR = "tests.store.test_events:record"


def record(run: Run) -> int:
    """Record an event with two parts, of which the second takes over the first one's result; return its id."""
    ref = run.log_frame("predictions", TRUTH).ref
    with run.event("both", StageKind.OTHER, OPERATOR, "Both", params={"times": 2}, inputs={"data": ref}) as event:
        for number in (1, 2):
            outcome = run.stage(
                f"part_{number}", EvaluateStage("label", ["accuracy"]), {"data": ref}, parent_id=event.id
            )
            run.stage(
                f"fit_{number}",
                FitStage("sklearn.tree.DecisionTreeClassifier", "label", {"random_state": 0}),
                {"data": ref},
                parent_id=event.id,
            )
            assert outcome.metrics == {"accuracy": 0.75}
            assert outcome.reused is (number == 2)
        event.metrics["mean"] = 0.5
        event.hyperparameters["depth"] = 3
        event.facts["folds"] = 2
    return event.id


def test_values_of_parts_are_not_the_runs_own(catalogue_url: str, tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "store", catalogue_url) as store, store.run("events", "parts") as run:
        event_id = record(run)
        with store.catalogue.read() as connection:
            rows = {row.name: row for row in connection.execute(sa.select(stage))}
            own = {}
            for table in (metric, hyperparameter):
                query = sa.select(value_name.c.name, table.c.is_own, table.c.stage_id).join(
                    table, table.c.name_id == value_name.c.id
                )
                own.update({(row.name, row.stage_id): row.is_own for row in connection.execute(query)})
            summary = list_runs(connection).runs[0]
    assert rows["both"].parent_id is None
    assert (rows["both"].kind, rows["both"].state, rows["both"].facts) == ("other", "success", {"folds": 2})
    assert {rows[name].parent_id for name in rows if name != "both"} == {event_id}
    assert rows["part_2"].reused_from == rows["part_1"].id
    assert {stage_id for (_, stage_id), is_own in own.items() if is_own} == {event_id}
    assert ("accuracy", rows["part_2"].id) in own
    assert ("max_depth", rows["fit_2"].id) in own
    assert (summary.metrics, summary.hyperparameters, summary.stages) == ({"mean": 0.5}, {"depth": 3}, 1)


def test_an_event_whose_block_raises_has_failed(tmp_path: Path) -> None:
    with Mistique.open(tmp_path / "store") as store:
        run = store.run("events", "failing")
        with pytest.raises(ZeroDivisionError), run.event("both", StageKind.OTHER, OPERATOR, "Both"):
            raise ZeroDivisionError("in the block")
        with store.catalogue.read() as connection:
            row = connection.execute(sa.select(stage)).one()
    assert (row.state, row.error) == ("failed", "ZeroDivisionError: in the block")
