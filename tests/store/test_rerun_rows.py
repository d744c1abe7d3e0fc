"""A few rows are re-run from a few rows, through stages that declare that they can be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.model import Need, Ref, Stage, StageResult

ROWS = 1_000
EXECUTED: list[tuple[str, dict[str, int]]] = []
"""(stage, rows of each input frame) of every execution, noted from outside of the stages' own code."""


class Source(Stage):
    is_source = True

    def params(self) -> dict[str, Any]:
        return {}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        values = np.random.default_rng(5).standard_normal((1_000, 3))
        ids = np.random.default_rng(6).permutation(5_000)[:1_000]
        index = pd.Index(ids.astype("i8"), name="row_id")
        return StageResult(frames={"": pd.DataFrame(values, columns=["a", "b", "c"], index=index)})


class Doubled(Stage):
    row_wise = True

    def params(self) -> dict[str, Any]:
        return {}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        return StageResult(frames={"": inputs["data"] * 2})


class Centred(Stage):
    def params(self) -> dict[str, Any]:
        return {}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        return StageResult(frames={"": inputs["data"] - inputs["data"].mean()})


class MeanOfOther(Stage):
    """Every row needs all of `other`, but only itself of `data`; the second output needs no `other`."""

    def params(self) -> dict[str, Any]:
        return {}

    def needs(self, output: str, inputs: Collection[str]) -> Mapping[str, Need]:
        other = Need.WHOLE if output == "sum" else Need.NOTHING
        return {"data": Need.ROWS, "other": other}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        return StageResult(frames={"sum": inputs["data"] + inputs["other"].mean(), "same": inputs["data"] + 0.0})

    def execute_rows(self, output: str, inputs: Mapping[str, Any], learned: Mapping[str, Any]) -> pd.DataFrame:
        if output == "sum":
            return inputs["data"] + inputs["other"].mean()
        return inputs["data"] + 0.0


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, int]]]:
    """Return the list of executions, which fills from here on."""
    executed: list[tuple[str, dict[str, int]]] = []

    def note(kind: type[Stage], method: str) -> None:
        original = getattr(kind, method)

        def noting(self: Stage, *args: Any) -> Any:
            inputs = args[0] if method == "execute" else args[1]
            executed.append((kind.__name__, {name: len(value) for name, value in inputs.items()}))
            return original(self, *args)

        monkeypatch.setattr(kind, method, noting)

    note(Doubled, "execute")
    note(Centred, "execute")
    note(MeanOfOther, "execute_rows")
    monkeypatch.setattr("mistique_core.engine.stage_loader.stage_code_hash", lambda stage: _CODE[type(stage)])
    return executed


_CODE: dict[type[Stage], str | None] = {}


@pytest.fixture
def store(tmp_path: Path) -> Mistique:
    store = Mistique.open(tmp_path / "store")
    with store.run("p", "m") as run:

        def add(name: str, stage: Stage, **inputs: Ref) -> dict[str, Ref]:
            return run.stage(name, stage, inputs).outputs

        source = add("source", Source())[""]
        doubled = add("doubled", Doubled(), data=source)[""]
        centred = add("centred", Centred(), data=source)[""]
        mixed = add("mixed", MeanOfOther(), data=doubled, other=centred)
        add("last", Doubled(), data=mixed["sum"])
        add("after_whole", Doubled(), data=centred)
    from mistique_core.lineage import stage_code_hash

    _CODE.update({kind: stage_code_hash(kind()) for kind in (Source, Doubled, Centred, MeanOfOther)})
    return store


NAMES = ("doubled", "centred", "mixed_sum", "mixed_same", "last", "after_whole")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wanted", ["ids", "range", "n_ex", "none of them"])
def test_rows_that_are_rerun_equal_those_that_are_read(store: Mistique, name: str, wanted: str) -> None:
    ids = store.get_intermediates("p.m.source.a", strategy="read").row_id
    options: dict[str, Any] = {
        "ids": {"row_id": ids[[700, 3, 42]]},
        "range": {"row_id": slice(100, 200)},
        "n_ex": {"n_ex": 7},
        "none of them": {"row_id": slice(6_000, 7_000)},
    }[wanted]
    expected = store.get_intermediates(f"p.m.{name}.*", strategy="read", **options).to_pandas()
    got = store.get_intermediates(f"p.m.{name}.*", strategy="rerun", **options).to_pandas()
    pd.testing.assert_frame_equal(got, expected, check_exact=True)


def test_only_the_wanted_rows_are_given_to_the_stages(store: Mistique, noted: list[tuple[str, dict[str, int]]]) -> None:
    ids = store.get_intermediates("p.m.source.a", strategy="read").row_id[:4]
    store.get_intermediates("p.m.doubled.a", row_id=ids, strategy="rerun")
    assert noted == [("Doubled", {"data": 4})]
    noted.clear()
    store.get_intermediates("p.m.mixed_same.a", row_id=ids, strategy="rerun")
    assert noted[-1] == ("MeanOfOther", {"data": 4})
    noted.clear()
    store.get_intermediates("p.m.mixed_sum.a", row_id=ids, strategy="rerun")
    assert noted[-1] == ("MeanOfOther", {"data": 4, "other": ROWS})
    noted.clear()
    store.get_intermediates("p.m.centred.a", row_id=ids, strategy="rerun")
    assert noted == [("Centred", {"data": ROWS})]


def test_values_decide_about_rows_only_when_they_are_there(
    store: Mistique, noted: list[tuple[str, dict[str, int]]]
) -> None:
    """A predicate needs all rows."""
    result = store.get_intermediates("p.m.doubled.a", where=("a", ">", 1.0), strategy="rerun")
    assert noted == [("Doubled", {"data": ROWS})]
    assert result.plan.verified is True
    assert len(result.row_id) < ROWS


class Shy(Stage):
    """Makes rows from rows, but not from none."""

    row_wise = True

    def params(self) -> dict[str, Any]:
        return {}

    def needs(self, output: str, inputs: Collection[str]) -> Mapping[str, Need]:
        return dict.fromkeys(inputs, Need.ROWS)

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        if any(frame.empty for frame in inputs.values()):
            raise ValueError("there are no rows")
        other = inputs["other"]["a"].reindex(inputs["data"].index)
        return StageResult(frames={"": inputs["data"].assign(other=other)})


class FirstHundred(Stage):
    def params(self) -> dict[str, Any]:
        return {}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        return StageResult(frames={"": inputs["data"].iloc[:100]})


def test_rows_that_cannot_be_made_alone_are_made_with_all(store: Mistique) -> None:
    with store.run("p", "shy") as run:
        source = run.stage("source", Source()).outputs[""]
        part = run.stage("part", FirstHundred(), {"data": source}).outputs[""]
        run.stage("beside", Shy(), {"data": source, "other": part})
    ids = store.get_intermediates("p.shy.source.a", strategy="read").row_id[[500, 900]]
    expected = store.get_intermediates("p.shy.beside.*", row_id=ids, strategy="read").to_pandas()
    got = store.get_intermediates("p.shy.beside.*", row_id=ids, strategy="rerun").to_pandas()
    pd.testing.assert_frame_equal(got, expected, check_exact=True)


def test_the_plan_says_that_only_rows_are_made(store: Mistique) -> None:
    ids = store.get_intermediates("p.m.source.a", strategy="read").row_id[:4]
    some = store.explain("p.m.last.a", row_id=ids)
    every = store.explain("p.m.last.a")
    assert "for the wanted rows" in some.explain()
    assert "for the wanted rows" not in every.explain()
