"""Every technique through its DAG, as Airflow runs it; and what is refused, with the reason in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import TECHNIQUES, diagnose
from mistique_core.modeldb.query_records import figure_of_query, find_query
from tests.airflow_home import ROOT
from tests.operators.asked_store import REQUESTS, Y, fill

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]

DAGS = ROOT / "dags" / "mistique_query.py"
WITHOUT_FIGURE = {"pointq"}  # a few columns: their table says it all


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mistique]:
    with Mistique.open(tmp_path_factory.mktemp("asked") / "store") as store:
        fill(store)
        yield store


@pytest.fixture(scope="module")
def dags(airflow_db: None) -> dict[str, Any]:
    """Return the DAGs of the file, known to Airflow's database."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=DAGS)
    assert not bag.import_errors
    sync_bag_to_db(bag, "dags-folder", None)
    return dict(bag.dags)


@pytest.fixture
def ask(asked: Mistique, dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that runs a DAG of the file against the store, and returns its DAG run."""
    from airflow.dag_processing.dagbag import DagBag

    from operators.listener import listener

    monkeypatch.setenv("MISTIQUE_HOME", asked.config.location)
    monkeypatch.setattr(listener, "_catalogue", None)

    def run(dag_id: str, conf: dict[str, Any]) -> Any:
        return DagBag(dag_folder=DAGS).dags[dag_id].test(run_conf=conf)  # a fresh one: its params become the conf

    return run


def record_of(store: Mistique, dag_run: Any) -> Any:
    with store.catalogue.read() as connection:
        return find_query(connection, dag_run.dag_id, dag_run.run_id)


def xcom(dag_run: Any, key: str) -> Any:
    return dag_run.get_task_instance("answer").xcom_pull(task_ids="answer", key=key)


def test_every_technique_has_a_dag_and_a_question_here(dags: dict[str, Any]) -> None:
    assert set(REQUESTS) == set(TECHNIQUES)
    assert set(dags) == {"mistique_query", *(f"mistique_query_{name}" for name in TECHNIQUES)}


@pytest.mark.parametrize("technique", REQUESTS)
def test_a_technique_is_answered_by_its_dag_as_from_python(
    technique: str, asked: Mistique, ask: Callable[..., Any]
) -> None:
    dag_run = ask(f"mistique_query_{technique}", REQUESTS[technique])
    assert dag_run.state == "success"
    expected = diagnose(asked, technique, REQUESTS[technique]).to_json()
    answer = xcom(dag_run, "return_value")
    assert (answer["sentence"], answer["columns"]) == (expected["sentence"], expected["columns"])
    assert answer["rows"] == expected["rows"][:100]
    record = record_of(asked, dag_run)
    assert (record.id, record.technique, record.error) == (answer["query_id"], technique, None)
    assert record.answer["rows"] == expected["rows"]
    assert record.request["technique"] == technique
    with asked.catalogue.read() as connection:
        figure = figure_of_query(connection, record.id)
    assert (figure is None) == (technique in WITHOUT_FIGURE)


def test_the_dag_of_all_techniques_takes_each_from_its_form(asked: Mistique, ask: Callable[..., Any]) -> None:
    dag_run = ask("mistique_query", {"technique": "topk", **REQUESTS["topk"]})
    assert dag_run.state == "success"
    assert record_of(asked, dag_run).request == {"technique": "topk", **REQUESTS["topk"]}


@pytest.mark.parametrize(
    ("dag_id", "conf", "message"),
    [
        ("mistique_query", {"technique": "topk"}, "topk needs 'key'; fill it in"),
        ("mistique_query", {"technique": "topk", "key": f"{Y}.score", "metric": "cosine"}, "topk has no parameter"),
        ("mistique_query_topk", {"key": "shop"}, "key 'shop' is incomplete"),
        ("mistique_query_topk", {"key": "shop.linear.scores"}, "names all columns, where one is needed"),
        ("mistique_query_topk", {"key": "shop.linaer.scores.score"}, "did you mean 'linear'"),
        ("mistique_query_topk", {"key": f"{Y}.scoer"}, "did you mean 'score'"),
        ("mistique_query_topk", {"key": f"{Y}.score", "where": ["score~3"]}, "has no comparison"),
        ("mistique_query_pointq", {"keys": [Y], "row_id": [3]}, "row_id 3 is not in the intermediate"),
        ("mistique_query_topk", {"key": f"{Y}.score", "strategy": "rerun"}, "cannot be re-run"),
        ("mistique_query_topk", {"key": f"{Y}.town"}, "order"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_recorded_line(
    dag_id: str, conf: dict[str, Any], message: str, asked: Mistique, ask: Callable[..., Any]
) -> None:
    dag_run = ask(dag_id, conf)
    assert dag_run.state == "failed"
    record = record_of(asked, dag_run)
    assert message in record.error
    assert record.answer is None
    assert xcom(dag_run, "error") == " ".join(record.error.split())
    assert xcom(dag_run, "return_value") is None


@pytest.mark.parametrize(
    ("dag_id", "conf", "message"),
    [
        ("mistique_query", {"technique": "guess"}, "guess"),
        ("mistique_query_topk", {"key": f"{Y}.score", "k": 0}, "less than the minimum"),
        ("mistique_query_topk", {"key": f"{Y}.score", "by": "median"}, "median"),
        ("mistique_query_knn", {"keys": [Y]}, "row_id"),
    ],
)
def test_the_form_refuses_what_it_knows_to_be_wrong(
    dag_id: str, conf: dict[str, Any], message: str, ask: Callable[..., Any]
) -> None:
    from airflow.sdk.exceptions import AirflowException

    with pytest.raises((AirflowException, ValueError), match=message):
        ask(dag_id, conf)


def test_forms_name_every_parameter_and_give_the_technique_its_own_defaults(dags: dict[str, Any]) -> None:
    for technique in TECHNIQUES.values():
        params = dags[f"mistique_query_{technique.name}"].params
        assert set(params) == {item.name for item in technique.parameters}
        for item in technique.parameters:
            param = params.get_param(item.name)
            schema = param.schema
            assert schema["title"] == item.title
            assert item.help in param.description
            if not item.required and item.default not in (None, ()):
                assert param.value == item.default
                assert "null" not in schema["type"]
