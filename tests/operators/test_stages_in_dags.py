"""Stage operators and ``@task.stage`` in DAGs that Airflow runs in this process, with its real database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError
from mistique_core.model.ref import ref_from_json
from mistique_core.modeldb.records import RunDetail
from mistique_core.modeldb.runs import find_run

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]

RunDag = Callable[..., Any]


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    from tests.operators.sample_dags import CALLS, write_csv

    CALLS.names.clear()
    return write_csv(tmp_path)


@pytest.fixture
def houses(csv: Path) -> pd.DataFrame:
    return pd.read_csv(csv).rename_axis("row_id")


def recorded(home: Path, dag_run: Any) -> RunDetail:
    with Mistique.open(home) as store, store.catalogue.read() as connection:
        detail = find_run(connection, dag_run.dag_id, dag_run.run_id)
    assert detail is not None
    return detail


def xcoms(dag_run: Any) -> dict[tuple[str, int, str], Any]:
    """Return what the tasks of a run pushed, as it lies in Airflow's database."""
    import sqlalchemy as sa
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    query = sa.select(XComModel).where(XComModel.dag_id == dag_run.dag_id, XComModel.run_id == dag_run.run_id)
    with create_session(scoped=False) as session:
        found = session.scalars(query).all()
        return {(row.task_id, row.map_index, row.key): XComModel.deserialize_value(row) for row in found}


def test_operators(run_dag: RunDag, home: Path, csv: Path, houses: pd.DataFrame) -> None:
    """The values equal scikit-learn's, XCom holds references only, and a second run reuses every stage."""
    from tests.operators.sample_dags import operators_dag

    dag = operators_dag(csv)
    first = run_dag(dag)
    assert first.state == "success"
    train, test = train_test_split(houses, test_size=0.25, random_state=0)
    model = LinearRegression().fit(train[["rooms", "area"]], train["price"])
    with Mistique.open(home) as store:
        source = store.get_intermediates("homes.linear.read").frame
        predictions = store.get_intermediates("homes.linear.predictions").frame
        mapped = {n: store.get_intermediates(f"homes.linear.mapped_{n}.area").frame["area"] for n in (0, 1)}
        names = set(store.intermediates("homes", "linear")["intermediate"])
        rerun = store.get_intermediates("homes.linear.predictions", strategy="rerun").frame
    pd.testing.assert_frame_equal(source, houses)
    assert set(predictions.index) == set(test.index)
    expected = pd.Series(model.predict(test[["rooms", "area"]]), index=test.index)
    pd.testing.assert_series_equal(predictions["prediction"], expected.loc[predictions.index], check_names=False)
    pd.testing.assert_frame_equal(rerun, predictions)
    for number, column in mapped.items():
        scaled = StandardScaler(with_std=number == 0).fit_transform(houses[["area"]])[:, 0]
        assert column.loc[houses.index].to_numpy() == pytest.approx(scaled)
    assert {"learn_scaled_train", "learn_scaled_test", "split_train", "split_test"} < names

    detail = recorded(home, first)
    stages = {(stage.name, stage.map_index): stage for stage in detail.stages}
    assert {stage.task_id for stage in detail.stages} == set(dag.task_ids)
    assert {index for name, index in stages if index >= 0} == {0, 1}
    assert {stage.state for stage in detail.stages} == {"success"}
    assert detail.run.metrics == {"r2": pytest.approx(r2_score(test["price"], expected.loc[test.index]))}
    assert detail.run.state == "success"

    for (task_id, _, key), value in xcoms(first).items():
        if key.startswith("_link") or task_id == "evaluate":
            continue
        values = [value] if "mistique_ref" in value else list(value.values())
        for item in values:
            assert ref_from_json(item).project == "homes"
            assert len(str(item)) < 200

    second = run_dag(dag)
    assert second.state == "success"
    again = recorded(home, second)
    assert again.run.reused == again.run.stages == len(detail.stages)
    assert again.run.stored_bytes == 0
    assert again.run.metrics == detail.run.metrics


def test_mapped_tasks_share_row_blocks(
    run_dag: RunDag, home: Path, csv: Path, houses: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.operators.sample_dags import CALLS, shared_dag

    monkeypatch.setenv("MISTIQUE_BLOCK_ROWS", "10")
    CALLS.names.clear()
    for version in (1, 2):
        dag_run = run_dag(shared_dag(csv))
        with Mistique.open(home) as store:
            expected = houses.assign(size=houses["area"] * 2.0)
            expected["mean"] = expected[["size", "rooms"]].mean(axis=1)
            found = store.get_intermediates(f"homes.linear@{version}.means.*").to_pandas()
            pd.testing.assert_frame_equal(found, expected, check_names=False, check_exact=True)
            few = store.get_intermediates(f"homes.linear@{version}.few.price").to_pandas()
            assert few["price"].tolist() == (houses["price"] * 0.5).tolist()
            stages = [(stage.name, stage.map_index, stage.state) for stage in recorded(home, dag_run).stages]
        shared = [("sized", number) for number in range(3)] + [("means", number) for number in range(2)]
        assert sorted(stages) == sorted(
            [*((*place, "success") for place in shared), ("read", -1, "success"), ("few", -1, "success")]
        )
    assert CALLS.names.count("add_column") == 3, "one call a task; the second run takes over what they made"


def test_reuse_can_be_switched_off(run_dag: RunDag, home: Path, csv: Path) -> None:
    """For a run by its conf, for a DAG by its arguments; nothing is stored twice even then."""
    from tests.operators.sample_dags import short_dag

    runs = [
        run_dag(short_dag(csv)),
        run_dag(short_dag(csv)),
        run_dag(short_dag(csv), {"mistique_reuse": False}),
        run_dag(short_dag(csv, reuse=False)),
    ]
    found = [recorded(home, item).run for item in runs]
    assert [run.state for run in found] == ["success"] * 4
    assert [run.reused for run in found] == [0, 2, 0, 0]
    assert [run.stored_bytes > 0 for run in found] == [True, False, False, False]


def test_decorated_functions(run_dag: RunDag, home: Path, csv: Path, houses: pd.DataFrame) -> None:
    """References nested in lists and dicts become frames; a mapped function is a stage an element."""
    from tests.operators.sample_dags import CALLS, decorated_dag

    dag = decorated_dag(csv)
    first = run_dag(dag)
    assert first.state == "success"
    assert sorted(CALLS.names) == ["add_column", "joined", "scale_by 2", "scale_by 3"]
    with Mistique.open(home) as store:
        added = store.get_intermediates("homes.linear.add_column").frame
        joined = store.get_intermediates("homes.linear.joined").frame
        scaled = {n: store.get_intermediates(f"homes.linear.scale_by_{n}").frame for n in (0, 1)}
        rerun = store.get_intermediates("homes.linear.joined", strategy="rerun").frame
    pd.testing.assert_frame_equal(added, houses.assign(size=houses["area"] * 2.0))
    pd.testing.assert_frame_equal(joined, houses[["rooms"]] + 10)
    pd.testing.assert_frame_equal(rerun, joined)
    for number, frame in scaled.items():
        pd.testing.assert_frame_equal(frame, houses[["price"]] * (number + 2))
    calls = list(CALLS.names)
    second = run_dag(dag)
    assert second.state == "success"
    assert calls == CALLS.names
    assert recorded(home, second).run.reused == recorded(home, first).run.stages == 6


def test_what_can_be_rerun_is_let_go_at_the_end(run_dag: RunDag, home: Path, csv: Path, houses: pd.DataFrame) -> None:
    """The policy applies to this run, and answers stay."""
    from tests.operators.sample_dags import thrifty_dag

    dag_run = run_dag(thrifty_dag(csv))
    assert dag_run.state == "success"
    assert xcoms(dag_run)["let_go", -1, "return_value"]["let_go"] == ["split_train", "split_test"]
    with Mistique.open(home) as store:
        listed = store.intermediates("homes", "linear").set_index("intermediate")["kept"].to_dict()
        assert listed == {"read": True, "split_train": False, "split_test": False}
        store.gc(grace_seconds=0)
        parts = [store.get_intermediates(f"homes.linear@1.split_{name}.*").to_pandas() for name in ("train", "test")]
    pd.testing.assert_frame_equal(pd.concat(parts).sort_index(), houses, check_names=False)


def test_a_run_that_failed_keeps_what_its_tasks_need_to_go_on(run_dag: RunDag, home: Path, csv: Path) -> None:
    """Once it has ended, the policy of the whole store decides."""
    from tests.operators.sample_dags import thrifty_dag

    dag_run = run_dag(thrifty_dag(csv, csv.with_name("missing.csv")))
    assert dag_run.state == "failed"
    with Mistique.open(home) as store:
        assert store.intermediates("homes", "linear")["kept"].all()
        report = store.materialize_all(policy="adaptive")
        assert report.let_go == ("homes.linear@1.split_train", "homes.linear@1.split_test")


def test_stages_by_name(run_dag: RunDag, home: Path, csv: Path, houses: pd.DataFrame) -> None:
    """What workflow files can use, a DAG file can use too."""
    from operators import NamedStageOperator
    from tests.operators.sample_dags import PLACE, named_dag

    dag = named_dag(csv)
    assert dag.get_task("joined").operator_name == "Join"
    assert run_dag(dag).state == "success"
    with Mistique.open(home) as store:
        got = store.get_intermediates("homes.linear.joined.*").to_pandas()
    expected = houses[["price"]].assign(mean=(houses["rooms"] + houses["area"]) / 2, area=houses["area"])
    pd.testing.assert_frame_equal(got, expected, check_names=False)
    with pytest.raises(InvalidInputError, match="did you mean 'Join'"):
        NamedStageOperator(task_id="x", stage="Jion", **PLACE)


def test_a_stage_that_skips_itself(run_dag: RunDag, home: Path, csv: Path) -> None:
    """It did not fail: it is recorded as skipped, with its reason, and the run has succeeded."""
    from tests.operators.sample_dags import skipping_dag

    dag_run = run_dag(skipping_dag(csv))
    assert (dag_run.state, dag_run.get_task_instance("has_nothing_to_do").state) == ("success", "skipped")
    detail = recorded(home, dag_run)
    stages = {stage.name: stage for stage in detail.stages}
    assert (stages["read"].outcome, stages["has_nothing_to_do"].outcome) == ("executed", "skipped")
    assert stages["has_nothing_to_do"].error == "AirflowSkipException: nothing to do with 40 rows"
    assert stages["has_nothing_to_do"].ended_at is not None
    assert detail.run.error is None


def test_a_failing_stage(run_dag: RunDag, home: Path, csv: Path) -> None:
    """It is recorded with its error; what was committed before stays, and is not the latest version."""
    from tests.operators.sample_dags import failing_dag

    failed = run_dag(failing_dag(csv))
    assert failed.state == "failed"
    detail = recorded(home, failed)
    stages = {stage.name: stage for stage in detail.stages}
    assert (stages["read"].state, stages["refuses"].state) == ("success", "failed")
    assert stages["refuses"].error == "ZeroDivisionError: the stage refuses 40 rows"
    assert detail.run.state == "failed"
    with Mistique.open(home) as store:
        assert len(store.get_intermediates("homes.linear@1.read").frame) == 40
        with pytest.raises(KeyError, match="no complete version"):
            store.get_intermediates("homes.linear.read")


def test_a_dag_without_stages_is_not_recorded(run_dag: RunDag, home: Path) -> None:
    from tests.operators.sample_dags import plain_dag

    run = run_dag(plain_dag())
    assert run.state == "success"
    with Mistique.open(home) as store, store.catalogue.read() as connection:
        assert find_run(connection, run.dag_id, run.run_id) is None
