"""Processes that write, read and clean up one store at once; started by :mod:`tests.concurrency.test_crowd`."""

import contextlib
import faulthandler
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, MistiqueError

ROWS = 2500
GRACE_SECONDS = 3.0
BUSY_SECONDS = 100.0
PATIENCE_SECONDS = 60.0
"""How much longer a process that has done nothing yet may try, on a busy machine."""
PLAN = (("write", 8), ("read", 4), ("collect", 1), ("compact", 1))


def frame(seed: int) -> pd.DataFrame:
    """Return a frame with columns of its own, shared ones, and one that is similar to those of others."""
    pool = np.random.default_rng(seed % 4)
    similar = pool.normal(size=ROWS)
    own = np.random.default_rng(seed)
    similar[own.integers(0, ROWS, 40)] = 0.5
    town = pd.Categorical.from_codes(pool.integers(0, 2, ROWS), ["Ghent", f"Bruges {seed % 3}"])
    data = {"similar": similar, "shared": np.arange(ROWS) * (1.0 + seed % 5), "own": own.integers(0, 1000, ROWS)}
    return pd.DataFrame(data).assign(town=town).rename_axis("row_id")


class Manifest:
    """What is known to be committed, in a file that every process appends to and reads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, event: str, model: str, seed: int) -> None:
        """Append one line at once: ``logged``, or ``deleting`` before it begins."""
        line = json.dumps([event, model, seed]) + "\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def committed(self) -> dict[str, int]:
        """Return model -> seed of what is there and nobody has begun to delete."""
        found: dict[str, int] = {}
        text = self._path.read_text() if self._path.exists() else ""
        for event, model, seed in map(json.loads, text.splitlines()):
            if event == "logged":
                found[model] = seed
            else:
                found.pop(model, None)
        return found


@dataclass
class Member:
    """One process."""

    location: str
    url: str
    folder: Path
    number: int
    until: float

    def run(self, role: str) -> None:
        """Work until the time is over; report what was done, or what went wrong."""
        faulthandler.register(signal.SIGUSR1, (self.folder / f"stack-{os.getpid()}").open("w"))
        report: dict[str, Any] = {"role": role, "done": 0, "error": None}
        chance = random.Random(self.number)
        try:
            with Mistique.open(self.location, self.url, busy_seconds=BUSY_SECONDS, partition_bytes=24_000) as store:
                step: Callable[[Mistique, random.Random], int] = getattr(self, role)
                while time.time() < self.until or (not report["done"] and time.time() < self.until + PATIENCE_SECONDS):
                    report["done"] += step(store, chance)
        except BaseException:
            report["error"] = traceback.format_exc()
        (self.folder / f"report-{os.getpid()}.json").write_text(json.dumps(report))

    @property
    def _manifest(self) -> Manifest:
        return Manifest(self.folder / "manifest")

    def write(self, store: Mistique, chance: random.Random) -> int:
        """Log a frame; delete some earlier one of these."""
        seed = chance.randrange(1000)
        model = f"w{self.number}-{chance.randrange(10**9)}"
        store.log_frame("p", model, "x", frame(seed))
        self._manifest.add("logged", model, seed)
        mine = [name for name in self._manifest.committed() if name.startswith(f"w{self.number}-")]
        if len(mine) > 2 or chance.random() < 0.3:
            victim = chance.choice(mine)
            self._manifest.add("deleting", victim, 0)
            store.delete("p", victim)
        return 1

    def read(self, store: Mistique, chance: random.Random) -> int:
        """Read something that is committed; it may only be away if somebody began to delete it meanwhile."""
        known = self._manifest.committed()
        if not known:
            time.sleep(0.01)
            return 0
        model = chance.choice(sorted(known))
        expected = frame(known[model])
        try:
            if chance.random() < 0.5:
                answer = store.get_intermediates(f"p.{model}.x", strategy="read").frame
            else:
                expected = expected.iloc[chance.randrange(ROWS) :][:20]
                answer = store.get_intermediates(f"p.{model}.x", row_id=expected.index.to_numpy()).frame
        except MistiqueError:
            if model in self._manifest.committed():
                raise
            return 0
        assert answer.equals(expected), f"wrong values of {model}"
        return 1

    def collect(self, store: Mistique, _chance: random.Random) -> int:
        """Collect garbage; it is refused while a write is older than the grace period."""
        time.sleep(0.1)
        with contextlib.suppress(InvalidInputError):
            return len(store.gc(grace_seconds=GRACE_SECONDS).deleted_files)
        return 0

    def compact(self, store: Mistique, _chance: random.Random) -> int:
        """Merge small partitions."""
        time.sleep(0.3)
        report = store.compact()
        assert report.problems == (), report.problems
        return report.moved_chunks


def serve() -> None:
    """Fork all processes, wait for them, and print how each one ended."""
    location, url, folder, seconds = sys.argv[1:]
    until = time.time() + float(seconds)
    children: list[int] = []
    for role, count in PLAN:
        for _ in range(count):
            child = os.fork()
            if not child:
                Member(location, url, Path(folder), len(children), until).run(role)
                os._exit(0)
            children.append(child)
            print(child, flush=True)
    for child in children:
        os.waitpid(child, 0)
