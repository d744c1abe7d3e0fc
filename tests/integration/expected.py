"""The cancer pipelines in plain pandas, scikit-learn and XGBoost: what the project's answers must equal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

LABEL = "target"
ESTIMATORS: dict[str, Any] = {
    "logistic_regression": lambda: LogisticRegression(C=1.0, random_state=0),
    "random_forest": lambda: RandomForestClassifier(n_estimators=100, random_state=0),
    "xgboost": lambda: XGBClassifier(n_estimators=100, max_depth=4, random_state=0),
}


@dataclass(frozen=True)
class Expected:
    """Every frame of a pipeline by intermediate name, and its metrics."""

    frames: dict[str, pd.DataFrame]
    metrics: dict[str, float]


@cache
def expected(model: str) -> Expected:
    frames = {"read": load_breast_cancer(as_frame=True).frame}
    train, test = train_test_split(frames["read"], test_size=0.25, random_state=0, stratify=frames["read"][LABEL])
    frames |= {"split_train": train, "split_test": test}
    features = [name for name in train.columns if name != LABEL]
    for stage, step in (("imputed", SimpleImputer(strategy="median")), ("scaled", StandardScaler())):
        step.fit(train[features])
        train, test = (
            pd.DataFrame(step.transform(frame[features]), index=frame.index, columns=features).assign(
                **{LABEL: frame[LABEL]}
            )
            for frame in (train, test)
        )
        frames |= {f"{stage}_train": train, f"{stage}_test": test}
    best = SelectKBest(k=12).fit(train[features], train[LABEL])
    features = [*best.get_feature_names_out()]
    train, test = train[[*features, LABEL]], test[[*features, LABEL]]
    frames |= {"selected_train": train, "selected_test": test}
    estimator = ESTIMATORS[model]().fit(train[features], train[LABEL])
    probability = estimator.predict_proba(test[features])
    predictions = pd.DataFrame(
        {
            "prediction": estimator.predict(test[features]),
            "probability_0": probability[:, 0],
            "probability_1": probability[:, 1],
            LABEL: test[LABEL],
        },
        index=test.index,
    )
    frames["predictions"] = predictions
    truth = predictions[LABEL]
    metrics = {
        "accuracy": accuracy_score(truth, predictions["prediction"]),
        "f1": f1_score(truth, predictions["prediction"]),
        "roc_auc": roc_auc_score(truth, predictions["probability_1"]),
    }
    return Expected(frames, metrics)
