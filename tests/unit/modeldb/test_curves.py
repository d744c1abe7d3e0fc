"""Histories of runs together, as they were recorded."""

from __future__ import annotations

from contextlib import closing

from mistique_core.model.event import StageEvent, StageKind, TransformerEntity
from mistique_core.model.fit_facts import FitFacts
from mistique_core.modeldb import ModelDB
from mistique_core.modeldb.explore.curves import Curve
from tests.unit.modeldb.recording import empty_catalogue, record


def fit(name: str, parent: StageEvent | None = None, **history: tuple[float, ...]) -> StageEvent:
    model = TransformerEntity(FitFacts("Net", history=history))
    return StageEvent(StageKind.FIT, name, "fit", "fit", fitted={"": model}, parent=parent)


def test_curves_come_in_the_order_of_the_runs_and_parts_are_left_out(catalogue_url: str) -> None:
    with closing(empty_catalogue(catalogue_url)) as catalogue:
        first = record(catalogue, "p", "m", [fit("a", loss=(3.0, 2.0, 1.0), auc=(0.5, 0.75))])
        whole = StageEvent(StageKind.GRID_SEARCH, "search", "search", "search")
        second = record(catalogue, "p", "m", [whole, fit("part", whole, loss=(9.0,)), fit("b", loss=(4.0,))])
        third = record(catalogue, "p", "m")
        assert ModelDB(catalogue).explore.curves([second, first, third]) == (
            Curve(second, "b", "loss", (4.0,)),
            Curve(first, "a", "auc", (0.5, 0.75)),
            Curve(first, "a", "loss", (3.0, 2.0, 1.0)),
        )
        assert ModelDB(catalogue).explore.curves([]) == ()
