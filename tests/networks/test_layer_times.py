"""The record of a layer says when it ran: from the begin of its capture until it was stored."""

from __future__ import annotations

import time
from pathlib import Path

from mistique_core import Mistique
from mistique_core.modeldb.records import StageRecord
from mistique_core.modeldb.runs import find_run, list_runs
from tests.networks.architectures import cnn
from tests.networks.test_once_only import log, retrained


def newest_stages(store: Mistique) -> tuple[StageRecord, ...]:
    with store.catalogue.read() as connection:
        run = list_runs(connection).runs[0]
        found = find_run(connection, run.dag_id, run.run_id)
    assert found is not None
    return found.stages


def test_a_layer_ran_from_the_begin_of_its_capture_until_it_was_stored(tmp_path: Path) -> None:
    architecture = cnn()
    with Mistique.open(tmp_path) as store:
        before = time.time()
        first = log(store, architecture)
        after = time.time()
        stages = newest_stages(store)
        assert [item.name for item in stages] == [layer.name for layer in first.layers]
        computing = sum(item.exec_seconds or 0.0 for item in stages)
        assert computing > 0
        for item in stages:
            assert item.ended_at is not None
            assert before <= item.started_at <= item.ended_at <= after
            assert item.ended_at - item.started_at >= computing, "all of them ran meanwhile"


def test_what_is_taken_over_took_no_time_and_keeps_its_place(tmp_path: Path) -> None:
    architecture = cnn()
    with Mistique.open(tmp_path) as store:
        log(store, architecture)
        retrained(architecture, "probabilities")
        before = time.time()
        second = log(store, architecture)
        after = time.time()
        stages = newest_stages(store)
    assert [item.name for item in stages] == [layer.name for layer in second.layers]
    assert {item.is_reused for item in stages} == {True, False}
    for item in stages:
        assert item.ended_at is not None
        assert before <= item.started_at <= item.ended_at <= after
        assert (item.ended_at == item.started_at) == item.is_reused
