"""Every system gives back what was stored, and the benchmark's check notices when one does not."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.store_table import READERS, WRITERS, Question, questions, separate
from benchmarks.table_systems import Ours, Parquet
from benchmarks.zillow_stages import run_stages
from mistique_core.workflows.zillow import properties

STAGES = ("read", "join", "combine")


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    return {name: frame for name, frame in run_stages(properties(700)) if name in STAGES}


@pytest.mark.parametrize("kind", dict.fromkeys((*WRITERS, *READERS)), ids=lambda kind: kind.__name__)
def test_answers_are_what_was_stored(kind, frames, tmp_path):
    system = kind(tmp_path / "system")
    system.start()
    system.begin()
    for stage, frame in frames.items():
        system.write(stage, frame)
    system.finish()
    assert system.stored_bytes() > 10_000
    reader = system.reader(STAGES)
    try:
        for several in questions(frames, {"column": 12, "rows": 6, "frame": 3}, 1).values():
            for question in several:
                question.check(question.ask(reader), kind)
    finally:
        reader.close()


@pytest.mark.parametrize("kind", [Ours, Parquet])
def test_the_check_notices_wrong_values(kind, frames):
    expected = frames["read"]
    question = Question("read", expected, lambda reader: None)
    question.check(expected.copy(), kind)
    for name in ("taxamount", "propertycountylandusecode"):
        wrong = expected.copy()
        first = np.flatnonzero(expected[name].notna())[0]
        wrong.loc[first, name] = 1.5 if name == "taxamount" else "wrong"
        with pytest.raises(AssertionError):
            question.check(wrong, kind)
    with pytest.raises(AssertionError):
        question.check(expected.iloc[::-1], kind)


def test_separate_frames_share_neither_arrays_nor_strings(frames):
    for frame in frames.values():
        copy = separate(frame)
        pd.testing.assert_frame_equal(copy, frame)
        assert not np.shares_memory(copy["yearbuilt"].to_numpy(), frame["yearbuilt"].to_numpy())
    copy = separate(frames["read"])["propertycountylandusecode"]
    pairs = zip(copy, frames["read"]["propertycountylandusecode"], strict=True)
    assert not any(mine is other for mine, other in pairs if isinstance(mine, str) and len(mine) > 1)
