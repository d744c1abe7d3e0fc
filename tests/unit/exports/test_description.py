"""What is said about an intermediate is what the store's own listing and the logged table say."""

from __future__ import annotations

from pathlib import Path

import pytest

from mistique_core import Mistique
from mistique_core.errors import NotFoundError
from mistique_core.exports.description import describe
from tests.unit.exports.conftest import MAPS, TABLE


def test_a_table_that_was_logged(home: Path) -> None:
    with Mistique.open(home) as store:
        described = describe(store, "p.m.x")
        listed = store.intermediates("p", "m").set_index("intermediate").loc["x"]
    assert (described.key, described.rows) == ("p.m@1.x", len(TABLE))
    assert [column.name for column in described.columns] == list(TABLE)
    assert described.logical_bytes == listed["logical_bytes"]
    assert described.stage is None
    assert described.run.source == "python"


def test_maps_and_lossy_columns(home: Path) -> None:
    with Mistique.open(home) as store:
        (exact, _), (lossy, _) = describe(store, "p.m.conv").columns, describe(store, "p.m.coarse").columns
    assert (exact.map_shape, exact.scheme, exact.max_abs_error) == (MAPS.shape[1:3], None, 0)
    assert lossy.max_abs_error > 0


def test_a_stage_with_its_inputs(home: Path) -> None:
    with Mistique.open(home) as store:
        stage = describe(store, "homes.linear.parts_train").stage
        source = describe(store, "homes.linear@1.source.price")
    assert stage is not None
    assert (stage.name, list(stage.inputs.values())) == ("parts", ["homes.linear@1.source"])
    assert stage.ended_at is not None
    assert stage.started_at <= stage.ended_at
    assert [column.name for column in source.columns] == ["price"]


def test_what_is_not_there(home: Path) -> None:
    with Mistique.open(home) as store, pytest.raises(NotFoundError, match="'y'"):
        describe(store, "p.m.y")
