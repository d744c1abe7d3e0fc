"""A search whose trials run at the same time in processes of their own: what they share is executed once."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from mistique_core.catalogue.tables import experiment_run, model_version, stage
from tests.integration.airflow_site import Site

pytestmark = pytest.mark.airflow

DAG_ID = "cancer_trees_search"


@pytest.fixture(scope="module")
def searched(site: Site) -> Site:
    """The site after the example's search of 24 cells has run."""
    site.client.wait_for_dags([DAG_ID], seconds=180)
    assert site.run({DAG_ID: {}}) == {DAG_ID: "success"}
    return site


def stages(site: Site) -> list[Any]:
    query = (
        sa.select(stage, experiment_run.c.run_id, experiment_run.c.state.label("run_state"))
        .select_from(stage.join(model_version))
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .where(experiment_run.c.dag_id == DAG_ID)
    )
    with site.store() as store, store.catalogue.read() as connection:
        return list(connection.execute(query).all())


def test_every_cell_is_a_trial_with_its_folds(searched: Site) -> None:
    run_id = searched.runs[DAG_ID][-1]
    rows = stages(searched)
    trials = {row.run_id for row in rows if "/trial-" in row.run_id}
    assert trials == {f"{run_id}/trial-{number}" for number in range(1, 25)}
    assert {row.run_state for row in rows} == {"success"}
    scores = Counter(row.run_id for row in rows if row.name.startswith("scores_fold"))
    assert scores == dict.fromkeys(trials, 3)
    (found,) = [row for row in rows if row.kind == "grid search"]
    assert found.run_id == run_id
    assert [item["state"] for item in found.facts["trials"]] == ["complete"] * 24


def test_what_they_share_is_executed_once(searched: Site) -> None:
    rows = stages(searched)
    begun = sorted((row.started_at, row.ended_at) for row in rows if row.kind == "cross validation")
    assert any(after[0] < before[1] for before, after in itertools.pairwise(begun)), "none ran together"
    executed = Counter(row.name for row in rows if row.reused_from is None and "/trial-" in row.run_id)
    shared = ["read", "split", *(f"{name}_fold{fold}" for name in ("split", "scaled") for fold in (1, 2, 3))]
    for name in shared:
        made = [row for row in rows if row.name == name and "/trial-" in row.run_id]
        assert len(made) == 24
        # Another test's pipeline may have read and split the same data before.
        assert executed[name] in ((0, 1) if name in ("read", "split") else (1,)), name
        assert len({row.reused_from or row.id for row in made}) == 1, name
    assert all(executed[f"model_fold{fold}"] == 24 for fold in (1, 2, 3))
