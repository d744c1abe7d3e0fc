"""A store that runs of stages filled, and the command as a person would type it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.cli import context
from mistique_core.cli.main import main
from mistique_core.workflows import ReadCsvStage, SplitStage

ODD_MODEL = "[bold]x[/bold]"
ODD_COLUMN = "[red]:bug:"


@pytest.fixture(scope="session")
def houses() -> pd.DataFrame:
    """Return the table that the pipelines start from; more rows than a command prints."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "rooms": rng.integers(1, 6, 50),
            "price": np.round(rng.normal(100, 30, 50), 3),
            "town": rng.choice(["Ghent", "Bruges | Brugge"], 50),
        }
    )
    frame.loc[3, "price"] = np.nan
    return frame.rename_axis("row_id")


@pytest.fixture(scope="session")
def location(tmp_path_factory: pytest.TempPathFactory, houses: pd.DataFrame) -> Path:
    """Return the folder of the filled store."""
    folder = tmp_path_factory.mktemp("cli")
    csv = folder / "houses.csv"
    houses.to_csv(csv, index=False)
    with Mistique.open(folder / "store") as store:
        for model in ("linear", "linear", "forest"):
            with store.run("homes", model) as run:
                source = run.stage("source", ReadCsvStage(str(csv))).outputs[""]
                run.stage("parts", SplitStage(0.5, 0 if model == "linear" else 1, None), {"data": source})
        changed = houses.assign(price=houses["price"].round(0))
        store.log_frame("homes", "forest", "source", changed)
        store.log_frame("odd", ODD_MODEL, ":bug:", pd.DataFrame({ODD_COLUMN: [1.5, 2.5]}))
    return folder / "store"


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide terminal and no settings of the person who runs the tests."""
    monkeypatch.setattr(context.console, "width", 250)
    for name in ("MISTIQUE_HOME", "MISTIQUE_CATALOGUE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def mistique(location: Path) -> Callable[..., int]:
    """Return a function that runs the command on the filled store and gives its exit status."""
    return lambda *arguments: main(["--store", str(location), *arguments])
