"""An answer over several intermediates says how each was obtained, and what all of it took."""

import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.diagnostics import svcca, topk
from mistique_core.diagnostics.reading import joined_plan
from mistique_core.planner import Fetched, QueryPlan


def test_every_intermediate_is_in_the_plan(models: Mistique, predictions: pd.DataFrame) -> None:
    result = topk(models, "p.models.y.a", 3, columns="p.half.y.town", where="p.models.y.flag==true")
    assert {target.label for target in result.plan.targets} == {"p.models@1.y", "p.half@1.y"}
    assert result.plan.strategy == "read"
    assert "p.half@1.y: READ because" in result.plan.explain()
    maps = svcca(models, "p.net.conv", "p.net.deep", variance=0.5)
    assert {target.label for target in maps.plan.targets} == {"p.net@1.conv", "p.net@1.deep"}


def test_times_bytes_and_verdicts_are_joined() -> None:
    first = QueryPlan((), 0.5, True, Fetched(2, 100, 1))
    joined = joined_plan([first, QueryPlan((), 0.25, None, Fetched(1, 50)), QueryPlan(())])
    assert (joined.measured_seconds, joined.verified, joined.fetched) == (0.75, True, Fetched(3, 150, 1))
    assert joined_plan([first, QueryPlan((), 1.0, False)]).verified is False
    assert joined_plan([first]) is first


@pytest.mark.parametrize("strategy", ["read", "auto"])
def test_the_strategy_is_passed_on(models: Mistique, strategy: str) -> None:
    assert topk(models, "p.models.y.a", 3, strategy=strategy).plan.strategy == "read"  # type: ignore[arg-type]
