"""Keys that are suggested exist, and come in the order in which one writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.catalogue.entities import RunKey
from mistique_core.modeldb.browse import suggest_keys


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Mistique]:
    frame = pd.DataFrame(np.zeros((3, 3)), columns=["area", "rooms", "big area"])
    with Mistique.open(tmp_path / "store") as store:
        for version in range(2):
            with store.run("homes", "tree") as run:
                run.log_frame("features", frame.iloc[:, : 3 - version])
                run.log_frame("predictions", frame)
        with store.run("homes", "hidden", key=RunKey("airflow", "secret", "r1")) as run:
            run.log_frame("features", frame)
        yield store


def suggested(store: Mistique, text: str, **options: object) -> list[str]:
    with store.catalogue.read() as connection:
        return suggest_keys(connection, text, readable_dags=set(), **options)  # type: ignore[arg-type]


def test_intermediates_come_first_and_then_columns(store: Mistique) -> None:
    assert suggested(store, "") == ["homes.tree.features", "homes.tree.predictions"]
    assert suggested(store, "PRED") == ["homes.tree.predictions"]
    assert suggested(store, "PRED", whole=False) == ["homes.tree.predictions."]
    assert suggested(store, "homes.tree.predictions.") == [
        f"homes.tree.predictions.{name}" for name in ("area", "rooms", "big area")
    ]
    assert suggested(store, "homes.tree.predictions.area") == [
        "homes.tree.predictions.area",
        "homes.tree.predictions.big area",
    ]
    assert len(suggested(store, "", limit=1)) == 1
    assert suggested(store, "no such") == []


def test_a_version_may_be_named(store: Mistique) -> None:
    assert suggested(store, "homes.tree@1.features.") == [
        "homes.tree@1.features.area",
        "homes.tree@1.features.rooms",
        "homes.tree@1.features.big area",
    ]
    assert suggested(store, "homes.tree.features.") == ["homes.tree.features.area", "homes.tree.features.rooms"]
    assert suggested(store, "homes.tree@9.features.") == []


def test_what_may_not_be_seen_is_not_suggested(store: Mistique) -> None:
    assert suggested(store, "homes.hidden") == []
    assert suggested(store, "homes.hidden.features.") == []
    assert suggested(store, "homes.hidden@1.features.") == []
    with store.catalogue.read() as connection:
        assert suggest_keys(connection, "homes.hidden@1.features.", readable_dags={"secret"})
