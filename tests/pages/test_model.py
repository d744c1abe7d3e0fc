"""One model, in the browser, against the Python API; edits; names that look like scripts; failed runs and trials."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mistique_core import Mistique
from mistique_core.model.event import FrameEntity, StageEvent, StageKind, TransformerEntity
from mistique_core.model.fit_facts import Feature, FitFacts, LinearFacts, LinearTerm, ProblemType
from mistique_core.modeldb import ModelDB
from mistique_core.planner.plan import format_bytes
from tests.pages.conftest import StandAlone, served
from tests.pages.grids import until_cells
from tests.unit.modeldb.recording import record

XSS = "<script>hacked=1</script>"
BOLD = "<img src=x onerror=hacked=1>"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandAlone]:
    """Runs whose every text looks like a script: one that worked, a trial, and one that failed."""
    with Mistique.open(tmp_path_factory.mktemp("odd") / "store") as store:
        for number, (state, run_type) in enumerate((("success", None), ("success", "trial"), ("failed", None))):
            terms = (LinearTerm(0, "intercept", "", 1.0, 0.5), LinearTerm(1, XSS, "", 2.0, 0.25))
            facts = FitFacts(
                XSS,
                ProblemType.REGRESSION,
                features=(Feature(XSS, 2.0),),
                linear=LinearFacts(terms, is_standardized=True),
                history={BOLD: (3.0, 2.0, 1.0)},
            )
            frame = FrameEntity(rows=50, columns=((XSS, "float64"), ("y", "float64")), tag=BOLD)
            read = StageEvent(StageKind.READ, BOLD, "read", "read", frames={"": frame})
            fit = StageEvent(
                StageKind.FIT, XSS, XSS, XSS, inputs={"data": frame}, fitted={"": TransformerEntity(facts)},
                hyperparameters={XSS: BOLD}, metrics={XSS: 0.25 + number},
            )  # fmt: skip
            events = [read, fit] if state == "success" else [read]
            run = record(
                store.catalogue, XSS, XSS, events, state=state, run_type=run_type, error=BOLD, author=XSS,
                description=BOLD, environment={XSS: BOLD}, started_at=1000.0 + number,
            )  # fmt: skip
            ModelDB(store).tags.add("run", run, BOLD)
        yield from served(store)


def model_of(site: StandAlone, type_name: str) -> int:
    runs = [run.id for run in ModelDB(site.store).search("").runs]
    found = ModelDB(site.store).explore.main_models(runs)
    return next(item.id for items in found.values() for item in items if item.type_name == type_name)


def test_metrics_hyperparameters_and_facts_are_those_recorded(site: StandAlone, open_page: Callable[..., Any]) -> None:
    model = model_of(site, "LogisticRegression")
    page = open_page(site, f"/mistique/app/models/{model}")
    page.get_by_role("heading", name="LogisticRegression").first.wait_for()
    found = ModelDB(site.store).browse.model(model)
    for name, values in found.metrics.items():
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True)).first
        assert row.get_by_role("cell").all_inner_texts() == [f"{value:.4f}" for value in values.values()]
    assert found.spec is not None
    page.get_by_role("heading", name=f"Hyperparameters ({len(found.spec.hyperparameters)})").wait_for()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="C", exact=True))
    assert row.get_by_role("cell").inner_text() == "0.3000"
    text = page.locator("main").inner_text()
    [frame] = found.training_frames
    assert f"{frame.rows:,} rows" in text
    assert f"{len(found.facts.features)}" in text


def test_the_pipeline_has_a_node_for_each_stage_and_its_data(site: StandAlone, open_page: Callable[..., Any]) -> None:
    model = model_of(site, "GaussianNB")
    page = open_page(site, f"/mistique/app/models/{model}")
    page.get_by_text("The pipeline as a table").click()
    table = page.locator("details table")
    db = ModelDB(site.store)
    contents = db.browse.run(db.browse.model(model).run.id)
    for event in contents.events:
        row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name=f"Stage {event.name}", exact=True))
        assert f"Does: {event.label}" in row.inner_text()
    text = table.inner_text()
    for frame in contents.frames:
        assert f"Rows: {frame.rows:,}; Columns: {len(frame.columns)}" in text
    assert "Outcome: reused" in text
    for item in site.store.intermediates(project="attrition", model="naive_bayes").itertuples():
        row = table.get_by_role("row").filter(has_text=f"Data {item.intermediate}").first.inner_text()
        assert f"Logged: {format_bytes(item.logical_bytes)}" in row
        assert f"Added to the store: {format_bytes(item.stored_bytes)}" in row


def test_a_tap_shows_the_details_of_a_node(site: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(site, f"/mistique/app/models/{model_of(site, 'GaussianNB')}")
    page.locator("#model-graph canvas").first.wait_for()
    page.wait_for_function("() => document.getElementById('model-graph')?._cyreg?.cy?.nodes().length > 5")
    page.locator("#model-graph").scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    details = page.locator("#model-node").get_by_text("mistique_core.workflows.fit:FitStage")
    for _ in range(5):  # the page may still move while figures are laid out
        where = page.evaluate(
            """() => { const cy = document.getElementById('model-graph')._cyreg.cy;
                const place = cy.nodes().filter((node) => node.data('title') === 'Stage model')[0].renderedPosition();
                const box = document.getElementById('model-graph').getBoundingClientRect();
                return [box.x + place.x, box.y + place.y]; }"""
        )
        page.mouse.click(*where)
        page.wait_for_timeout(1_000)
        if details.count():
            break
    details.wait_for()


def test_similar_models_are_the_nearest_by_a_metric(site: StandAlone, open_page: Callable[..., Any]) -> None:
    db, model = ModelDB(site.store), model_of(site, "LogisticRegression")
    page = open_page(site, f"/mistique/app/models/{model}")
    rows = page.locator("#model-similar tbody tr")
    rows.first.wait_for()
    metric = page.locator("#model-similar thead th").last.inner_text()
    runs = {run.label: run for run in db.search("", columns=[f"metrics.{metric}"]).runs}
    mine = db.browse.model(model).run.label
    apart = {
        label: abs(run.metrics[metric] - runs[mine].metrics[metric]) for label, run in runs.items() if label != mine
    }
    shown = rows.locator("th").all_inner_texts()
    assert [apart[label] for label in shown] == sorted(apart.values())[: len(shown)]
    assert len(shown) == 8
    assert [float(text) for text in rows.locator("td.num").all_inner_texts()] == pytest.approx(
        [runs[label].metrics[metric] for label in shown], abs=1e-4
    )
    page.get_by_role("link", name="Compare these runs").click()
    page.get_by_role("heading", name="Comparison of 9 runs").wait_for()


def test_annotations_tags_life_and_metadata_are_written(odd: StandAlone, open_page: Callable[..., Any]) -> None:
    db = ModelDB(odd.store)
    model = model_of(odd, XSS)
    run = db.browse.model(model).run
    page = open_page(odd, f"/mistique/app/models/{model}")
    page.get_by_label("New annotation").fill(f"odd {XSS}")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("The annotation is added.").wait_for()
    [written] = db.annotations.of_model(model)
    assert written.text == f"odd {XSS} [model {model}]"
    assert written.author
    page.get_by_label("New tag").fill("baseline")
    page.get_by_role("button", name="Tag", exact=True).click()
    page.get_by_text("The tag is added.").wait_for()
    assert "baseline" in db.tags.of("run", run.id)
    page.get_by_role("button", name="Remove the tag baseline").click()
    page.get_by_text("The tag is removed.").wait_for()
    assert db.tags.of("run", run.id) == (BOLD,)
    page.locator("#model-life").click()
    page.get_by_text("production", exact=True).last.click()
    page.get_by_role("button", name="Move", exact=True).click()
    page.get_by_text("Moved to production.").wait_for()
    [label] = run.versions
    assert db.life_stages.of(label.project, label.model, label.version) == "production"
    page.get_by_label("JSON").fill(json.dumps({"owner": "ann", "size": 3, "trial": 1}))
    page.get_by_role("button", name="Save").click()
    page.get_by_text("'trial' is locked").wait_for()
    page.get_by_label("JSON").fill(json.dumps({"owner": "ann", "size": 3}))
    page.get_by_role("button", name="Save").click()
    page.get_by_text("The metadata are saved.").wait_for()
    assert db.metadata.get("model", model) == {"owner": "ann", "size": 3}
    page.get_by_label("JSON").fill('{"owner": "ann", "size": "three"}')
    page.get_by_role("button", name="Save").click()
    page.get_by_text("'size' was a number and would become a text").wait_for()
    page.get_by_label("JSON").fill("{")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("line 1, column 2").wait_for()
    assert db.metadata.get("model", model) == {"owner": "ann", "size": 3}


def test_coefficients_have_the_intervals_of_the_python_api(odd: StandAlone, open_page: Callable[..., Any]) -> None:
    model = model_of(odd, XSS)
    page = open_page(odd, f"/mistique/app/models/{model}")
    page.get_by_text("with 95 % confidence intervals").wait_for()
    page.wait_for_selector("#model-coefficients .plot-container")
    [shown] = page.evaluate(
        "() => document.querySelector('#model-coefficients .js-plotly-plot').data.map((t) => [t.x, t.error_x.array])"
    )
    interval = next(item for item in ModelDB(odd.store).compare.confidence_intervals(model, 0.05) if item.index == 1)
    assert list(shown[0]) == [2.0]
    assert list(shown[1]) == [pytest.approx(interval.high - 2.0)]


def test_no_text_becomes_html(odd: StandAlone, open_page: Callable[..., Any]) -> None:
    runs = ModelDB(odd.store).search("").runs
    addresses = [
        "/mistique/app/projects",
        "/mistique/app/projects/1",
        "/mistique/app/projects/1/models",
        "/mistique/app/models?group=tag",
        f"/mistique/app/models/{model_of(odd, XSS)}",
        f"/mistique/app/compare?runs={runs[0].id},{runs[1].id},{runs[2].id}&equal=1",
    ]
    for address in addresses:
        page = open_page(odd, address)
        page.get_by_text(XSS).first.wait_for()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("() => window.hacked === undefined")
        assert page.locator("main img[src=x]").count() == 0


def test_failed_runs_and_trials_are_said_to_be_so(odd: StandAlone, open_page: Callable[..., Any]) -> None:
    page = open_page(odd, "/mistique/app/models?columns=run_type")
    until_cells(page, "models-grid", "state", ["failed", "success", "success"])
    until_cells(page, "models-grid", "run_type", ["", "trial", ""])
    assert page.locator("#models-grid .badge.kind").all_inner_texts() == ["trial"]
    page = open_page(odd, "/mistique/app/projects/1")
    page.get_by_text("1 runs have none of these metrics").wait_for()
