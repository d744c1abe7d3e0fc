"""What a trial tries: a cell, something drawn, or what the trials before it suggest; and when it should stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.search.sampler import choose_parameters, should_prune
from mistique_core.workflows.search.trial import COMPLETE, FAILED, PRUNED, RUNNING, Trial
from mistique_core.workflows.specification import SearchSpec
from tests.unit.workflows.search.samples import GRID, search_of

SPACE = "{depth: {low: 1, high: 20}, share: {low: 0.001, high: 1, log: true}, leaf: [8, 1, 3]}"


@pytest.fixture
def grid(tmp_path: Path) -> SearchSpec:
    return search_of(tmp_path, GRID)


@pytest.fixture
def bayesian(tmp_path: Path) -> SearchSpec:
    return search_of(tmp_path, f"{{method: bayesian, trials: 30, parameters: {SPACE}, objective: accuracy, seed: 3}}")


def test_a_grid_tries_every_cell_once(grid: SearchSpec) -> None:
    tried = [choose_parameters(grid, number, []) for number in range(1, 5)]
    assert tried == [{"depth": d, "leaf": n} for d in (1, 3) for n in (1, 8)]
    for number in (0, 5):
        with pytest.raises(InvalidInputError, match="give 1 to 4"):
            choose_parameters(grid, number, [])


def test_random_takes_no_combination_twice(tmp_path: Path) -> None:
    text = "{method: random, trials: 6, parameters: {depth: [1, 2, 3], leaf: [1, 2]}, objective: accuracy, seed: %d}"
    orders = []
    for seed in (0, 1):
        search = search_of(tmp_path, text % seed)
        tried = [tuple(choose_parameters(search, number, []).values()) for number in range(1, 7)]
        assert len(set(tried)) == 6
        orders.append(tried)
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_random_depends_on_number_and_seed_alone(tmp_path: Path) -> None:
    text = f"{{method: random, trials: 30, parameters: {SPACE}, objective: accuracy}}"
    search = search_of(tmp_path, text)
    tried = [choose_parameters(search, number, []) for number in range(1, 31)]
    history = [done(number, params, 0.5) for number, params in enumerate(tried[:10], start=1)]
    assert choose_parameters(search, 11, history) == tried[10]
    shares = [item["share"] for item in tried]
    assert len(set(shares)) == 30
    assert all(0.001 <= share <= 1 for share in shares)
    assert 8 <= sum(share < 0.0316 for share in shares) <= 22  # half of them: its logarithm is what is drawn evenly
    assert all(type(item["depth"]) is int and 1 <= item["depth"] <= 20 and item["leaf"] in (1, 3, 8) for item in tried)


def done(number: int, params: dict[str, Any], value: float | None, state: str = COMPLETE, **kwargs: Any) -> Trial:
    return Trial(number, f"s/trial-{number}", params, state, objective=value, **kwargs)


def quality(params: dict[str, Any]) -> float:
    """Best at depth 15, a share of 0.1 and leaf 3."""
    leaf = {1: 0.3, 3: 0.0, 8: 0.6}[params["leaf"]]
    return 1 - abs(params["depth"] - 15) / 20 - abs(params["share"] - 0.1) - leaf


def test_bayesian_learns_from_the_trials_before(bayesian: SearchSpec) -> None:
    history: list[Trial] = []
    for number in range(1, 31):
        params = choose_parameters(bayesian, number, history)
        history.append(done(number, params, quality(params)))
    values = [trial.objective or 0.0 for trial in history]
    assert sum(values[20:]) / 10 > sum(values[:10]) / 10 + 0.1
    again = choose_parameters(bayesian, 30, history[:-1])
    assert again == history[-1].params
    turned = [done(trial.number, dict(trial.params), -quality(dict(trial.params))) for trial in history[:-1]]
    assert choose_parameters(bayesian, 30, turned) != again


def test_trials_that_run_count_and_those_that_failed_do_not(bayesian: SearchSpec) -> None:
    history = [
        done(number, params, quality(params))
        for number in range(1, 16)
        for params in [choose_parameters(bayesian, number, [])]
    ]
    alone = choose_parameters(bayesian, 20, history)
    running = [done(number, alone, None, RUNNING) for number in (16, 17, 18, 19)]
    assert choose_parameters(bayesian, 20, [*history, *running]) != alone
    failed = [done(number, alone, None, FAILED) for number in (16, 17, 18, 19)]
    assert choose_parameters(bayesian, 20, [*history, *failed]) == alone


def test_trials_of_another_space_are_passed_over(bayesian: SearchSpec) -> None:
    strange = [
        done(1, {"depth": 99, "share": 0.1, "leaf": 3}, 1.0),
        done(2, {"depth": 3, "share": 0.1, "leaf": 4}, 1.0),
        done(3, {"depth": 3, "share": "x", "leaf": 3}, 1.0),
        done(4, {"depth": 3}, 1.0),
    ]
    assert choose_parameters(bayesian, 20, strange) == choose_parameters(bayesian, 20, [])


@pytest.mark.parametrize(("direction", "better"), [("maximize", 0.9), ("minimize", 0.1)])
def test_a_trial_below_the_median_stops(tmp_path: Path, direction: str, better: float) -> None:
    search = search_of(tmp_path, GRID.replace("folds: 3", f"folds: 3, prune: true, direction: {direction}"))
    params = {"depth": 1, "leaf": 1}
    others = [done(n, params, value, folds=(value,) * 3) for n, value in enumerate((0.4, 0.5, 0.6), start=1)]
    worse = 1 - better
    assert should_prune(search, params, [worse], others)
    assert not should_prune(search, params, [better], others)
    assert not should_prune(search, params, [better, worse], others), "its best mean so far is what counts"
    assert not should_prune(search, params, [worse], others[:2]), "two trials are too few to compare with"
    stopped = [done(n, params, None, PRUNED, folds=(0.5,)) for n in (1, 2, 3)]
    assert not should_prune(search, params, [worse], stopped)


def test_without_optuna(tmp_path: Path, bayesian: SearchSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(InvalidInputError, match=r"install 'mistique-airflow\[search\]'"):
        choose_parameters(bayesian, 1, [])
    assert choose_parameters(search_of(tmp_path, GRID), 1, []) == {"depth": 1, "leaf": 1}


def test_optuna_speaks_as_before(bayesian: SearchSpec) -> None:
    import optuna

    before = optuna.logging.get_verbosity()
    choose_parameters(bayesian, 1, [])
    assert optuna.logging.get_verbosity() == before
