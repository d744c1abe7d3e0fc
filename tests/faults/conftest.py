"""The stores that operations start from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.works import Work


@pytest.fixture(scope="session")
def start_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Work], Path]:
    """Return the folder of the store that a work starts from: made once, to be copied and never changed."""
    made: dict[Callable[[Path], None], Path] = {}

    def start(work: Work) -> Path:
        if work.prepare not in made:
            made[work.prepare] = tmp_path_factory.mktemp("start")
            work.prepare(made[work.prepare])
        return made[work.prepare]

    return start
