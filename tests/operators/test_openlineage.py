"""What tasks tell OpenLineage, by DAGs that run with the real provider and a transport that keeps every event."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.airflow_home import ROOT
from tests.operators.lineage_runs import RESULT, VALUE, WIDE

pytest.importorskip("airflow.providers.openlineage", reason="the extra openlineage is not installed")

pytestmark = pytest.mark.airflow

Event = Mapping[str, Any]
HOMES = "mistique://homes"


class Ran(NamedTuple):
    """A process that ran DAGs: their states, and what it had imported of OpenLineage."""

    states: list[str]
    imported: list[str]
    log: str


def run_dags(folder: Path, names: list[str], settings: Mapping[str, str]) -> Ran:
    kept = {name: value for name, value in os.environ.items() if "OPENLINEAGE" not in name}
    environment: dict[str, str] = {
        **kept,
        "MISTIQUE_HOME": str(folder / "store"),
        "AIRFLOW__OPENLINEAGE__EXECUTION_TIMEOUT": "300",
    }
    command = [sys.executable, "-m", "tests.operators.lineage_runs", str(folder), *names]
    done = subprocess.run(
        command, env={**environment, **settings}, capture_output=True, text=True, timeout=900, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    answer = json.loads((folder / RESULT).read_text())
    return Ran(answer["states"], answer["imported"], done.stdout)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, list[Event]]:
    """Return what DAGs of each kind did, and the events of all of them; each is sent by a fork of the task."""
    folder = tmp_path_factory.mktemp("lineage")
    transport = {"type": "file", "log_file_path": str(folder / "events.jsonl"), "append": True}
    names = ["operators", "decorated", "asking", "shared", "failing", "wide", "refused", "network"]
    ran = run_dags(
        folder, names, {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport), "MISTIQUE_BLOCK_ROWS": "10"}
    )
    return ran, [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def ends(events: list[Event], job: str) -> list[Event]:
    """Return the events of the ends of a task, in the order in which its mapped tasks ended."""
    return [event for event in events if event["job"]["name"] == job and event["eventType"] != "START"]


def named(event: Event, side: str) -> list[tuple[str, str]]:
    return [(dataset["namespace"], dataset["name"]) for dataset in event[side]]


def without_base(facet: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facet.items() if not name.startswith("_")}


def test_all_events_follow_the_specification(told: tuple[Ran, list[Event]]) -> None:
    from tests.operators.openlineage_rules import OWN, check_event

    ran, events = told
    assert ran.states == ["success", "success", "success", "success", "failed", "success", "failed", "success"]
    facets = {facet for event in events for facet in check_event(event)}
    assert {url.partition("#/$defs/")[2] for _, name, url in facets if name.startswith("mistique_")} == set(
        OWN["$defs"]
    ), "each own facet was told"
    assert "cannot be told" not in ran.log
    kinds = {event["eventType"] for event in events}
    assert kinds == {"START", "COMPLETE", "FAIL"}


def test_the_producer_is_this_version() -> None:
    from operators.openlineage.facets import PRODUCER

    assert f"urn:mistique:airflow:{version('mistique-airflow')}" == PRODUCER


def test_a_stage(told: tuple[Ran, list[Event]]) -> None:
    _, events = told
    (read,) = ends(events, "sample_operators.read")
    assert (named(read, "inputs"), named(read, "outputs")) == ([], [(HOMES, "linear@1/read")])
    output = read["outputs"][0]
    assert [(field["name"], field["type"]) for field in output["facets"]["schema"]["fields"]] == [
        ("rooms", "int64"),
        ("area", "float64"),
        ("price", "float64"),
    ]
    assert without_base(output["outputFacets"]["outputStatistics"]) == {"rowCount": 40, "size": 40 * 4 * 8}
    assert output["facets"]["dataSource"]["uri"].startswith("file:///")
    done = read["run"]["facets"]["mistique_stage"]
    assert (done["reused"], done["logicalBytes"]) == (False, 40 * 4 * 8)
    assert done["storedBytes"] == output["outputFacets"]["mistique_reuse"]["storedBytes"] > 0


def test_several_outputs_and_fitted_objects(told: tuple[Ran, list[Event]]) -> None:
    _, events = told
    (scaled,) = ends(events, "sample_operators.learn.scaled")
    assert named(scaled, "inputs") == [(HOMES, "linear@1/split_train"), (HOMES, "linear@1/split_test")]
    made = {dataset["name"]: dataset for dataset in scaled["outputs"]}
    frames = {name for name, dataset in made.items() if dataset["facets"]["datasetType"]["datasetType"] == "TABLE"}
    assert frames == {"linear@1/learn_scaled_train", "linear@1/learn_scaled_test"}
    (predicted,) = ends(events, "sample_operators.predictions")
    models = [item for item in predicted["inputs"] if item["facets"]["datasetType"]["datasetType"] == "MODEL"]
    assert [item["facets"]["mistique_fitted"]["type"].rpartition(".")[2] for item in models] == ["LinearRegression"]
    assert models[0]["name"] == "linear@1/fitted/learn_fit/model"
    (fit,) = ends(events, "sample_operators.learn.fit")
    assert models[0]["name"] in {name for _, name in named(fit, "outputs")}


def test_mapped_tasks(told: tuple[Ran, list[Event]]) -> None:
    """Of each its own output; of tasks that share row blocks, only the last has one."""
    _, events = told
    mapped = ends(events, "sample_decorated.scale_by")
    assert sorted(named(event, "outputs") for event in mapped) == [
        [(HOMES, "linear@2/scale_by_0")],
        [(HOMES, "linear@2/scale_by_1")],
    ]
    assert all(named(event, "inputs") == [(HOMES, "linear@2/read")] for event in mapped)
    shared = ends(events, "sample_shared.sized")
    assert [len(event["outputs"]) for event in shared] == [0, 0, 1]
    assert shared[2]["outputs"][0]["facets"]["mistique_intermediate"]["rows"] == 40


def test_reuse(told: tuple[Ran, list[Event]]) -> None:
    _, events = told
    (again,) = ends(events, "sample_decorated.read")
    assert again["run"]["facets"]["mistique_stage"]["reused"] is True
    assert without_base(again["outputs"][0]["outputFacets"]["mistique_reuse"]) == {"reused": True, "storedBytes": 0}
    assert named(again, "outputs") == [(HOMES, "linear@2/read")]


def test_a_stage_that_fails(told: tuple[Ran, list[Event]]) -> None:
    _, events = told
    (failed,) = ends(events, "sample_failing.refuses")
    assert failed["eventType"] == "FAIL"
    assert [name.rpartition("/")[2] for _, name in named(failed, "inputs")] == ["read"]
    assert failed["outputs"] == []
    assert "refuses 40 rows" in failed["run"]["facets"]["errorMessage"]["message"]
    (refused,) = ends(events, "refused.ask")
    assert (refused["eventType"], refused["inputs"]) == ("FAIL", [])


@pytest.mark.parametrize("strategy", ["read", "rerun"])
def test_an_answer(told: tuple[Ran, list[Event]], strategy: str) -> None:
    _, events = told
    (asked,) = ends(events, f"asking.{strategy}")
    assert without_base(asked["run"]["facets"]["mistique_answer"]) == {"technique": "pointq", "strategy": strategy}
    assert (named(asked, "inputs"), asked["outputs"]) == ([(HOMES, "linear@2/add_column")], [])
    access = without_base(asked["inputs"][0]["inputFacets"]["mistique_access"])
    assert access["strategy"] == strategy
    assert (access["rerunStages"] > 0) is (strategy == "rerun")


def test_a_network(told: tuple[Ran, list[Event]]) -> None:
    _, events = told
    (captured,) = ends(events, "network.capture")
    layers = {dataset["name"].rpartition("/")[2]: dataset for dataset in captured["outputs"]}
    assert {"hidden", "answer"} <= set(layers)
    assert layers["hidden"]["facets"]["mistique_intermediate"]["rows"] == 24
    assert [field["type"] for field in layers["hidden"]["facets"]["schema"]["fields"]] == ["float32"] * 3
    done = captured["run"]["facets"]["mistique_capture"]
    assert (done["storedLayers"] + done["reusedLayers"], done["pendingLayers"]) == (len(layers), 0)


def test_wide_tables_are_bounded_and_no_value_is_told(told: tuple[Ran, list[Event]]) -> None:
    _, events = told
    (wide,) = ends(events, "wide.many_columns")
    assert named(wide, "outputs") == [("mistique://%C3%BCber%20homes", "a%2Fb@1/many_columns")]
    facets = wide["outputs"][0]["facets"]
    assert len(facets["schema"]["fields"]) == 200
    size = facets["mistique_intermediate"]
    assert (size["columns"], size["columnsListed"], size["rows"]) == (WIDE + 1, 200, 2)
    assert len(json.dumps(wide["outputs"])) < 40_000
    assert VALUE not in json.dumps(events)


@pytest.fixture
def server() -> Iterator[tuple[str, list[Event]]]:
    """Yield the URL of a lineage server on this machine, and the events that it was sent."""
    received: list[Event] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", received
        listening.shutdown()
        thread.join()


def test_a_thread_tells_the_same_by_http(server: tuple[str, list[Event]], tmp_path: Path) -> None:
    from tests.operators.openlineage_rules import check_event

    url, received = server
    settings = {
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps({"type": "http", "url": url}),
        "AIRFLOW__OPENLINEAGE__EXECUTE_IN_THREAD": "True",
    }
    assert run_dags(tmp_path, ["short"], settings).states == ["success"]
    for event in received:
        check_event(event)
    (split,) = ends(received, "sample_short.split")
    assert named(split, "inputs") == [(HOMES, "linear@1/read")]
    assert named(split, "outputs") == [(HOMES, "linear@1/split_train"), (HOMES, "linear@1/split_test")]


def test_nothing_is_looked_up_where_nobody_listens(tmp_path: Path) -> None:
    """Without a transport the provider switches itself off: nothing that makes facets is imported."""
    ran = run_dags(tmp_path, ["short"], {})
    assert ran.states == ["success"]
    imported = {"operators.openlineage.events", "operators.openlineage.facets", "openlineage.client.generated"}
    assert imported.isdisjoint(ran.imported)


def test_an_error_of_lineage_changes_nothing(tmp_path: Path) -> None:
    """A dataset is gone from the store when it is looked up: the task succeeds, and its event has no datasets."""
    transport = {"type": "file", "log_file_path": str(tmp_path / "events.jsonl"), "append": True}
    settings = {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport)}
    ran = run_dags(tmp_path, ["unlucky"], settings)
    assert ran.states == ["success"]
    assert "the datasets of this task cannot be told to OpenLineage" in ran.log
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    (end,) = ends(events, "unlucky.forgetful")
    assert (end["eventType"], end["outputs"]) == ("COMPLETE", [])
