"""The thesis's listing in Spark and the same steps with scikit-learn leave records of the same structure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mistique_core import Mistique
from mistique_core.modeldb import ModelDB, autolog
from mistique_core.modeldb.record_document import record_document
from mistique_core.modeldb.reproduce.named_version import named_version
from tests.spark.credit_scripts import FEATURES, LABEL, SEED, plain_listing, with_sklearn, with_spark

TABLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "credit_default.csv"
ROWS = 30_000
TYPES = {"int": "int64", "double": "float64", "string": "str"}

# All that the records may differ in:
# 1. names of libraries: operators, types of stages and transformers, parameters, hyperparameters and their values
# 2. values: coefficients, importances, metrics, and the objective of each iteration, which only Spark keeps
# 3. rows: Spark does not count them unasked, and its shares are drawn row by row
# 4. Spark puts features into one vector column beside the others, and knows which columns it took for that
# 5. Spark's predictions stand beside the columns that they were made from, with the probabilities of all classes as one
#    column, and with their margins
VECTOR, MARGIN, PROBABILITY = "features", "rawPrediction", "probability"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The table with the name that the listing has for its label."""
    if not TABLE.is_file():
        pytest.skip("credit_default.csv is not beside the project")
    header, _, rows = TABLE.read_text().partition("\n")
    names = header.replace("default.payment.next.month", LABEL).replace('"', "")
    file = tmp_path_factory.mktemp("data") / "credit-default.csv"
    file.write_text(f"{names}\n{rows}")
    return str(file)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mistique]:
    with Mistique.open(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture(scope="module")
def recorded(spark: Any, store: Mistique, path: str) -> dict[str, Any]:
    """What the script with the calls of the thesis, which ``spark_sync@1`` is the record of, returned."""
    made = with_spark(store, spark, path, "spark_sync")
    with_sklearn(store, path, "sklearn")
    return made


def document(store: Mistique, model: str) -> dict[str, Any]:
    with store.catalogue.read() as connection:
        found = record_document(connection, named_version(connection, f"credit.{model}"))
    return {**found, "model": ""}


def structure(stages: dict[str, Any]) -> list[dict[str, Any]]:
    """A record without what records of two libraries may differ in, in the order of its stages."""
    kinds = {title: stage["kind"] for title, stage in stages.items()}

    def name(reference: Any) -> Any:
        title, _, output = str(reference).partition(".")
        return (kinds[title], output) if title in kinds else reference

    def columns(frame: dict[str, Any], kind: str) -> set[tuple[str, str]]:
        shown = {column: TYPES.get(dtype, dtype) for column, dtype in frame["columns"]}
        if kind == "predict":
            shown = {column.partition("_")[0]: "" for column in shown if column not in read or column == LABEL}
        return {item for item in shown.items() if item[0] not in (VECTOR, MARGIN)}

    (read,) = [
        dict(frame["columns"])
        for stage in stages.values()
        if stage["kind"] == "read"
        for frame in [stage["frames"][""]]
    ]
    order = ["read", "transform", "split", "fit", "predict", "metric"]
    return [
        {
            "kind": stage["kind"],
            "path": stage["params"].get("path"),
            "inputs": {key: name(given) for key, given in stage["inputs"].items()},
            "frames": {output: columns(frame, stage["kind"]) for output, frame in stage["frames"].items()},
            "shares": (stage["facts"] or {}).get("weights"),
            "label": stage["params"].get("label"),
            "models": {
                output: {
                    "problem": known["problem"],
                    "features": [feature for feature, _ in known["features"]] if stage["kind"] == "fit" else None,
                    "labels": known["labels"],
                    "predictions": {column.partition("_")[0] for column in known["predictions"]} - {MARGIN},
                    "terms": None
                    if known["linear"] is None
                    else [(term["index"], term["name"], term["target"]) for term in known["linear"]["terms"]],
                    "is_standardized": known["linear"] and bool(known["linear"]["is_standardized"]),
                    "trees": known["trees"],
                }
                for output, known in stage["models"].items()
            },
            "has_hyperparameters": bool(stage["hyperparameters"]),
            "metrics": sorted(stage["metrics"]),
            "measured": {key: name(value) for key, value in stage["measured"].items()},
            "part_of": stage["part_of"],
        }
        for stage in sorted(stages.values(), key=lambda stage: order.index(stage["kind"]))
    ]


def test_the_record_equals_that_of_scikit_learn(store: Mistique, recorded: dict[str, Any], path: str) -> None:
    ours, theirs = document(store, "spark_sync"), document(store, "sklearn")
    assert ours["project"] == theirs["project"] == "credit"
    found, expected = structure(ours["stages"]), structure(theirs["stages"])
    assert [stage["kind"] for stage in found] == ["read", "transform", "split", "fit", "predict", "metric"]
    for one, other in zip(found, expected, strict=True):
        assert one == other
    read, _, split, fit, _, metric = found
    assert read["path"] == path
    assert len(read["frames"][""]) == 25
    assert split["shares"] == pytest.approx([0.7, 0.3])
    assert set(split["frames"]) == {"train", "test"}
    assert fit["inputs"] == {"data": ("split", "train")}
    assert (fit["models"]["model"]["features"], fit["label"]) == (FEATURES, LABEL)
    assert metric["metrics"] == ["roc_auc"]
    assert metric["measured"] == {"data": ("split", "test"), "model": ("fit", "model")}


def test_the_values_are_those_of_the_script(store: Mistique, recorded: dict[str, Any]) -> None:
    stages = document(store, "spark_sync")["stages"]
    assert list(stages["randomSplit"]["facts"].values()) == [SEED, pytest.approx([0.7, 0.3])]
    fit = stages["LogisticRegression"]
    terms = fit["models"]["model"]["linear"]["terms"]
    model = recorded["model"]
    assert [term["coefficient"] for term in terms] == [model.intercept, *model.coefficients.toArray().tolist()]
    assert [value for _, value in fit["history"]["objective"]] == list(model.summary.objectiveHistory)
    assert stages["evaluate"]["metrics"] == {"roc_auc": recorded["metric"]}
    assert 0.55 < recorded["metric"] < 0.7
    assert fit["hyperparameters"]["maxIter"] == 100
    assert fit["params"]["params"] == {"labelCol": LABEL}
    assert stages["read_csv"]["params"]["options"] == {"header": True, "inferSchema": True}


def test_rows_are_counted_only_if_asked_for(store: Mistique, spark: Any, recorded: dict[str, Any], path: str) -> None:
    frames = {title: stage["frames"] for title, stage in document(store, "spark_sync")["stages"].items()}
    assert {frame["rows"] for made in frames.values() for frame in made.values()} == {None}
    with_spark(store, spark, path, "counted", count_rows=True)
    frames = {title: stage["frames"] for title, stage in document(store, "counted")["stages"].items()}
    assert frames["read_csv"][""]["rows"] == frames["VectorAssembler"][""]["rows"] == ROWS
    train, test = (frames["randomSplit"][name]["rows"] for name in ("train", "test"))
    assert train + test == ROWS
    assert train == recorded["train"].count()
    assert frames["predict"][""]["rows"] == test
    assert document(store, "sklearn")["stages"]["read_csv"]["frames"][""]["rows"] == ROWS


def test_autolog_of_the_plain_listing_leaves_the_same_record(
    store: Mistique, spark: Any, recorded: dict[str, Any], path: str
) -> None:
    with autolog("credit", "spark_auto", store=store):
        made = plain_listing(spark, path)
    assert document(store, "spark_auto") == document(store, "spark_sync")
    assert made["metric"] == recorded["metric"]
    assert made["predictions"].columns == recorded["predictions"].columns


def test_recording_changes_no_result(spark: Any, recorded: dict[str, Any], path: str) -> None:
    plain = plain_listing(spark, path)
    model = recorded["model"]
    assert type(plain["model"]) is type(model)
    assert plain["model"].coefficients == model.coefficients
    assert plain["model"].intercept == model.intercept
    assert plain["metric"] == recorded["metric"]
    assert plain["predictions"].schema == recorded["predictions"].schema
    chosen = ["ID", "prediction"]
    assert plain["predictions"].select(chosen).collect() == recorded["predictions"].select(chosen).collect()


def test_it_can_be_asked_about(store: Mistique, recorded: dict[str, Any]) -> None:
    db = ModelDB(store)
    ours, theirs = (_fitted(db, f"credit.{model}") for model in ("spark_sync", "sklearn"))
    assert {column.column for column in db.lineage.original_features(ours).columns} == set(FEATURES)
    steps = [step.event.label for step in db.lineage.extract_pipeline(ours)]
    assert steps == ["VectorAssembler", "LogisticRegression"]
    ancestry = db.lineage.model_ancestry(ours)
    assert [event.kind for event in ancestry.events] == ["read", "transform", "split"]
    assert db.compare.features(ours, theirs).shared == tuple(FEATURES)
    assert "C" in db.compare.hyperparameters(ours, theirs).only_2
    ranks = db.compare.feature_importances(ours, theirs)
    assert [rank.feature for rank in ranks] == FEATURES


def test_the_documented_listing_runs(spark: Any, store: Mistique, path: str, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "modeldb_clients.md").read_text()
    text = page[page.index("Its listing 4.3:") :]
    lines = text[text.index("    from mistique_core") : text.index("\n`autolog(")]
    code = textwrap.dedent(lines).replace('Syncer("Demo",', 'Syncer("credit", "documented", store=store,')
    names: dict[str, Any] = {"spark": spark, "path": path, "store": store, "folder": str(tmp_path / "model")}
    exec(code, names)
    ours, theirs = (document(store, model)["stages"] for model in ("documented", "spark_sync"))
    assert structure(ours) == structure(theirs)
    with store.catalogue.read() as connection:
        (saved,) = connection.exec_driver_sql("SELECT tag, filepath FROM transformer WHERE filepath IS NOT NULL").all()
    assert (saved.tag, saved.filepath) == ("all defaults", names["folder"])


def _fitted(db: ModelDB, label: str) -> int:
    """The model that a run fitted last."""
    with db._catalogue.read() as connection:
        version = named_version(connection, label)
        rows = connection.exec_driver_sql(
            "SELECT t.id FROM transformer t JOIN stage s ON s.id = t.stage_id "
            f"WHERE s.model_version_id = {version} AND s.kind = 'fit' ORDER BY t.id"
        ).all()
    return int(rows[-1][0])
