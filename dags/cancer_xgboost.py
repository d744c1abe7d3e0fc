"""Breast cancer, XGBoost: the same pipeline written as decorated functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import dag, task

if TYPE_CHECKING:
    import pandas as pd

PLACE = {"project": "cancer", "model": "xgboost"}
LABEL = "target"


@task.stage(**PLACE, deterministic=True)
def read() -> pd.DataFrame:
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer(as_frame=True).frame


@task.stage(**PLACE)
def split(data: pd.DataFrame, test_size: float, seed: int) -> dict[str, pd.DataFrame]:
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(data, test_size=test_size, random_state=seed, stratify=data[LABEL])
    return {"train": train, "test": test}


@task.stage(**PLACE)
def imputed(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, pd.DataFrame]:
    medians = train.drop(columns=LABEL).median()
    return {"train": train.fillna(medians), "test": test.fillna(medians)}


@task.stage(**PLACE)
def scaled(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().set_output(transform="pandas").fit(train.drop(columns=LABEL))
    frames = {
        name: scaler.transform(frame.drop(columns=LABEL)).assign(**{LABEL: frame[LABEL]})
        for name, frame in (("train", train), ("test", test))
    }
    return {**frames, "scaler": scaler}


@task.stage(**PLACE)
def selected(train: pd.DataFrame, test: pd.DataFrame, features: int) -> dict[str, pd.DataFrame]:
    from sklearn.feature_selection import SelectKBest

    best = SelectKBest(k=features).fit(train.drop(columns=LABEL), train[LABEL])
    columns = [*best.get_feature_names_out(), LABEL]
    return {"train": train[columns], "test": test[columns]}


@task.stage(**PLACE)
def fit(train: pd.DataFrame, trees: int, max_depth: int) -> Any:
    from xgboost import XGBClassifier

    model = XGBClassifier(n_estimators=trees, max_depth=max_depth, random_state=0)
    return model.fit(train.drop(columns=LABEL), train[LABEL])


@task.stage(**PLACE)
def predictions(model: Any, test: pd.DataFrame) -> pd.DataFrame:
    features = test[list(model.feature_names_in_)]
    probability = model.predict_proba(features)
    return test[[LABEL]].assign(
        prediction=model.predict(features), probability_0=probability[:, 0], probability_1=probability[:, 1]
    )


@task.stage(**PLACE)
def evaluate(data: pd.DataFrame) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

    return {
        "accuracy": accuracy_score(data[LABEL], data["prediction"]),
        "f1": f1_score(data[LABEL], data["prediction"]),
        "roc_auc": roc_auc_score(data[LABEL], data["probability_1"]),
    }


@dag(
    schedule=None,
    catchup=False,
    tags=["mistique", "cancer"],
    params={"features": 12, "trees": 100, "max_depth": 4},
    render_template_as_native_obj=True,
    doc_md=__doc__,
)
def cancer_xgboost() -> None:
    parts = split(read(), test_size=0.25, seed=0)
    parts = imputed(parts["train"], parts["test"])
    parts = scaled(parts["train"], parts["test"])
    parts = selected(parts["train"], parts["test"], features="{{ params.features }}")
    model = fit(parts["train"], trees="{{ params.trees }}", max_depth="{{ params.max_depth }}")
    evaluate(predictions(model, parts["test"]))


cancer_xgboost()
