"""Recorded answers on the pages: figures, files, code; guarded and escaped like everything else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import diagnose, figure_document
from mistique_core.modeldb import record_query
from mistique_core.modeldb.recorded_answer import Question, answer_and_record
from tests.plugin.conftest import make_client
from tests.plugin.test_app import XSS

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]

REQUEST = {"technique": "topk", "key": "houses.script.raw.area", "k": 3, "strategy": "read"}


@pytest.fixture
def asked(store: Mistique, houses: pd.DataFrame) -> Mistique:
    """Question 1 is of a DAG that may be read, question 2 of one that may not, question 3 has no figure."""
    store.log_frame("houses", "script", "raw", houses)
    for dag_id, technique in (("ask", "topk"), ("secret", "topk"), ("ask", "pointq")):
        parameters = {name: value for name, value in REQUEST.items() if name != "technique"}
        if technique == "pointq":
            parameters = {"keys": ["houses.script.raw.area"], "row_id": [1]}
        question = Question(technique, {"technique": technique, **parameters}, "", dag_id, "q1")
        answer_and_record(
            store.catalogue,
            question,
            lambda t=technique, p=parameters: diagnose(store, t, p),  # type: ignore[misc]
        )
    return store


@pytest.fixture
def client(auth_manager: Any, asked: Mistique) -> Iterator[Any]:
    with make_client(auth_manager, lambda: asked.catalogue, asked.config.location) as opened:
        yield opened


def test_a_page_names_its_figure_and_loads_nothing_from_elsewhere(client: Any) -> None:
    for address in ("/mistique/query/1", "/mistique/run?dag_id=ask&run_id=q1"):
        response = client.get(address)
        assert 'data-figure="/mistique/api/query/1/figure"' in response.text
        assert "://" not in response.text.replace("http://www.w3.org", "")
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
    assert "data-figure=" not in client.get("/mistique/query/3").text


def test_the_figure_is_the_one_that_python_draws(client: Any, asked: Mistique) -> None:
    served = client.get("/mistique/api/query/1/figure")
    expected = figure_document(diagnose(asked, "topk", {"key": "houses.script.raw.area", "k": 3}).figure())
    assert served.json() == json.loads(expected.json or "")
    assert served.json()["data"][0]["y"] == [80.0, 71.0, 60.0]
    assert client.get("/mistique/api/query/3/figure").status_code == 404


def test_plotlys_script_is_the_installed_one(client: Any) -> None:
    import plotly

    served = client.get("/mistique/plotly.js")
    assert served.headers["content-type"].startswith("text/javascript")
    assert served.content == (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes()


@pytest.mark.parametrize("path", ["answer.csv", "answer.json", "answer.parquet", "answer.html"])
def test_files_and_figures_of_dags_that_may_not_be_read_are_refused(client: Any, path: str) -> None:
    assert client.get(f"/mistique/query/2/{path}").status_code == 403
    assert client.get("/mistique/api/query/2/figure").status_code == 403
    assert client.get(f"/mistique/query/99/{path}").status_code == 404
    client.headers.pop("Authorization")
    assert client.get(f"/mistique/query/1/{path}").status_code == 401
    assert client.get("/mistique/plotly.js").status_code == 401


def test_every_file_holds_the_answer(client: Any, asked: Mistique) -> None:
    rows = [[7, 80.0], [6, 71.0], [5, 60.0]]
    text = client.get("/mistique/query/1/answer.csv")
    assert text.headers["content-disposition"] == 'attachment; filename="topk-1.csv"'
    assert list(csv.reader(io.StringIO(text.text)))[1:] == [[str(item) for item in row] for row in rows]
    frame = pd.read_parquet(io.BytesIO(client.get("/mistique/query/1/answer.parquet").content))
    assert frame.to_numpy().tolist() == rows
    assert client.get("/mistique/query/1/answer.json").json()["answer"]["rows"] == rows
    page = client.get("/mistique/query/1/answer.html").text
    assert "The 3 largest values of area" in page
    assert "Plotly.newPlot" in page
    assert "src=" not in page.split("<script>")[0]


def test_the_code_of_a_page_gives_the_same_answer(
    client: Any, asked: Mistique, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import html
    import runpy

    page = client.get("/mistique/query/1").text
    code = html.unescape(page.split('<pre class="code" tabindex="0">')[1].split("</pre>")[0])
    assert "strategy='read'" in code
    assert "largest" not in code
    monkeypatch.chdir(tmp_path)
    (tmp_path / "again.py").write_text(code)
    answer = runpy.run_path(str(tmp_path / "again.py"))["answer"]
    assert answer.frame["area"].tolist() == [80.0, 71.0, 60.0]
    assert "The 3 largest values" in capsys.readouterr().out
    assert (tmp_path / "answer.html").stat().st_size > 1_000_000


def test_names_in_answers_steps_and_figures_are_text(auth_manager: Any, store: Mistique, houses: pd.DataFrame) -> None:
    store.log_frame("houses", XSS, "raw", houses.rename(columns={"area": XSS}))
    question = Question("topk", {"technique": "topk", "key": f"houses.{XSS}.raw.{XSS}"}, XSS, "ask", XSS)
    answer_and_record(
        store.catalogue, question, lambda: diagnose(store, "topk", {"key": f"houses.{XSS}.raw.{XSS}", "k": 2})
    )
    step = {"title": XSS, "sentence": XSS, "error": XSS, "query_id": 1, "notes": [XSS]}
    answer = {"sentence": XSS, "steps": [step], "title": XSS}
    record_query(store.catalogue, technique=XSS, request={XSS: XSS}, dag_id="ask", run_id=XSS, answer=answer)
    with make_client(auth_manager, lambda: store.catalogue, store.config.location) as client:
        for path in ("/query/1", "/query/2", f"/run?dag_id=ask&run_id={XSS}", "/query/1/answer.html"):
            text = client.get(f"/mistique{path}").text
            assert XSS not in text, path
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text, path
        figure = client.get("/mistique/api/query/1/figure")
        assert figure.headers["content-type"] == "application/json"
        assert figure.headers["x-content-type-options"] == "nosniff"


def test_the_error_bound_of_a_lossy_answer_is_shown(client: Any, asked: Mistique) -> None:
    assert "right within" not in client.get("/mistique/query/1").text
    answer = {"sentence": "About.", "columns": ["x"], "rows": [[1]], "facts": {"max_abs_error": 0.0625}}
    question = {"technique": "topk", "request": {}, "dag_id": "ask", "run_id": "q4", "strategy": "read"}
    query_id = record_query(asked.catalogue, **question, answer=answer, seconds=1.0)
    page = client.get(f"/mistique/query/{query_id}").text
    assert "<dt>Stored values are right within</dt><dd>0.0625</dd>" in page


def test_a_report_comes_first_and_its_steps_lead_to_the_answers(client: Any, asked: Mistique) -> None:
    steps = [
        {"title": "Second first", "sentence": "It is.", "error": None, "query_id": 3},
        {"title": "Not this one", "sentence": "", "error": "it broke", "query_id": None},
    ]
    answer = {"sentence": "All of it.", "steps": steps, "title": ""}
    record_query(asked.catalogue, technique="check_up", request={}, dag_id="ask", run_id="q1", answer=answer)
    text = client.get("/mistique/run?dag_id=ask&run_id=q1").text
    places = [
        text.index(mark) for mark in ("All of it.", '<a href="#question-3">', 'id="question-3"', 'id="question-1"')
    ]
    assert places == sorted(places)
    assert "Not answered: it broke" in text
