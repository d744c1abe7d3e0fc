"""A question whose re-run several workers share, as Airflow runs it; and all in which there is nothing to share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.tables import capture, intermediate, stage
from mistique_core.catalogue.unstored import pack_unstored, unpack_unstored
from mistique_core.diagnostics import diagnose
from mistique_core.modeldb.query_records import find_query
from tests.airflow_home import ROOT
from tests.operators.sample_networks import PLACE, ROWS, small_input, small_network

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]

TOPK = {"technique": "topk", "key": "toys.small.hidden.1", "k": 4}
LAYERS = ("hidden", "answer")
Ask = Callable[[dict[str, Any]], Any]


@pytest.fixture
def captured(store: Mistique) -> Mistique:
    """A network's two layers of three row blocks."""
    inputs = small_input(ROWS)
    store.log_intermediates(small_network(), lambda: inputs, **PLACE, scheme="lossless", batch_rows=10)
    return store


@pytest.fixture
def expected(captured: Mistique) -> Any:
    """What is read of them."""
    return diagnose(captured, "topk", {"key": TOPK["key"], "k": 4}).to_json()


@pytest.fixture
def let_go(captured: Mistique, expected: Any) -> Mistique:
    """The same, not stored any more, and said to take ten minutes each."""
    store = captured
    store.materialize("toys", "small", policy={"policy": "adaptive", "gamma_min": 1e15})
    store.gc(grace_seconds=0)
    assert not any(kept(store).values())
    takes(store, 600.0)
    return store


@pytest.fixture
def ask(run_dag: Callable[..., Any]) -> Ask:
    """Return a function that runs the DAG, and returns its DAG run."""

    def run(conf: dict[str, Any]) -> Any:
        from airflow.dag_processing.dagbag import DagBag

        bag = DagBag(dag_folder=ROOT / "dags" / "mistique_query_split.py")
        assert not bag.import_errors
        return run_dag(bag.dags["mistique_query_split"], conf)

    return run


def kept(store: Mistique) -> dict[str, bool]:
    listed = store.intermediates("toys", "small").set_index("intermediate")["kept"]
    return {name: bool(listed[name]) for name in LAYERS}


def takes(store: Mistique, seconds: float) -> None:
    """Let the record say so of every layer."""
    with store.catalogue.write() as connection:
        connection.execute(sa.update(stage).values(exec_seconds=seconds))


def states(dag_run: Any, task_id: str) -> list[str]:
    found = sorted(dag_run.get_task_instances(), key=lambda item: item.map_index)
    return [str(item.state) for item in found if item.task_id == task_id]


def answer_of(dag_run: Any) -> Any:
    return dag_run.get_task_instance("answer").xcom_pull(task_ids="answer")


def captures(store: Mistique) -> int:
    with store.catalogue.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(capture)) or 0


def test_two_workers_share_what_the_answer_then_reads(let_go: Mistique, expected: Any, ask: Ask) -> None:
    dag_run = ask({**TOPK, "workers": 2})
    assert dag_run.state == "success"
    assert states(dag_run, "rerun") == ["success", "success"]
    reports = list(dag_run.get_task_instance("answer").xcom_pull(task_ids="rerun"))
    first, last = sorted(reports, key=lambda report: report["done"])  # either share may be run first
    assert sorted([first["blocks"], last["blocks"]]) == [1, 2]
    assert (first["done"], first["is_kept"]) == (first["blocks"], False)
    assert (last["done"], last["is_kept"]) == (3, True)
    assert {(report["key"], report["of"]) for report in reports} == {("toys.small@1.hidden", 3)}
    answer = answer_of(dag_run)
    assert answer["strategy"] == "read"
    assert (answer["sentence"], answer["rows"]) == (expected["sentence"], expected["rows"])
    assert kept(let_go) == {"hidden": True, "answer": False}
    assert captures(let_go) == 0
    with let_go.catalogue.read() as connection:
        record = find_query(connection, dag_run.dag_id, dag_run.run_id)
    assert record is not None
    assert record.request == TOPK


def test_every_intermediate_of_a_question_is_shared(let_go: Mistique, ask: Ask) -> None:
    keys = {"keys_a": ["toys.small.hidden"], "keys_b": ["toys.small.answer"]}
    dag_run = ask({"technique": "svcca", **keys, "workers": 3})
    assert dag_run.state == "success"
    assert states(dag_run, "rerun") == ["success"] * 6
    assert answer_of(dag_run)["strategy"] == "read"
    assert all(kept(let_go).values())
    again = ask({"technique": "svcca", **keys})
    assert again.state == "success"
    assert states(again, "rerun") == ["skipped"], "everything is read"


@pytest.mark.parametrize("conf", [{"workers": 1}, {"strategy": "rerun"}, {}])
def test_what_is_not_worth_sharing_is_re_run_by_the_answer(conf: dict[str, Any], let_go: Mistique, ask: Ask) -> None:
    if not conf:
        takes(let_go, 0.01)
    dag_run = ask({**TOPK, **conf})
    assert dag_run.state == "success"
    assert states(dag_run, "rerun") == ["skipped"]
    assert answer_of(dag_run)["strategy"] == "rerun"
    assert not any(kept(let_go).values())


def test_the_answer_re_runs_everything_where_the_workers_make_other_values(let_go: Mistique, ask: Ask) -> None:
    with let_go.catalogue.write() as connection:
        row = connection.execute(sa.select(intermediate).where(intermediate.c.name == "hidden")).one()
        unstored = unpack_unstored(row.unstored)
        forged = (replace(unstored.columns[0], address=bytes(32)), *unstored.columns[1:])
        packed = pack_unstored(replace(unstored, columns=forged))
        connection.execute(sa.update(intermediate).where(intermediate.c.id == row.id).values(unstored=packed))
    dag_run = ask(TOPK)
    assert sorted(states(dag_run, "rerun")) == ["failed", "success"], "the one that ends last compares"
    assert dag_run.state == "success"
    assert answer_of(dag_run)["strategy"] == "rerun"
    assert not any(kept(let_go).values())
    assert captures(let_go) == 0


def test_what_cannot_be_asked_is_said_by_the_answer(let_go: Mistique, ask: Ask) -> None:
    dag_run = ask({"technique": "topk", "key": "toys.small.hiden.1"})
    assert dag_run.state == "failed"
    assert (states(dag_run, "plan"), states(dag_run, "rerun")) == (["success"], ["skipped"])
    with let_go.catalogue.read() as connection:
        record = find_query(connection, dag_run.dag_id, dag_run.run_id)
    assert record is not None
    assert record.error is not None
    assert "did you mean 'hidden'" in record.error
