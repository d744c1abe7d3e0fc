"""READ or RERUN: forced, impossible, cheaper, tied."""

import pytest

from mistique_core.cost import HostRates, Rate, StageCost
from mistique_core.errors import InvalidInputError, NotMaterializedError, RerunError
from mistique_core.planner import Facts, IntermediateFact, QueryPlan, StageFact, plan_target
from mistique_core.planner.plan import format_seconds

RATE = HostRates({"stored.plain": Rate(1e-3)})


def facts(*, stored: int = 1000, seconds: float = 2.0, kept: bool = True, obstacle: str | None = None) -> Facts:
    """Return source -> stage -> target; reading the target takes ``stored`` ms."""
    return Facts(
        {
            1: IntermediateFact(1, "p.m@1.source", None, True, 0, 0),
            2: IntermediateFact(2, "p.m@1.target", 10, kept, stored, 1),
        },
        {10: StageFact(10, "scale", StageCost(0.0, seconds, 5), (1,), obstacle)},
        RATE,
    )


def test_auto_takes_the_cheaper() -> None:
    """The estimates decide, and both are in the plan."""
    reading = plan_target(2, facts(stored=1000, seconds=2.0), "auto")
    assert (reading.strategy, reading.read_seconds, reading.rerun_seconds) == ("read", 1.0, 2.0)
    running = plan_target(2, facts(stored=3000, seconds=2.0), "auto")
    assert (running.strategy, running.stages, running.frontier) == ("rerun", (10,), (1,))


def test_a_tie_is_read() -> None:
    """Reading needs no user code."""
    plan = plan_target(2, facts(stored=2000, seconds=2.0), "auto")
    assert plan.read_seconds == plan.rerun_seconds
    assert plan.strategy == "read"


@pytest.mark.parametrize("strategy", ["read", "rerun"])
def test_forced(strategy: str) -> None:
    """A forced strategy is taken even where it is dearer."""
    dearer = facts(stored=9000, seconds=1.0) if strategy == "read" else facts(stored=1, seconds=9.0)
    plan = plan_target(2, dearer, strategy)
    assert plan.strategy == strategy
    assert "asked for" in plan.reason


def test_what_is_not_stored_is_run_again() -> None:
    """Without bytes only RERUN answers."""
    gone = facts(kept=False)
    assert plan_target(2, gone, "auto").strategy == "rerun"
    assert plan_target(2, gone, "auto").read_seconds is None
    with pytest.raises(NotMaterializedError, match="rerun"):
        plan_target(2, gone, "read")


def test_an_obstacle_leaves_reading() -> None:
    """A stage that must not run again says why."""
    blocked = facts(stored=10**9, seconds=0.001, obstacle="it draws random numbers")
    plan = plan_target(2, blocked, "auto")
    assert (plan.strategy, plan.rerun_seconds) == ("read", None)
    assert "random numbers" in plan.reason
    with pytest.raises(RerunError, match="random numbers"):
        plan_target(2, blocked, "rerun")
    with pytest.raises(NotMaterializedError, match="random numbers"):
        plan_target(2, facts(kept=False, obstacle="it draws random numbers"), "auto")


def test_what_was_logged_by_hand_is_read() -> None:
    """No stage is known that could produce it."""
    assert plan_target(1, facts(), "auto").strategy == "read"
    with pytest.raises(RerunError, match="by hand"):
        plan_target(1, facts(), "rerun")


def test_unknown_strategies_are_refused() -> None:
    """The message lists the known ones."""
    with pytest.raises(InvalidInputError, match="auto, read, rerun"):
        plan_target(2, facts(), "fast")


def test_explain_shows_both_estimates_and_the_way() -> None:
    """A person can check the choice."""
    target = plan_target(2, facts(stored=1000, seconds=2.0), "auto")
    text = QueryPlan((target,)).explain()
    for part in ("READ", "RERUN", format_seconds(1.0), format_seconds(2.0), "scale", "p.m@1.source", "p.m@1.target"):
        assert part in text
    measured = QueryPlan((target,), measured_seconds=0.25, verified=True).explain()
    assert format_seconds(0.25) in measured
    assert "equal to what was recorded" in measured
    assert "impossible" in QueryPlan((plan_target(1, facts(), "auto"),)).explain()


def test_several_targets_add_up() -> None:
    """A plan sums its targets; one impossible estimate makes the sum impossible."""
    plans = plan_target(2, facts(stored=1000), "read"), plan_target(2, facts(stored=500), "rerun")
    both = QueryPlan(plans)
    assert both.strategy == "mixed"
    assert both.read_seconds == sum(plan.read_seconds or 0 for plan in plans)
    assert both.rerun_seconds == sum(plan.rerun_seconds or 0 for plan in plans)
    assert QueryPlan((*plans, plan_target(1, facts(), "auto"))).rerun_seconds is None
