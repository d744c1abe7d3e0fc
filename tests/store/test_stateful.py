"""Any order of logging, asking, deleting, maintaining and reopening agrees with dictionaries in memory."""

import sqlite3
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mistique_core import Mistique
from mistique_core.catalogue.tables import deleted_partition, partition
from mistique_core.maintenance import collect_garbage

MODELS, NAMES = st.sampled_from(["m", "n"]), st.sampled_from(["x", "y", "z"])
COLUMN = st.lists(st.sampled_from([0.0, 1.5, float("nan"), -2.0]), min_size=7, max_size=7)
HOUR = 3600.0
STORAGE_HALF = ("similar_band", "column_chunk", "column_version", "chunk", "partition", "deleted_partition")


class StoreMachine(RuleBasedStateMachine):
    """A store beside the frames that it should hold: model -> version -> name -> frame."""

    @initialize()
    def start(self) -> None:
        """Begin with an empty store."""
        self.folder = tempfile.TemporaryDirectory()
        self.frames: dict[str, dict[int, dict[str, pd.DataFrame]]] = {}
        self.filling: dict[str, int] = {}
        self.hours = 0.0
        self.has_deleted = False
        self.store = self.open()

    def open(self) -> Mistique:
        return Mistique.open(self.folder.name, block_rows=3, partition_bytes=3_000)

    @property
    def keys(self) -> list[tuple[str, int, str]]:
        """Everything that is there."""
        return [
            (model, number, name)
            for model, versions in sorted(self.frames.items())
            for number, frames in sorted(versions.items())
            for name in sorted(frames)
        ]

    @rule(model=MODELS, name=NAMES, first=COLUMN, rows=st.integers(0, 7), text=st.booleans(), town=st.booleans())
    def log(self, model: str, name: str, first: list[float], rows: int, text: bool, town: bool) -> None:
        """Log a frame."""
        frame = pd.DataFrame({"a": first[:rows]}, dtype="f8").rename_axis("row_id")
        frame = frame.assign(b=frame["a"].astype("str")) if text else frame
        self.put(model, name, frame.assign(c=pd.Categorical(first[:rows])) if town else frame)

    @precondition(lambda self: self.keys)
    @rule(data=st.data(), model=MODELS, name=NAMES, change=st.booleans())
    def log_again(self, data: st.DataObject, model: str, name: str, change: bool) -> None:
        """Log a frame that is stored already, or one that shares its columns."""
        owner, number, found = data.draw(st.sampled_from(self.keys))
        frame = self.frames[owner][number][found]
        self.put(model, name, frame.assign(more=np.arange(len(frame)) * 0.5) if change else frame)

    def put(self, model: str, name: str, frame: pd.DataFrame) -> None:
        """Log a frame; a name that comes again, a deletion, or a reopened store starts the next version."""
        report = self.store.log_frame("p", model, name, frame)
        versions = self.frames.setdefault(model, {})
        current = self.filling.get(model)
        if current is None or name in versions[current]:
            current = max(versions, default=0) + 1
            versions[current] = {}
            self.filling[model] = current
        versions[current][name] = frame
        assert report.ref.version == current

    @precondition(lambda self: self.keys)
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        """Ask for some rows of any frame, by number or as the latest."""
        model, number, name = data.draw(st.sampled_from(self.keys))
        expected = self.frames[model][number][name]
        is_latest = number == max(self.frames[model]) and data.draw(st.booleans())
        key = f"p.{model}.{name}" if is_latest else f"p.{model}@{number}.{name}"
        rows = data.draw(st.permutations(range(len(expected))).map(lambda order: order[: len(order) // 2 + 1]))
        wanted = np.array(rows, dtype=np.int64)
        some = self.store.get_intermediates(key, row_id=wanted).frame
        pd.testing.assert_frame_equal(some, expected.loc[wanted].rename_axis("row_id"))

    @precondition(lambda self: self.keys)
    @rule(data=st.data(), scope=st.sampled_from(["model", "version", "intermediate"]))
    def delete(self, data: st.DataObject, scope: str) -> None:
        """Delete a model, a version or an intermediate; the dry run knew how much that frees."""
        model, number, name = data.draw(st.sampled_from(self.keys))
        what = {
            "model": {},
            "version": {"version": number},
            "intermediate": {"version": number, "intermediate": name},
        }[scope]
        would = self.store.delete("p", model, **what, dry_run=True)
        assert self.store.delete("p", model, **what).freed_bytes == would.freed_bytes
        if scope == "intermediate":
            del self.frames[model][number][name]
        else:
            for gone in [number] if scope == "version" else list(self.frames[model]):
                del self.frames[model][gone]
            if not self.frames[model]:
                del self.frames[model]
        self.filling.pop(model, None)
        self.has_deleted = True

    @rule(hours=st.sampled_from([0.5, 5.0]))
    def wait(self, hours: float) -> None:
        """Let time pass for the garbage collector."""
        self.hours += hours

    @rule(grace_hours=st.sampled_from([0.0, 1.0, 6.0]))
    def gc(self, grace_hours: float) -> None:
        """Collect garbage; the dry run at the same moment says the same."""
        now, grace = time.time() + self.hours * HOUR, grace_hours * HOUR
        catalogue, backend = self.store.catalogue, self.store.backend
        would = collect_garbage(catalogue, backend, now=now, grace_seconds=grace, dry_run=True)
        did = collect_garbage(catalogue, backend, now=now, grace_seconds=grace)
        assert would.deleted_files == did.deleted_files
        assert (would.chunks, would.waiting_bytes) == (did.chunks, did.waiting_bytes)
        again = collect_garbage(catalogue, backend, now=now, grace_seconds=grace)
        assert (again.chunks, again.column_versions, again.partitions, again.deleted_files) == (0, 0, 0, ())
        with catalogue.read() as connection:
            known = set(connection.scalars(sa.select(partition.c.name)))
            waiting = set(connection.scalars(sa.select(deleted_partition.c.name)))
        assert set(backend.names()) == known | waiting
        assert grace_hours or not waiting

    @rule(max_dead=st.sampled_from([0.0, 0.3]))
    def compact(self, max_dead: float) -> None:
        """Compact; a second time there is nothing left to do."""
        self.store.compact(max_dead=max_dead)
        again = self.store.compact(max_dead=max_dead)
        assert (again.removed, again.written, again.moved_chunks, again.problems) == ((), (), 0, ())

    @rule()
    def rebuild(self) -> None:
        """Rebuild a catalogue that lacks nothing."""
        assert self.store.rebuild().problems == ()

    @precondition(lambda self: not self.has_deleted)
    @rule()
    def lose_and_rebuild(self) -> None:
        """Lose the storage half of the catalogue, and rebuild it."""
        plain = sqlite3.connect(Path(self.folder.name) / "catalogue.db")
        plain.executescript(";".join(f"DELETE FROM {name}" for name in STORAGE_HALF))
        plain.close()
        assert self.store.rebuild().problems == ()
        self.reopen()

    @rule()
    def read_all(self) -> None:
        """Verify every byte."""
        assert self.store.check(read_data=True).problems == ()

    @rule()
    def reopen(self) -> None:
        """Close the store and open it again."""
        self.store.close()
        self.store = self.open()
        self.filling.clear()

    @invariant()
    def everything_is_there(self) -> None:
        """The store is sound, and holds these frames and no others."""
        if not hasattr(self, "store"):
            return
        assert self.store.check().problems == ()
        listed = self.store.intermediates()
        found = sorted(zip(listed["model"], listed["version"], listed["intermediate"], strict=True))
        assert found == sorted(self.keys)
        for model, number, name in self.keys:
            read = self.store.get_intermediates(f"p.{model}@{number}.{name}").frame
            pd.testing.assert_frame_equal(read, self.frames[model][number][name])

    def teardown(self) -> None:
        """Remove the store."""
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)
