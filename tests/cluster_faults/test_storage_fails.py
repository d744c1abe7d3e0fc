"""An S3 that is slow, refuses, or whose answers are lost: a run takes longer, and nothing is lost or stored twice."""

from __future__ import annotations

import time

import pytest

from tests.cluster_faults.mending import MendedCluster, keep

pytestmark = pytest.mark.airflow

ROWS = 20_000


@pytest.mark.parametrize(
    ("model", "seed", "what", "faults"),
    [
        ("slow", 21, "S3 answers 0.5 s late", {"latency": 0.5}),
        ("refusing", 22, "S3 refuses 3 of 10 requests (503)", {"refused": 0.3}),
        ("losing", 23, "3 of 10 answers of S3 are lost after it has done what was asked", {"lost": 0.3}),
        ("cutting", 24, "3 of 10 answers of S3 end half-way", {"cut": 0.3}),
        ("all", 25, "all of these", {"latency": 0.2, "refused": 0.1, "lost": 0.1, "cut": 0.1}),
    ],
)
def test_a_run_over_a_bad_network(
    mended: MendedCluster, model: str, seed: int, what: str, faults: dict[str, float]
) -> None:
    before = dict(mended.network.counts)
    for name, share in faults.items():
        setattr(mended.network, name, share)
    began = time.monotonic()
    mended.trigger(model, seed=seed, rows=ROWS)
    mended.finish(model)
    seconds = time.monotonic() - began
    mended.network.mend()
    left = mended.check_intact(model, seed=seed, rows=ROWS)
    counts = {name: count - before.get(name, 0) for name, count in mended.network.counts.items()}
    assert sum(counts.values()) > 10
    for name in faults:
        assert name == "latency" or counts[name] > 0
    keep(what, {"seconds": seconds, "requests": counts, **left})


def test_a_network_that_is_down_for_a_while(mended: MendedCluster) -> None:
    """Longer than the client tries again by itself: then Airflow tries the task again."""
    mended.network.refused = 1.0
    began = time.monotonic()
    mended.trigger("down", seed=26)
    mended.wait_until(lambda: max(mended.tries("down").values(), default=0) >= 2, "a second try")
    mended.network.mend()
    mended.finish("down")
    left = mended.check_intact("down", seed=26)
    assert left["tries"] >= 1
    keep("S3 refuses everything until a task has failed", {"seconds": time.monotonic() - began, **left})
