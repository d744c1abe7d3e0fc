"""Runs that MLflow itself recorded are imported as MLflow's own client tells them."""

import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.modeldb.mlflow_events import typed
from mistique_core.modeldb.mlflow_import import MlflowReport, import_mlflow
from mistique_core.modeldb.mlflow_run import MlflowFormatError
from mistique_core.modeldb.records import RunDetail
from mistique_core.modeldb.runs import find_run
from tests.mlflow_files import file_client

ROOT = Path(__file__).parents[3]
SCHEMA = '{"mlflow_colspec": [{"name": "age", "type": "long"}, {"name": "default", "type": "boolean"}]}'


@pytest.fixture
def store(catalogue_url: str, tmp_path: Path) -> Iterator[Mistique]:
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        yield store


@pytest.fixture
def mlruns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return tmp_path / "mlruns"


def make_run(mlruns: Path, experiment: str = "credit", **create: object) -> str:
    """Return a run of everything that MLflow records."""
    client = file_client(mlruns)
    found = client.get_experiment_by_name(experiment)
    owner = client.create_experiment(experiment) if found is None else found.experiment_id
    tags = {
        "mlflow.user": "ann",
        "mlflow.source.git.commit": "a1b2c3",
        "mlflow.note.content": "the first",
        "team": "risk",
    }
    run_id = client.create_run(owner, run_name="forest", tags=tags, start_time=1_700_000_000_123, **create).info.run_id
    for name, value in {"depth": 7, "rate": 0.1, "warm": True, "solver": "lbfgs", "a/b": "x\ny"}.items():
        client.log_param(run_id, name, value)
    for count, (step, value) in enumerate(((0, 3.0), (5, 2.0), (5, 1.5), (20, 1.0), (-2, 9.0))):
        client.log_metric(run_id, "loss", value, step=step, timestamp=1_700_000_001_000 + count)
    client.log_metric(run_id, "size", 12)
    client.log_metric(run_id, "gone", float("nan"))
    client.log_metric(run_id, "endless", float("inf"))
    train = Dataset("credit", "aaaa", "local", '{"uri": "/data/train.csv"}', schema=SCHEMA, profile='{"num_rows": 30}')
    test = Dataset("held_out", "bbbb", "local", "somewhere")
    uses = [(train, "training"), (test, "eval")]
    client.log_inputs(run_id, [DatasetInput(item, [InputTag("mlflow.data.context", use)]) for item, use in uses])
    bound = Metric("auc", 0.75, 1_700_000_002_000, 0, dataset_name="held_out", dataset_digest="bbbb")
    client.log_batch(run_id, metrics=[bound])
    client.log_text(run_id, "hello", "notes/a.txt")
    client.set_terminated(run_id, "FINISHED", end_time=1_700_000_003_500)
    return str(run_id)


def rows(store: Mistique, query: str) -> list[list[object]]:
    with store.catalogue.read() as connection:
        return [list(row) for row in connection.execute(sa.text(query))]


def detail_of(store: Mistique, experiment: str, run_id: str) -> RunDetail:
    with store.catalogue.read() as connection:
        found = find_run(connection, experiment, run_id)
    assert found is not None
    return found


def counts(report: MlflowReport) -> tuple[int, int, int, int, int]:
    return tuple(map(len, vars(report).values()))  # type: ignore[return-value]


def test_a_run_is_what_the_client_says(store: Mistique, mlruns: Path) -> None:
    run_id = make_run(mlruns)
    report = import_mlflow(store, mlruns, project="bank")
    assert {key: str(value) for key, value in report.recorded.items()} == {run_id: "bank.credit@1"}
    told = file_client(mlruns).get_run(run_id)
    run = detail_of(store, "credit", run_id).run
    assert run.hyperparameters == {"depth": 7, "rate": 0.1, "warm": True, "solver": "lbfgs", "a/b": "x\ny"}
    assert {name: str(value) for name, value in run.hyperparameters.items()} == told.data.params
    assert run.metrics == {name: value for name, value in told.data.metrics.items() if not math.isnan(value)}
    assert set(told.data.metrics) - set(run.metrics) == {"gone"}
    assert (run.source, run.state, run.experiment) == ("mlflow", "success", "credit")
    assert (run.started_at, run.ended_at) == (told.info.start_time / 1000, told.info.end_time / 1000)
    heads = "SELECT author, description, code_version FROM experiment_run"
    assert rows(store, heads) == [["ann", "the first", "a1b2c3"]]
    with store.catalogue.read() as connection:
        metadata = connection.execute(sa.text("SELECT metadata FROM experiment_run")).scalar_one()
    assert "risk" in str(metadata)
    assert "notes/a.txt" in str(metadata)


def test_curves(store: Mistique, mlruns: Path) -> None:
    """Steps with gaps and below 0; of two values of a step the later one counts."""
    run_id = make_run(mlruns)
    import_mlflow(store, mlruns)
    query = "SELECT n.name, h.step, h.value FROM history h JOIN value_name n ON n.id = h.name_id ORDER BY h.step"
    found = rows(store, query)
    told = {point.step: point.value for point in file_client(mlruns).get_metric_history(run_id, "loss")}
    assert found == [["loss", step, told[step]] for step in (-2, 0, 5, 20)]
    assert told[5] == 1.5


def test_steps_that_do_not_fit_are_counted(store: Mistique, mlruns: Path) -> None:
    client = file_client(mlruns)
    run_id = client.create_run("0").info.run_id
    for step in (1_700_000_000_000, 1_700_000_000_500):
        client.log_metric(run_id, "loss", step, step=step)
    import_mlflow(store, mlruns)
    assert rows(store, "SELECT step, value FROM history ORDER BY step") == [[0, 1.7e12], [1, 1_700_000_000_500]]
    (fit,) = [item for item in detail_of(store, "Default", run_id).stages if item.kind == "fit"]
    assert fit.facts["renumbered_steps"] == ["loss"]


def test_datasets(store: Mistique, mlruns: Path) -> None:
    """With rows, columns and place; a metric knows its own; a fit takes what was not only measured on."""
    run_id = make_run(mlruns)
    import_mlflow(store, mlruns)
    stages = {item.name: item for item in detail_of(store, "credit", run_id).stages}
    (train,), (test,) = stages["credit"].frames, stages["held_out"].frames
    assert (train.tag, train.filepath, train.rows, train.columns) == ("training", "/data/train.csv", 30, 2)
    assert (test.tag, test.filepath, test.rows, test.columns) == ("eval", "somewhere", None, None)
    assert [(item.name, item.label) for item in stages["fit"].inputs] == [("training", "credit")]
    assert stages["evaluate_held_out"].metrics == {"auc": 0.75}
    query = "SELECT f.tag FROM metric m JOIN data_frame f ON f.id = m.data_frame_id"
    assert rows(store, query) == [["eval"]]


def test_importing_again(store: Mistique, mlruns: Path) -> None:
    """Nothing changes; what has changed in MLflow is recorded anew as one version, what is new is added."""
    first = make_run(mlruns)
    client = file_client(mlruns)
    running = client.create_run(client.get_run(first).info.experiment_id).info.run_id
    client.log_param(running, "depth", 1)
    assert counts(import_mlflow(store, mlruns)) == (2, 0, 0, 0, 0)
    tables = ("experiment_run", "stage", "metric", "hyperparameter", "history", "data_frame", "transformer")
    before = [rows(store, f"SELECT * FROM {name} ORDER BY 1, 2") for name in tables]
    assert counts(import_mlflow(store, mlruns, project="elsewhere")) == (0, 0, 2, 0, 0)
    assert [rows(store, f"SELECT * FROM {name} ORDER BY 1, 2") for name in tables] == before
    assert detail_of(store, "credit", running).run.state == "running"
    client.log_metric(running, "auc", 0.5)
    client.set_terminated(running, "KILLED")
    make_run(mlruns)
    assert counts(import_mlflow(store, mlruns)) == (1, 1, 1, 0, 0)
    run = detail_of(store, "credit", running).run
    assert (run.state, run.metrics, len(run.versions)) == ("failed", {"auc": 0.5}, 1)
    assert run.error == "MLflow recorded the run as KILLED"
    assert counts(import_mlflow(store, mlruns)) == (0, 0, 3, 0, 0)


def test_nested_failed_and_deleted(store: Mistique, mlruns: Path) -> None:
    client = file_client(mlruns)
    parent = make_run(mlruns)
    owner = client.get_run(parent).info.experiment_id
    child = client.create_run(owner, tags={"mlflow.parentRunId": parent}).info.run_id
    client.set_terminated(child, "FAILED")
    deleted = client.create_run(owner).info.run_id
    client.delete_run(deleted)
    client.delete_experiment(client.create_experiment("old"))
    report = import_mlflow(store, mlruns)
    assert set(report.recorded) == {parent, child}
    why = "it was deleted in MLflow"
    assert report.skipped == [("experiment old", why), (f"run {deleted}", why)]
    run = detail_of(store, "credit", child).run
    assert (run.state, run.stages) == ("failed", 0)
    with store.catalogue.read() as connection:
        metadata = connection.execute(
            sa.text("SELECT metadata FROM experiment_run WHERE run_id = :run"), {"run": child}
        ).scalar_one()
    assert parent in str(metadata)


def test_the_saved_model(store: Mistique, mlruns: Path) -> None:
    """Its class where it is told, else what can load it; and its place."""
    client = file_client(mlruns)
    run_id = client.create_run("0").info.run_id
    saved = client.create_logged_model("0", name="line", source_run_id=run_id)
    client.log_outputs(run_id, [LoggedModelOutput(saved.model_id, 0)])
    place = Path(str(saved.artifact_location).removeprefix("file://"))
    place.mkdir(parents=True)
    (place / "MLmodel").write_text("flavors:\n  python_function: {}\n  sklearn: {code: null}\n")
    import_mlflow(store, mlruns)
    query = "SELECT type_name, filepath FROM transformer"
    assert rows(store, query) == [["sklearn", saved.artifact_location]]
    client.set_tag(run_id, "estimator_name", "LinearRegression")
    assert counts(import_mlflow(store, mlruns)) == (0, 1, 0, 0, 0)
    assert rows(store, query) == [["LinearRegression", saved.artifact_location]]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("metrics/loss", "12 x 1\n", "line 1 is '12 x 1', not milliseconds, value and step"),
        ("metrics/loss", "12 1 1\n1 2 3 4\n", "line 2 is '1 2 3 4'"),
        ("metrics/loss", "", "holds no value"),
        ("meta.yaml", "a: [", "this is not YAML"),
        ("meta.yaml", "!!python/object/apply:os.system [echo]", "this is not YAML"),
        ("meta.yaml", "- 1", "this holds no keys"),
        ("meta.yaml", "run_id: other\nstatus: 3\n", "run_id is 'other', not the name of its folder"),
        ("meta.yaml", "run_id: RUN\nstatus: 9\n", "status is 9; known: 1 (RUNNING)"),
        ("meta.yaml", "run_id: RUN\nstatus: 3\nstart_time: soon\n", "start_time is 'soon'"),
        ("meta.yaml", None, "cannot be read: No such file"),
        ("params/depth", b"\xff", "this is not UTF-8"),
    ],
)
def test_a_damaged_run(store: Mistique, mlruns: Path, file: str, text: str | bytes | None, message: str) -> None:
    """It is named, nothing of it is recorded, and the others are."""
    bad, good = make_run(mlruns), make_run(mlruns)
    (folder,) = mlruns.glob(f"*/{bad}")
    if text is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(text if isinstance(text, bytes) else text.replace("RUN", bad).encode())
    report = import_mlflow(store, mlruns)
    assert list(report.recorded) == [good]
    ((place, reason),) = report.failed
    assert place == str(folder)
    assert reason.startswith(f"{folder / file}: ")
    assert message in reason
    assert rows(store, "SELECT run_id FROM experiment_run") == [[good]]


def test_damaged_experiments_and_datasets(store: Mistique, mlruns: Path) -> None:
    run_id = make_run(mlruns)
    good = make_run(mlruns, "good")
    (folder,) = mlruns.glob(f"*/{run_id}")
    shutil.rmtree(folder.parent / "datasets")
    other = file_client(mlruns).create_experiment("other")
    (mlruns / other / "meta.yaml").write_text("experiment_id: '1'\n")
    report = import_mlflow(store, mlruns)
    assert list(report.recorded) == [good]
    assert [Path(place).name for place, _ in report.failed] == [other, run_id]
    assert "the key name is missing" in report.failed[0][1]


def test_files_of_early_versions(store: Mistique, mlruns: Path) -> None:
    """MLflow 0.9: run_uuid, metrics without steps, the model among the artifacts."""
    folder = mlruns / "0" / "abc1"
    for part in ("metrics", "params", "tags", "artifacts/model"):
        (folder / part).mkdir(parents=True)
    (mlruns / "0" / "meta.yaml").write_text("experiment_id: 0\nname: Default\nartifact_location: x\n")
    (folder / "meta.yaml").write_text(
        "run_uuid: abc1\nname: old\nstatus: 3\nstart_time: 1000\nend_time: 3000\nuser_id: u\n"
    )
    (folder / "metrics" / "rmse").write_text("1000 0.5\n2000 0.25\n")
    (folder / "artifacts" / "model" / "MLmodel").write_text("flavors:\n  python_function: {}\n  xgboost: {}\n")
    import_mlflow(store, mlruns)
    run = detail_of(store, "Default", "abc1").run
    assert (run.metrics, run.seconds) == ({"rmse": 0.25}, 2.0)
    assert rows(store, "SELECT type_name, tag FROM transformer") == [["xgboost", "old"]]


def test_refused(store: Mistique, mlruns: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no MLflow experiment in"):
        import_mlflow(store, tmp_path)
    make_run(mlruns)
    assert counts(import_mlflow(store, tmp_path, experiment="Default")) == (0, 0, 0, 0, 0)
    with pytest.raises(NotFoundError, match="did you mean 'credit'"):
        import_mlflow(store, mlruns, experiment="credits")
    with pytest.raises(InvalidInputError, match="separate the parts of a key"):
        import_mlflow(store, mlruns, project="a.b")


def test_a_database(store: Mistique, mlruns: Path, tmp_path: Path) -> None:
    """What MLflow keeps in SQLite is recorded as what it keeps in files."""
    first = make_run(mlruns)
    import_mlflow(store, mlruns)
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path; from mlflow import MlflowClient\n"
        "import tests.unit.modeldb.test_mlflow_import as made\n"
        "client = MlflowClient(tracking_uri='sqlite:///' + sys.argv[1])\n"
        "made.file_client = lambda _: client\n"
        "print(made.make_run(Path()))\n"
        "client.delete_experiment(client.create_experiment('old'))\n"
    )
    database = tmp_path / "mlflow.db"
    command = [sys.executable, "-c", script, str(database), str(ROOT)]
    # The artifacts of a run in a database go below the working folder.
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=tmp_path)
    second = done.stdout.split()[-1]
    before = database.read_bytes()
    assert counts(import_mlflow(store, database)) == (1, 0, 0, 1, 0)
    assert counts(import_mlflow(store, f"sqlite:///{database}")) == (0, 0, 1, 1, 0)
    assert database.read_bytes() == before
    one, two = (detail_of(store, "credit", run_id) for run_id in (first, second))
    assert (one.run.metrics.keys(), one.run.hyperparameters) == (two.run.metrics.keys(), two.run.hyperparameters)
    assert two.run.metrics["endless"] == math.inf
    assert (two.run.started_at, two.run.ended_at) == (one.run.started_at, one.run.ended_at)
    steps = "SELECT h.step, h.value FROM history h WHERE h.stage_id = {} ORDER BY h.step"
    fits = [next(item.id for item in detail.stages if item.kind == "fit") for detail in (one, two)]
    assert rows(store, steps.format(fits[0])) == rows(store, steps.format(fits[1]))
    frames = [sorted((f.tag, f.filepath, f.rows) for s in detail.stages for f in s.frames) for detail in (one, two)]
    assert frames[0] == frames[1]


@pytest.mark.parametrize(
    ("content", "message"), [(b"no database", "file is not a database"), (b"", "lacks the tables")]
)
def test_no_database(store: Mistique, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "mlflow.db").write_bytes(content)
    with pytest.raises(MlflowFormatError, match=message):
        import_mlflow(store, tmp_path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("0.1", 0.1),
        ("1e-05", 1e-05),
        ("1.0", 1.0),
        ("True", True),
        ("false", False),
        ("007", "007"),
        ("00.5", "00.5"),
        ("nan", "nan"),
        ("1e999", "1e999"),
        ("None", "None"),
        ("", ""),
        ("1_000", "1_000"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("[1]", "[1]"),
    ],
)
def test_typed(text: str, value: object) -> None:
    found = typed(text)
    assert (found, type(found)) == (value, type(value))
