"""Fitted estimators predict the same bits after a round trip, and equal fits have equal bytes."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from mistique_core.fitted import dump_fitted, load_fitted

X, Y = make_classification(120, 6, random_state=0)
MAKERS = {
    "logistic": lambda: LogisticRegression(C=0.5),
    "forest": lambda: RandomForestClassifier(7, max_depth=4, random_state=1),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=4, random_state=1),
    "tree": lambda: DecisionTreeRegressor(max_depth=3, random_state=1),
    "scaler": StandardScaler,
    "imputer": lambda: SimpleImputer(strategy="median"),
    "select": lambda: SelectKBest(f_classif, k=3),
    "pipeline": lambda: make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()),
    "xgboost": lambda: XGBClassifier(n_estimators=4, max_depth=3, random_state=1, n_jobs=1),
    "xgboost regressor": lambda: XGBRegressor(n_estimators=4, max_depth=3, random_state=1, n_jobs=1),
}


def fit(name: str) -> Any:
    """Return a fitted estimator."""
    return MAKERS[name]().fit(X, Y)


def answers(model: Any) -> list[bytes]:
    """Return the bits of everything that the model computes."""
    names = ("predict", "predict_proba", "transform", "decision_function")
    return [np.asarray(getattr(model, name)(X)).tobytes() for name in names if hasattr(model, name)]


@pytest.mark.parametrize("name", MAKERS)
def test_predictions_are_bit_equal(name: str) -> None:
    """What was stored is what was fitted."""
    model = fit(name)
    back = load_fitted(*dump_fitted(model))
    assert type(back) is type(model)
    assert answers(back) == answers(model)
    assert answers(model)


@pytest.mark.parametrize("name", MAKERS)
def test_equal_fits_have_equal_bytes(name: str) -> None:
    """A second identical fit is recognised as the same, and so is a loaded one."""
    form, data = dump_fitted(fit(name))
    assert dump_fitted(fit(name)) == (form, data)
    assert load_fitted(form, data) is not None


def test_another_fit_has_other_bytes() -> None:
    """The address of a model tells whether it was fitted differently."""
    first, second = (dump_fitted(LogisticRegression(C=c).fit(X, Y))[1] for c in (0.5, 0.6))
    assert first != second


PROGRAM = """
import sys
from pathlib import Path
from blake3 import blake3
import importlib.util
spec = importlib.util.spec_from_file_location("other", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from mistique_core.fitted import dump_fitted
print([blake3(dump_fitted(module.fit(name))[1]).hexdigest() for name in module.MAKERS])
"""


def test_bytes_are_equal_in_another_process() -> None:
    """Neither memory addresses nor hash seeds nor times reach the bytes."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, __file__], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == str([blake3(dump_fitted(fit(name))[1]).hexdigest() for name in MAKERS])
