"""Row-wise stages that run row block by row block give what they give with all rows in memory, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from mistique_core import Mistique
from mistique_core.catalogue.tables import capture
from mistique_core.catalogue.tables import stage as stage_table
from mistique_core.errors import InvalidInputError
from mistique_core.workflows import FunctionStage
from mistique_core.workflows.avg import AvgStage
from mistique_core.workflows.drop_columns import DropColumnsStage
from mistique_core.workflows.predict import PredictStage

ROWS, BLOCK_ROWS = 1_050, 100


def source() -> pd.DataFrame:
    random = np.random.default_rng(5)
    frame = pd.DataFrame({f"c{number}": random.standard_normal(ROWS) for number in range(3)})
    frame.loc[frame.index % 7 == 0, "c1"] = np.nan
    return frame.assign(
        count=random.integers(0, 9, ROWS),
        kind=pd.Categorical(random.choice(["a", "b", "c"], ROWS)),
        text=[None if number % 400 == 3 else f"home {number}" for number in range(ROWS)],
        sold=pd.Timestamp("2016-01-01") + pd.to_timedelta(random.integers(0, 300, ROWS), unit="D"),
        maybe=pd.array([pd.NA if number > 900 else number for number in range(ROWS)], dtype="Int64"),
        flag=random.random(ROWS) > 0.5,
    ).set_index(pd.Index(random.permutation(ROWS) * 3, name="row_id"))


def adds(data: pd.DataFrame) -> pd.DataFrame:
    return data.drop(columns="c2").assign(total=data["c0"] + data["count"], upper=data["text"].str.upper())


def drops_rows(data: pd.DataFrame) -> pd.DataFrame:
    return data[data["c0"] > 0]


def drops_later_rows(data: pd.DataFrame) -> pd.DataFrame:
    return data[(data.index % 5 > 0) | (data["count"] < 9) & (data["maybe"].notna())]


def two_outputs(data: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {"high": data[data["c0"] > 0.3][["c0", "kind"]], "all": data[["text"]]}


def touches_all(data: pd.DataFrame) -> pd.DataFrame:
    return data.copy().set_axis(data.index).iloc[:, ::-1]


def sorts(data: pd.DataFrame) -> pd.DataFrame:
    return data.sort_values("c0")


def other_type(data: pd.DataFrame) -> pd.DataFrame:
    return data[["count"]].astype("float64" if (data["maybe"].isna()).any() else "int64")


def gives_metric(data: pd.DataFrame) -> dict[str, Any]:
    return {"frame": data[["c0"]], "mean": float(data["c0"].mean())}


def no_rows(data: pd.DataFrame) -> pd.DataFrame:
    return data[data["c0"] > 100]


def one_is_empty(data: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {"all": data[["c0"]] * 2, "none": data[data["c0"] > 100][["kind", "text"]]}


def joins(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"sum": left["c0"] + right["mean"], "kind": left["kind"]})


def fits(data: pd.DataFrame) -> DecisionTreeRegressor:
    return DecisionTreeRegressor(random_state=0).fit(data[["c0", "count"]], data["c2"])


def open_store(folder: Path, **config: Any) -> Mistique:
    return Mistique.open(folder, block_rows=BLOCK_ROWS, **config)


def run_stage(store: Mistique, function: Callable[..., Any], *, blocks: Any = None, name: str = "made") -> Any:
    with store.run("p", "m") as run:
        given = run.stage("source", FunctionStage(source, {}, deterministic=True)).outputs[""]
        stage, inputs = FunctionStage.bind(function, [given], {}, row_wise=True)
        return run.stage(name, stage, inputs, blocks=blocks)


def addresses(store: Mistique) -> list[tuple[str, bytes]]:
    with store.catalogue.read() as connection:
        rows = connection.execute(sa.text("SELECT name, address FROM intermediate ORDER BY name")).all()
    return [(str(row.name), bytes(row.address)) for row in rows]


@pytest.mark.parametrize(
    "function", [adds, drops_rows, drops_later_rows, two_outputs, touches_all, no_rows, one_is_empty]
)
def test_the_same_address_as_with_all_rows_in_memory(tmp_path: Path, function: Callable[..., Any]) -> None:
    whole, streamed = open_store(tmp_path / "whole"), open_store(tmp_path / "streamed", stream_bytes=0)
    expected, made = run_stage(whole, function), run_stage(streamed, function)
    assert addresses(streamed) == addresses(whole)
    assert made.logical_bytes == expected.logical_bytes
    for ref in made.outputs.values():
        key = f"p.m.{ref.intermediate}.*"
        found = streamed.get_intermediates(key, strategy="read").to_pandas()
        pd.testing.assert_frame_equal(found, whole.get_intermediates(key, strategy="read").to_pandas())
        assert streamed.get_intermediates(key, strategy="rerun").plan.verified
    assert streamed.check(read_data=True).problems == ()
    with streamed.catalogue.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(capture)) == 0


def test_that_it_ran_by_row_blocks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        run_stage(open_store(tmp_path / "store", stream_bytes=0), adds)
    assert "11 of 11 to do" in caplog.text


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (sorts, "another order"),
        (other_type, "float64 in the column 'count'"),
        (gives_metric, "mean besides frames"),
    ],
)
def test_what_cannot_be_streamed_runs_with_all_rows(
    tmp_path: Path, function: Callable[..., Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = open_store(tmp_path / "whole")
    streamed = open_store(tmp_path / "streamed", stream_bytes=0)
    run_stage(whole, function)
    with caplog.at_level("WARNING"):
        run_stage(streamed, function)
    assert why in caplog.text
    assert addresses(streamed) == addresses(whole)
    with streamed.catalogue.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(capture)) == 0
    assert streamed.check(read_data=True).problems == ()


def test_built_in_stages(tmp_path: Path) -> None:
    def pipeline(store: Mistique) -> None:
        with store.run("p", "m") as run:
            given = run.stage("source", FunctionStage(source, {}, deterministic=True)).outputs[""]
            mean = run.stage("mean", AvgStage(["c0", "c1"], "mean"), {"data": given}).outputs[""]
            few = run.stage("few", DropColumnsStage(["text", "kind", "sold", "maybe"]), {"data": mean}).outputs[""]
            run.stage("both", *FunctionStage.bind(joins, [mean, few], {}, row_wise=True))
            model = run.stage("fit", *FunctionStage.bind(fits, [few], {})).outputs["model"]
            run.stage("predictions", PredictStage(), {"model": model, "data": few})

    whole, streamed = open_store(tmp_path / "whole"), open_store(tmp_path / "streamed", stream_bytes=0)
    pipeline(whole)
    pipeline(streamed)
    assert addresses(streamed) == addresses(whole)


def test_row_blocks_by_several_tasks(tmp_path: Path) -> None:
    whole, store = open_store(tmp_path / "whole"), open_store(tmp_path / "store")
    run_stage(whole, adds)
    with store.run("p", "m") as run:
        given = run.stage("source", FunctionStage(source, {}, deterministic=True)).outputs[""]
        stage, inputs = FunctionStage.bind(adds, [given], {}, row_wise=True)
        last = run.stage("made", stage, inputs, blocks="3/3", map_index=2)
        again = run.stage("made", stage, inputs, blocks="3/3", map_index=2)
        first = run.stage("made", stage, inputs, blocks=[0, 4], map_index=0)
        assert (last.outputs, again.outputs, first.outputs) == ({}, {}, {})
        assert "p.m.made" not in {name for name, _ in addresses(store)}
        overlapping = run.stage("made", stage, inputs, blocks=[2, 8], map_index=1)
        (ref,) = overlapping.outputs.values()
        late = run.stage("made", stage, inputs, blocks=[0, 4], map_index=0)
    assert late.outputs == {"": ref}
    assert late.reused
    assert addresses(store) == addresses(whole)
    with store.run("p", "m") as run:  # another run takes over what these have made
        given = run.stage("source", FunctionStage(source, {}, deterministic=True)).outputs[""]
        taken = [
            run.stage("made", *FunctionStage.bind(adds, [given], {}, row_wise=True), blocks=f"{n}/2", map_index=n)
            for n in (1, 2)
        ]
    assert all(item.outputs[""].version == 2 for item in taken)
    assert all(item.reused for item in taken)
    assert len({item.outputs[""] for item in taken}) == 1
    assert store.check(read_data=True).problems == ()


def test_bytes_and_seconds_of_several_outputs(tmp_path: Path) -> None:
    whole, streamed = open_store(tmp_path / "whole"), open_store(tmp_path / "streamed", stream_bytes=0)
    run_stage(whole, two_outputs)
    run_stage(streamed, two_outputs)
    columns = ["intermediate", "stored_bytes"]
    expected, found = whole.intermediates("p")[columns], streamed.intermediates("p")[columns]
    for name in ("made_high", "made_all"):
        sizes = [int(item.loc[item["intermediate"] == name, "stored_bytes"].iloc[0]) for item in (expected, found)]
        assert sizes[1] == pytest.approx(sizes[0], rel=0.2)
    with streamed.catalogue.read() as connection:
        row = connection.execute(sa.select(stage_table).where(stage_table.c.name == "made")).one()
    assert row.load_seconds > 0
    assert row.exec_seconds > 0
    assert row.store_seconds > 0


def test_an_input_without_rows_is_shared_too(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    with store.run("p", "m") as run:
        given = run.stage("source", FunctionStage(source, {}, deterministic=True)).outputs[""]
        none = run.stage("none", *FunctionStage.bind(no_rows, [given], {}, row_wise=True)).outputs[""]
        item, inputs = FunctionStage.bind(adds, [none], {}, row_wise=True)
        refs = {run.stage("made", item, inputs, blocks=f"{n}/2", map_index=n).outputs[""] for n in (1, 2)}
    assert len(refs) == 1
    assert next(iter(refs)).rows == 0


def test_predictions_of_few_rows_are_one_call(tmp_path: Path) -> None:
    whole, streamed = open_store(tmp_path / "whole"), open_store(tmp_path / "streamed", stream_bytes=0)
    for store in (whole, streamed):
        with store.run("p", "m") as run:
            given = run.stage("source", FunctionStage(source, {}, deterministic=True)).outputs[""]
            model = run.stage("fit", *FunctionStage.bind(fits_line, [given], {})).outputs["model"]
            inputs = {"model": model, "data": given}
            run.stage("predictions", PredictStage(), inputs)
            if store is streamed:
                with pytest.raises(InvalidInputError, match="takes up to 4096 rows as a whole"):
                    run.stage("shared", PredictStage(), inputs, blocks="1/2")
    assert addresses(streamed) == addresses(whole)


def fits_line(data: pd.DataFrame) -> LinearRegression:
    return LinearRegression().fit(data[["c0", "c2", "count"]], data["c0"] * 0.1 + data["c2"])
