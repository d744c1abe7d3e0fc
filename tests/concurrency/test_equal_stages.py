"""Equal stages that start together in several processes: where they wait for each other, one is executed."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue import Catalogue
from mistique_core.catalogue.named_lock import FILES, named_lock
from mistique_core.catalogue.tables import stage

ROOT = Path(__file__).parents[2]


def run_together(
    folder: Path, url: str, *, processes: int = 2, waits: bool = True, fails: bool = False
) -> Counter[str]:
    """Return what the processes said, and how many failed."""
    location = folder / "store"
    Mistique.open(location, url).close()
    command = [sys.executable, "-m", "tests.concurrency.equal_stages", str(location), url, str(folder)]
    flags = [str(processes), "yes" if waits else "", "yes" if fails else ""]
    started = [
        subprocess.Popen(
            [*command, str(number), *flags], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for number in range(processes)
    ]
    said = Counter[str]()
    for process in started:
        out, err = process.communicate(timeout=120)
        said[out.strip() or err.strip().splitlines()[-1]] += 1
    return said


def executed(folder: Path, url: str) -> int:
    """Return how many stages were executed to their end."""
    with Mistique.open(folder / "store", url) as store, store.catalogue.read() as connection:
        query = sa.select(sa.func.count()).where(stage.c.reused_from.is_(None), stage.c.state == "success")
        return int(connection.execute(query).scalar_one())


def test_one_of_them_is_executed(catalogue_url: str, tmp_path: Path) -> None:
    assert run_together(tmp_path, catalogue_url, processes=3) == {"executed": 1, "reused": 2}
    assert executed(tmp_path, catalogue_url) == 1


def test_without_waiting_both_are(catalogue_url: str, tmp_path: Path) -> None:
    assert run_together(tmp_path, catalogue_url, waits=False) == {"executed": 2}
    assert executed(tmp_path, catalogue_url) == 2


def test_after_a_failure_the_next_one_is(catalogue_url: str, tmp_path: Path) -> None:
    said = run_together(tmp_path, catalogue_url, fails=True)
    assert said == {"executed": 1, "ZeroDivisionError: the first one fails": 1}


@pytest.fixture
def catalogue(catalogue_url: str) -> Iterator[Catalogue]:
    opened = Catalogue(catalogue_url, busy_seconds=0.2)
    yield opened
    opened.close()


def test_one_holder_at_a_time_however_long_it_holds(catalogue: Catalogue) -> None:
    """Longer than the catalogue waits for locks of its own."""
    spans: list[tuple[float, float]] = []

    def hold() -> None:
        with named_lock(catalogue, "a name"):
            begin = time.monotonic()
            time.sleep(0.5)
            spans.append((begin, time.monotonic()))

    threads = [threading.Thread(target=hold) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(spans) == 3
    ordered = sorted(spans)
    assert all(before[1] <= after[0] for before, after in pairwise(ordered))


def test_it_is_free_again_after_an_error(catalogue: Catalogue) -> None:
    with pytest.raises(ZeroDivisionError), named_lock(catalogue, "a name"):
        raise ZeroDivisionError
    with named_lock(catalogue, "a name"):
        pass


def test_files_do_not_pile_up(tmp_path: Path) -> None:
    catalogue = Catalogue(f"sqlite:///{tmp_path / 'catalogue.db'}")
    for number in range(3 * FILES):
        with named_lock(catalogue, f"name {number}"):
            pass
    assert 1 < len(list((tmp_path / "catalogue.db.locks").iterdir())) <= FILES
