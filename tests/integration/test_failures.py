"""Tasks that raise, are killed, or cannot reach the catalogue leave everything committed intact."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import numpy as np
import pytest

from tests.integration.airflow_site import Site

pytestmark = pytest.mark.airflow

SEEDS = {"raises": 1, "killed": 2, "unreachable": 3, "objects": 4, "repeated": 5}
ERRORS = {
    "raises": "stage refuses 500 rows",
    "killed": "killed or lost",
    "objects": "column 'parts' holds Python objects",
    "repeated": "is not unique: 0 occurs 2 times",
}


@pytest.fixture(scope="module")
def broken(site: Site) -> Site:
    states = site.run({f"broken_{name}": {} for name in SEEDS})
    assert set(states.values()) == {"failed"}
    return site


@pytest.mark.parametrize("name", SEEDS)
def test_the_experiment_run_says_failed(broken: Site, name: str) -> None:
    dag_id = f"broken_{name}"
    detail = broken.recorded(dag_id, broken.runs[dag_id][-1])
    assert detail.run.state == "failed"
    stages = {stage.name: stage for stage in detail.stages}
    assert stages["source"].state == "success"
    if name in ERRORS:
        assert stages["second"].state == "failed"
        assert ERRORS[name] in stages["second"].error
    else:
        assert "second" not in stages


@pytest.mark.parametrize("name", SEEDS)
def test_what_was_committed_before_is_intact(broken: Site, name: str) -> None:
    with broken.store() as store:
        stored = store.get_intermediates(f"broken.{name}@1.source.x", strategy="read")
        names = set(store.intermediates("broken", name)["intermediate"])
    assert stored.values.tolist() == np.random.default_rng(SEEDS[name]).normal(size=500).tolist()
    assert names == {"source"}


def test_the_log_of_an_unreachable_catalogue_names_it(broken: Site) -> None:
    lines = broken.log("broken_unreachable", broken.runs["broken_unreachable"][-1], "second")
    assert any("127.0.0.1:1" in line and "cannot be used" in line for line in lines)


def test_a_failed_run_is_not_the_latest_complete_version(broken: Site) -> None:
    with broken.store() as store, pytest.raises(KeyError, match="no complete version"):
        store.get_intermediates("broken.raises.source")


def test_a_state_set_by_hand_is_recorded(broken: Site) -> None:
    dag_id = "broken_objects"
    run_id = broken.runs[dag_id][-1]
    address = f"{broken.environment.url}/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
    headers = {"Authorization": f"Bearer {broken.client.token}"}
    for state in ("success", "failed"):
        httpx.patch(address, json={"state": state}, headers=headers, timeout=60).raise_for_status()
        assert broken.recorded(dag_id, run_id, state).run.state == state
