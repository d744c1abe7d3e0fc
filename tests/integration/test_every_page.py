"""Every page, inside the real Airflow UI and stand-alone, over what the example DAGs and ten attrition models left.

The numbers are those of pandas, scikit-learn, or the Python API. ``MISTIQUE_SCREENSHOTS=FOLDER`` keeps pictures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest
from mistique_ui.formats import format_bytes
from sklearn import metrics as sk

from mistique_core import Mistique
from mistique_core.catalogue.intermediates import find_intermediate
from mistique_core.diagnostics import diagnose
from mistique_core.model import IntermediateKey
from mistique_core.modeldb import ModelDB
from mistique_core.predictions.found import PredictionSet, comparable, find_predictions
from tests.headless import headless_chromium
from tests.integration.airflow_site import Site
from tests.integration.example_dags import IS_EVERY, NETWORKS, WORKFLOWS
from tests.pages import attrition
from tests.pages.conftest import TABLE, TOKEN, served
from tests.pages.grids import cells
from tests.pages.test_models import significant
from tests.pages.test_predictions import metrics_shown
from tests.pages.test_project import drawn

pytestmark = pytest.mark.airflow

FRONTS = ("airflow", "alone") if IS_EVERY else ("airflow",)
PROJECTS = ("attrition", "zillow", "cifar10")
PICTURES = os.environ.get("MISTIQUE_SCREENSHOTS")
SCHEMES = ("light", "dark") if PICTURES else ("light",)
WINDOW = {"width": 1366, "height": 768}
IGNORED = ("net::ERR_ABORTED", "favicon", "/monitor/health")


@dataclass
class Front:
    """One way to the pages, with a browser that is logged in.

    Attributes
    ----------
    name
        ``airflow`` or ``alone``.
    store
        What the pages show.
    site
        Address of the site.
    pages
        A window of 1366 x 768 pixels for each colour scheme.
    failures
        What failed in the browser, of MISTIQUE's own addresses.
    """

    name: str
    store: Mistique
    site: str
    pages: dict[str, Any]
    failures: list[str] = field(default_factory=list)

    def open(self, path: str, picture: str) -> Any:
        """Open a page; return the frame that holds it."""
        for scheme, page in self.pages.items():
            page.goto(f"{self.site}{self._below()}{path}")
            found = self._frame(page)
            found.locator("main h1, main h2").first.wait_for()
            # Airflow's own page asks its server again and again, so that the network may never be idle.
            found.wait_for_function("() => !document.querySelector('[data-dash-is-loading=\"true\"]')")
            assert found.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path}: scrolls sideways"
            if PICTURES:
                found.wait_for_timeout(1_500)
                page.set_viewport_size({"width": 1366, "height": 2_400})
                found.wait_for_timeout(500)
                page.screenshot(path=str(Path(PICTURES) / f"{self.name}-{scheme}-{picture}.png"))
                page.set_viewport_size(WINDOW)
        return self._frame(self.pages["light"])

    def _below(self) -> str:
        return "/plugin/mistique/mistique/app" if self.name == "airflow" else "/mistique/app"

    def _frame(self, page: Any) -> Any:
        if self.name == "alone":
            return page
        handle = page.locator("iframe").element_handle()
        return handle.content_frame()


@pytest.fixture(scope="module")
def filled(ended: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mistique]:
    """The site's store, with the ten attrition models in it as well."""
    if not TABLE.is_file():
        pytest.skip("hr_attrition.csv is not beside the project")
    with ended.store() as store:
        attrition.fill(store, TABLE, tmp_path_factory.mktemp("workflows"))
        yield store


@pytest.fixture(scope="module")
def windows() -> Iterator[Any]:
    with headless_chromium() as browser:
        yield browser


@pytest.fixture(scope="module", params=FRONTS)
def front(request: pytest.FixtureRequest, ended: Site, filled: Mistique, windows: Any) -> Iterator[Front]:
    """The pages inside Airflow, and stand-alone."""
    if request.param == "airflow":
        yield from opened("airflow", ended.environment.url, filled, windows, ended.client.token)
        return
    for alone in served(filled):
        yield from opened("alone", alone.url, filled, windows, None)


def opened(name: str, url: str, store: Mistique, windows: Any, token: str | None) -> Iterator[Front]:
    contexts = {scheme: windows.new_context(viewport=WINDOW, color_scheme=scheme) for scheme in SCHEMES}
    front = Front(name, store, url, {scheme: context.new_page() for scheme, context in contexts.items()})
    for scheme, page in front.pages.items():
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: front.failures.append(str(error)))
        page.on("requestfailed", lambda item: front.failures.append(f"{item.url}: {item.failure}"))
        page.on(
            "response",
            lambda item: front.failures.append(f"{item.status} {item.url}") if item.status >= 400 else None,
        )
        if token is None:
            page.goto(f"{url}/login?token={TOKEN}")
        else:
            contexts[scheme].add_cookies([{"name": "_token", "value": token, "url": url}])
    yield front
    for context in contexts.values():
        context.close()


@pytest.fixture(autouse=True)
def nothing_fails(front: Front) -> Iterator[None]:
    """No script error, and no failed request for what is MISTIQUE's."""
    front.failures.clear()
    yield
    ours = [text for text in front.failures if "/mistique/" in text or "http" not in text]
    assert [text for text in ours if not any(part in text for part in IGNORED)] == []


def project_id(store: Mistique, name: str) -> int:
    return next(item.id for item in ModelDB(store).browse.projects() if item.name == name)


def sets_of(store: Mistique, project: str) -> tuple[tuple[PredictionSet, ...], str]:
    """Return the predictions that the page compares if nobody chooses, and their label."""
    return comparable(find_predictions(store.catalogue, project_id(store, project)))


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def column_of(front: Front, key: str) -> pd.Series:
    return front.store.get_intermediates(key, strategy="read").to_pandas().iloc[:, 0]


def address(store: Mistique, key: str, **query: Any) -> str:
    with store.catalogue.read() as connection:
        found = find_intermediate(connection, IntermediateKey.parse(key)).ref.id
    return f"/intermediates?{urlencode({'intermediate': found, **query})}"


def test_the_projects(front: Front) -> None:
    frame = front.open("/projects", "projects")
    for item in ModelDB(front.store).browse.projects():
        card = frame.get_by_role("article").filter(has=frame.get_by_role("heading", name=item.name, exact=True))
        card.wait_for()
        models = "1 model" if item.models == 1 else f"{item.models} models and transformers"
        assert f"{models} in {item.runs} run" in card.inner_text()
        for name, summary in item.metrics.items():
            row = card.get_by_role("row").filter(has=frame.get_by_role("rowheader", name=name, exact=True)).first
            shown = row.get_by_role("cell").all_inner_texts()[-3:]
            expected = [summary.minimum, summary.mean, summary.maximum]
            assert [number(text) for text in shown] == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("project", PROJECTS)
def test_a_project_over_time(front: Front, project: str) -> None:
    db, row = ModelDB(front.store), project_id(front.store, project)
    found = next(item for item in db.browse.projects() if item.id == row)
    names = sorted(found.metrics)[:2]
    chosen = ", ".join(f"metrics.{name}" for name in names)
    query = urlencode({"metrics": chosen, "x": "id", "y": f"metrics.{names[0]}", "against": "type"})
    frame = front.open(f"/projects/{row}?{query}", f"project-{project}")
    runs = db.search(f"project = '{project}'", columns=[f"metrics.{name}" for name in names], limit=1_000).runs
    expected = [(run.id, run.metrics[name]) for run in runs for name in names if name in run.metrics]
    frame.get_by_text(f"{len(expected)} values of").first.wait_for()
    shown = [
        (run, y)
        for trace in drawn(frame, "project-detail")
        if trace["run"]
        for run, y in zip(trace["run"], trace["y"], strict=True)
    ]
    for got, wanted in zip(zip(*sorted(shown), strict=True), zip(*sorted(expected), strict=True), strict=True):
        assert got == pytest.approx(wanted)


@pytest.mark.parametrize("project", PROJECTS)
def test_the_table_of_models(front: Front, project: str) -> None:
    db, row = ModelDB(front.store), project_id(front.store, project)
    found = next(item for item in db.browse.projects() if item.id == row)
    metric = f"metrics.{sorted(found.metrics)[0]}"
    frame = front.open(
        f"/projects/{row}/models?{urlencode({'columns': metric, 'sort': f'{metric}:asc'})}", f"models-{project}"
    )
    expected = db.search(f"project = '{project}' order by {metric}", columns=[metric])
    frame.get_by_text(f"{expected.total} run").first.wait_for()
    texts = [significant(run.metrics[metric[8:]]) for run in expected.runs[:8] if metric[8:] in run.metrics]
    frame.locator(f"#models-grid .ag-row[row-index='0'] [col-id='{metric}']", has_text=texts[0]).wait_for()
    assert cells(frame, "models-grid", metric)[: len(texts)] == texts
    labels = [run.label for run in expected.runs[: len(texts)]]
    assert sorted(cells(frame, "models-grid", "model")[: len(texts)]) == sorted(labels)


def shown_models(store: Mistique) -> dict[str, int]:
    """Return the main model of the newest run of each model: label -> id."""
    db, found = ModelDB(store), {}
    for project in PROJECTS:
        runs = db.search(f"project = '{project}' and state = 'success'", limit=1_000).runs
        models = db.explore.main_models([run.id for run in runs])
        for run in runs:
            if models.get(run.id) and (
                project != "zillow" or run.label.rpartition("@")[0].endswith("_v1") or not IS_EVERY
            ):
                found.setdefault(run.label, models[run.id][0].id)
    return found


def test_each_model(front: Front) -> None:
    """Ten attrition models, P1 to P10, and the networks: metrics, hyperparameters, pipeline."""
    models = shown_models(front.store)
    assert len(models) >= 10 + (10 if IS_EVERY else len(WORKFLOWS)) + len(NETWORKS)
    few = models if IS_EVERY else dict(list(models.items())[-4:])
    for label, model in few.items():
        frame = front.open(f"/models/{model}", f"model-{label.replace('@', '-')}")
        found = ModelDB(front.store).browse.model(model)
        for name, values in found.metrics.items():
            row = frame.get_by_role("row").filter(has=frame.get_by_role("rowheader", name=name, exact=True)).first
            shown = [
                float(text.replace("−", "-").replace(",", "")) for text in row.get_by_role("cell").all_inner_texts()
            ]
            assert shown == pytest.approx(list(values.values()), rel=1e-3, abs=1e-4), (label, name)
        assert found.spec is not None
        frame.get_by_role("heading", name=f"Hyperparameters ({len(found.spec.hyperparameters)})").wait_for()
        contents = ModelDB(front.store).browse.run(found.run.id)
        frame.wait_for_function(
            "n => document.getElementById('model-graph')?._cyreg?.cy?.nodes().length >= n",
            arg=min(len(contents.events), 20),
        )


@pytest.mark.parametrize("project", PROJECTS if IS_EVERY else PROJECTS[:2])  # of the third there is one run
def test_runs_side_by_side(front: Front, project: str) -> None:
    db = ModelDB(front.store)
    ids = [run.id for run in db.search(f"project = '{project}' and state = 'success'").runs][:10]
    assert len(ids) >= 2
    frame = front.open(f"/compare?runs={','.join(map(str, ids))}", f"compare-{project}")
    table = db.compare.runs(ids)
    frame.get_by_role("heading", name=f"Comparison of {len(ids)} runs").wait_for()
    frame.get_by_text(f"{table.differing_parameters} of {len(table.parameter_names)} hyperparameters").wait_for()


def expected_metrics(problem: str, truth: pd.Series, frame: pd.DataFrame) -> dict[str, float]:
    """Return what scikit-learn says of predictions."""
    if problem == "regression":
        return {
            "mae": sk.mean_absolute_error(truth, frame["prediction"]),
            "rmse": sk.root_mean_squared_error(truth, frame["prediction"]),
            "r2": sk.r2_score(truth, frame["prediction"]),
        }
    shares = frame.filter(like="probability_")
    if problem == "binary":
        return {
            "accuracy": sk.accuracy_score(truth, frame["prediction"]),
            "roc_auc": sk.roc_auc_score(truth, shares.iloc[:, -1]),
            "brier": sk.brier_score_loss(truth, shares.iloc[:, -1]),
        }
    names = [name.removeprefix("probability_") for name in shares]
    values = shares.to_numpy(np.float64)
    return {
        "accuracy": sk.accuracy_score(truth.astype(str), frame["prediction"].astype(str)),
        "log_loss": sk.log_loss(truth.astype(str), values / values.sum(axis=1, keepdims=True), labels=names),
    }


PROBLEMS = {"attrition": "binary", "zillow": "regression", "cifar10": "multiclass"}


@pytest.mark.parametrize("project", PROJECTS)
def test_predictions(front: Front, project: str) -> None:
    """Metrics of all models as scikit-learn has them; the matrix; an example at every stage."""
    sets, label = sets_of(front.store, project)
    assert len(sets) >= 1
    row = project_id(front.store, project)
    some = front.store.get_intermediates(f"{sets[0].key(label)}", strategy="read").row_id
    query = urlencode({"project": row, "example": int(some[5])})
    frame = front.open(f"/predictions?{query}", f"predictions-{project}")
    frame.get_by_text(f"Rows 0 to {len(some) - 1:,} of {len(some):,}").first.wait_for()
    told = {}
    for item in sets:
        values = front.store.get_intermediates(
            f"{item.project}.{item.model}@{item.version}.{item.intermediate}", strategy="read"
        ).to_pandas()
        told[item.model] = expected_metrics(PROBLEMS[project], values[label], values)
    shown = metrics_shown(frame, *next(iter(told.values())))
    assert len(shown) >= min(len(told), 10)  # of many models the table holds those that are in sight
    for model, texts in shown.items():
        assert {name: number(text) for name, text in texts.items()} == pytest.approx(
            told[model], rel=1e-3, abs=1.01e-4
        ), model
    frame.get_by_role("heading", name=f"Example {int(some[5])}", exact=True).wait_for()
    frame.get_by_role("heading", name="At every stage of").first.wait_for()
    assert frame.locator(".stages > details").count() >= 2


def test_columns_of_every_template(front: Front) -> None:
    """A histogram is NumPy's, for the first number of what each workflow read or joined first."""
    labels = [item.model for item in sets_of(front.store, "zillow")[0]]
    listed = front.store.intermediates("zillow")
    models = [model for model in listed["model"].unique() if model.endswith("_v1") or not IS_EVERY]
    assert set(labels) & set(models)
    for model in models:
        name = listed.loc[listed["model"] == model, "intermediate"].iloc[-1]
        key = f"zillow.{model}.{name}"
        table = front.store.get_intermediates(f"{key}.*", strategy="read").to_pandas()
        column = next(column for column in table if table[column].dtype.kind == "f")
        frame = front.open(address(front.store, key, column=column), f"intermediates-{model}")
        frame.wait_for_function(
            "() => document.querySelector('#intermediates-histogram .js-plotly-plot')?.data?.length"
        )
        bars = frame.evaluate("document.querySelector('#intermediates-histogram .js-plotly-plot').data.map(t => t.y)")
        assert sum(sum(bar) for bar in bars) == table[column].notna().sum(), key


@pytest.mark.parametrize("network", [network.model for network in NETWORKS.values()])
def test_layers_as_heatmaps_maps_and_images(front: Front, network: str) -> None:
    store = front.store
    model = f"{network}_epoch01"
    classes = column_of(front, f"cifar10.{network}.labels.class")
    for layer in ("block1_conv1", "dense"):
        key = f"cifar10.{model}.{layer}"
        frame = front.open(
            address(store, key, group=f"cifar10.{network}.labels.class", row=3), f"layer-{network}-{layer}"
        )
        frame.wait_for_function("() => document.querySelector('#intermediates-heat .js-plotly-plot')?.data?.length")
        trace = frame.evaluate(
            "(() => { const t = document.querySelector('#intermediates-heat .js-plotly-plot').data[0];"
            " return {y: t.y, z: t.z.map(row => [...row])}; })()"
        )
        answer = store.get_intermediates(f"{key}.*", strategy="read")
        values = np.asarray(answer.maps.mean(axis=(1, 2)) if answer.maps is not None else answer.values)
        means = pd.DataFrame(values.astype(np.float64)).groupby(classes.astype(str).to_numpy()).mean()
        drawn_units = np.array(trace["z"]).shape[1]
        assert drawn_units >= min(values.shape[1], 32)
        assert sorted(trace["y"]) == sorted(means.index)
        if drawn_units == values.shape[1]:
            np.testing.assert_allclose(np.array(trace["z"]), means.loc[trace["y"]].to_numpy(), rtol=1e-3, atol=1e-6)
        frame.locator("#intermediates-top .pictures img").first.wait_for()
    key = f"cifar10.{model}.images"
    frame = front.open(address(store, key), f"images-{network}")
    frame.locator(".pictures img").nth(5).wait_for()


@pytest.mark.parametrize("project", PROJECTS)
def test_a_question(front: Front, project: str) -> None:
    sets, _ = sets_of(front.store, project)
    item = sets[-1]
    column = item.probabilities[-1] if item.probabilities else item.prediction
    request = {"key": f"{item.project}.{item.model}@{item.version}.{item.intermediate}.{column}", "k": 6}
    query = urlencode({"technique": "topk", "request": json.dumps(request)})
    frame = front.open(f"/ask?{query}", f"ask-{project}")
    expected = diagnose(front.store, "topk", request)
    frame.locator("#ask-sentence").wait_for()
    assert frame.locator("#ask-sentence").inner_text() == expected.sentence
    frame.locator("#ask-figure .js-plotly-plot").wait_for()
    assert "Estimate to re-run" in frame.locator("#ask-plan").inner_text()


def test_the_storage(front: Front) -> None:
    frame = front.open("/storage", "storage")
    frame.get_by_role("heading", name="Storage", exact=True).wait_for()
    names, values = (frame.locator(f".facts {tag}").all_inner_texts() for tag in ("dt", "dd"))
    facts = dict(zip(names, values, strict=True))
    stats = front.store.stats()
    assert facts["Logged by stages"] == format_bytes(stats.logical_bytes)
    assert facts["Partition files"] == format_bytes(stats.partition_bytes)
    assert facts["Intermediates"].replace(",", "") == str(stats.intermediates)
