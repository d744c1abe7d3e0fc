"""A fingerprint covers what a stage computes and on what, and nothing else."""

from pathlib import Path

import pandas as pd
import pytest

from mistique_core.lineage import library_versions, stage_fingerprint
from mistique_core.model import Stage
from mistique_core.workflows import FitStage, FunctionStage, ReadCsvStage, SplitStage, TransformStage

INPUT = {"data": "ab" * 32}
FOREST = "sklearn.ensemble.RandomForestClassifier"


def double(data: pd.DataFrame, by: int = 2) -> pd.DataFrame:
    """Multiply."""
    return pd.DataFrame(data * by)


def function_stage(by: int) -> FunctionStage:
    """Return a stage on one input."""
    return FunctionStage(double, {"data": {"$input": "data"}, "by": by})


PAIRS = {
    "seed of a split": (SplitStage(seed=0), SplitStage(seed=1)),
    "share of a split": (SplitStage(0.25), SplitStage(0.3)),
    "seed of a fit": tuple(FitStage(FOREST, "y", {"random_state": seed}) for seed in (0, 1)),
    "parameter": tuple(
        FitStage("sklearn.linear_model.LogisticRegression", "y", {"C": c, "random_state": 0}) for c in (1.0, 2.0)
    ),
    "transformer": tuple(TransformStage(f"sklearn.preprocessing.{n}Scaler") for n in ("Standard", "MinMax")),
    "argument": (function_stage(2), function_stage(3)),
    "operator": (SplitStage(), TransformStage("sklearn.preprocessing.StandardScaler")),
}


@pytest.mark.parametrize("case", PAIRS)
def test_different_stages_miss(case: str) -> None:
    """A rebuilt stage hits, a different one misses."""
    first, second = PAIRS[case]
    again: Stage = type(first).from_params(first.params())
    assert stage_fingerprint(first, INPUT) is not None
    assert stage_fingerprint(first, INPUT) == stage_fingerprint(again, INPUT)
    assert stage_fingerprint(first, INPUT) != stage_fingerprint(second, INPUT)


def test_input_content_and_name_count() -> None:
    """The same stage on other content, or with inputs in other places."""
    stage = SplitStage()
    prints = [stage_fingerprint(stage, inputs) for inputs in (INPUT, {"data": "cd" * 32}, {"other": "ab" * 32}, {})]
    assert len(set(prints)) == len(prints)
    swapped = [{"a": "11" * 32, "b": "22" * 32}, {"a": "22" * 32, "b": "11" * 32}]
    assert stage_fingerprint(stage, swapped[0]) != stage_fingerprint(stage, swapped[1])


@pytest.mark.parametrize(
    "stage",
    [
        SplitStage(seed=None),
        FitStage(FOREST, "y"),
        FunctionStage(double, {"data": {"$input": "data"}}, deterministic=False),
        FunctionStage(eval("lambda data: data"), {"data": {"$input": "data"}}),
    ],
    ids=["split", "fit", "function", "unreadable"],
)
def test_what_must_not_be_reused_has_none(stage: Stage) -> None:
    """Unseeded randomness and unreadable code are never equal to anything."""
    assert stage_fingerprint(stage, INPUT) is None


def test_a_file_counts_by_its_content(tmp_path: Path) -> None:
    """A copied file hits; a changed one misses."""
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("x\n1\n")
    second.write_text("x\n1\n")
    assert stage_fingerprint(ReadCsvStage(str(first)), {}) == stage_fingerprint(ReadCsvStage(str(second)), {})
    before = stage_fingerprint(ReadCsvStage(str(first)), {})
    first.write_text("x\n2\n")
    assert stage_fingerprint(ReadCsvStage(str(first)), {}) != before


def test_versions_of_named_libraries_are_recorded() -> None:
    """A function's own imports are found; absent packages are left out."""
    versions = library_versions((double,), ("numpy", "no_such_package"))
    assert versions["pandas"] == pd.__version__
    assert set(versions) >= {"numpy", "pandas"}
    assert "no_such_package" not in versions
