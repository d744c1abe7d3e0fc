"""Any order of logging, asking and reopening agrees with a dictionary in memory."""

import tempfile

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mistique_core import Mistique

MODELS, NAMES = st.sampled_from(["m", "n"]), st.sampled_from(["x", "y"])
COLUMN = st.lists(st.sampled_from([0.0, 1.5, float("nan"), -2.0]), min_size=7, max_size=7)


class StoreMachine(RuleBasedStateMachine):
    """A store beside a list of versions a model, each a dictionary of frames."""

    @initialize()
    def start(self) -> None:
        """Begin with an empty store."""
        self.folder = tempfile.TemporaryDirectory()
        self.versions: dict[str, list[dict[str, pd.DataFrame]]] = {}
        self.fresh: set[str] = set()
        self.store = Mistique.open(self.folder.name, block_rows=3)

    @rule(model=MODELS, name=NAMES, first=COLUMN, rows=st.integers(0, 7), text=st.booleans())
    def log(self, model: str, name: str, first: list[float], rows: int, text: bool) -> None:
        """Log a frame; a name that comes again, or a reopened store, starts the next version."""
        frame = pd.DataFrame({"a": first[:rows]}, dtype="f8").rename_axis("row_id")
        frame = frame.assign(b=frame["a"].astype("str")) if text else frame
        report = self.store.log_frame("p", model, name, frame)
        versions = self.versions.setdefault(model, [])
        if model not in self.fresh or name in versions[-1]:
            versions.append({})
            self.fresh.add(model)
        versions[-1][name] = frame
        assert report.ref.version == len(versions)

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        """Ask for any frame, by number or as the latest, whole or by some row ids."""
        model = data.draw(st.sampled_from(sorted(self.versions)))
        number = data.draw(st.integers(1, len(self.versions[model])))
        name = data.draw(st.sampled_from(sorted(self.versions[model][number - 1])))
        expected = self.versions[model][number - 1][name]
        latest = number == len(self.versions[model]) and data.draw(st.booleans())
        key = f"p.{model}.{name}" if latest else f"p.{model}@{number}.{name}"
        rows = data.draw(st.permutations(range(len(expected))).map(lambda order: order[: len(order) // 2 + 1]))
        pd.testing.assert_frame_equal(self.store.get_intermediates(key).frame, expected)
        wanted = np.array(rows, dtype=np.int64)
        some = self.store.get_intermediates(key, row_id=wanted).frame
        pd.testing.assert_frame_equal(some, expected.loc[wanted].rename_axis("row_id"))

    @rule()
    def reopen(self) -> None:
        """Close the store and open it again."""
        self.store.close()
        self.store = Mistique.open(self.folder.name, block_rows=3)
        self.fresh.clear()

    def teardown(self) -> None:
        """Compare the list of intermediates, then remove the store."""
        if not hasattr(self, "store"):
            return
        listed = self.store.intermediates()
        found = sorted(zip(listed["model"], listed["version"], listed["intermediate"], listed["rows"], strict=True))
        expected = [
            (model, number, name, len(frame))
            for model, versions in self.versions.items()
            for number, frames in enumerate(versions, start=1)
            for name, frame in frames.items()
        ]
        self.store.close()
        self.folder.cleanup()
        assert found == sorted(expected)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=10, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
)
