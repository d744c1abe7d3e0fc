"""Columns that are nearly the same row by row, and columns that only look alike, in the order a project writes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks.property_table import property_table

BLOCK_ROWS = 65_536
DATA_VARIABLE = "MISTIQUE_BENCH_DATA"
CREDIT = "credit_default.csv"


@dataclass(frozen=True)
class Column:
    """One physical column.

    Attributes
    ----------
    family
        Why it is here.
    name
        Its name.
    values
        Shape (rows,), little-endian.
    """

    family: str
    name: str
    values: np.ndarray

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield its row blocks."""
        for start in range(0, len(self.values), BLOCK_ROWS):
            yield np.ascontiguousarray(self.values[start : start + BLOCK_ROWS])


def columns(rows: int, train_rows: int) -> list[Column]:
    """Return every generated column, from fixed seeds.

    Parameters
    ----------
    rows
        Length of each.
    train_rows
        Examples that the models are trained on.
    """
    made = predictions(rows, train_rows)
    table = property_table(rows)
    numbers = {str(name): table[name].to_numpy() for name in table.columns if table[name].dtype in _NUMBERS}
    made += [Column("table", name, np.nan_to_num(values)) for name, values in numbers.items()]
    made += filled(numbers)
    made += recomputed({name: np.nan_to_num(numbers[name]) for name in ("measure_3", "measure_8", "tax_amount")})
    return made + narrow(rows)


_NUMBERS = tuple(np.dtype(name) for name in ("f8", "i8", "i4", "i2"))


def predictions(rows: int, train_rows: int) -> list[Column]:
    """Return the predictions of 16 regressors for the same homes, each as float32 and as float64."""
    from sklearn.datasets import make_friedman1

    features, noisy = make_friedman1(train_rows + rows, n_features=12, noise=1.0, random_state=0)
    prices = np.exp(noisy / 8 + 10)
    made = []
    for name, model in _regressors().items():
        # One thread: on a busy machine OpenMP's threads wait for each other most of the time.
        with threadpool_limits(1):
            model.fit(features[:train_rows], prices[:train_rows])
            values = np.asarray(model.predict(features[train_rows:]))
        made += [Column(f"predictions {dtype}", f"{name} {dtype}", values.astype(dtype)) for dtype in ("<f4", "<f8")]
    return sorted(made, key=lambda column: column.family)


def _regressors() -> dict:
    from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor
    from sklearn.linear_model import Ridge
    from xgboost import XGBRegressor

    def boosted(**parameters: object) -> XGBRegressor:
        return XGBRegressor(**{"n_estimators": 100, "max_depth": 6, "learning_rate": 0.1, "n_jobs": 1, **parameters})

    def histogram(**parameters: float) -> HistGradientBoostingRegressor:
        return HistGradientBoostingRegressor(early_stopping=False, random_state=0, **parameters)

    return {
        "boosted": boosted(),
        "boosted, 110 trees": boosted(n_estimators=110),
        "boosted, depth 4": boosted(max_depth=4),
        "boosted, rate 0.3": boosted(learning_rate=0.3),
        "boosted, rate 0.05": boosted(learning_rate=0.05),
        "boosted, rows sampled": boosted(subsample=0.8, random_state=5),
        "histogram": histogram(max_iter=100),
        "histogram, 120 trees": histogram(max_iter=120),
        "histogram, L2": histogram(max_iter=100, l2_regularization=5.0),
        "forest, 50": RandomForestRegressor(50, max_depth=12, random_state=0),
        "forest, 60": RandomForestRegressor(60, max_depth=12, random_state=0),
        "extra trees": ExtraTreesRegressor(50, max_depth=12, random_state=0),
        "ridge 0.1": Ridge(alpha=0.1),
        "ridge 1": Ridge(alpha=1.0),
        "ridge 10": Ridge(alpha=10.0),
        "ridge 1000": Ridge(alpha=1000.0),
    }


def filled(numbers: dict[str, np.ndarray]) -> list[Column]:
    """Return each float column with gaps (stored as zeros) filled with its mean and with its median."""
    made = []
    for name, values in numbers.items():
        gaps = np.isnan(values) if values.dtype.kind == "f" else np.zeros(1, bool)
        if gaps.any():
            for how, value in (("mean", np.nanmean(values)), ("median", np.nanmedian(values))):
                made.append(Column(f"filled, {how}", f"{name} filled with {how}", np.where(gaps, value, values)))
    return made


def recomputed(numbers: dict[str, np.ndarray]) -> list[Column]:
    """Return columns computed again: a few rows corrected, raised and rounded, with noise, rescaled twice."""
    random = np.random.default_rng(5)
    made = []
    for name, values in numbers.items():
        some = random.random(len(values)) < 0.02
        corrected = np.where(some, (values * random.lognormal(0, 0.3, len(values))).round(2), values)
        noisy = values * (1 + 1e-3 * random.normal(size=len(values)))
        made += [
            Column("recomputed", f"{name}, 2 % of rows corrected", corrected),
            Column("recomputed", f"{name}, raised 3 %, rounded", (values * 1.03).round(2)),
            Column("recomputed", f"{name}, noise of 0.1 %", noisy),
            Column("recomputed", f"{name}, noise of 0.1 %, rounded", noisy.round(2)),
            Column("rescaled", f"{name}, standardised", (values - values.mean()) / values.std()),
            Column("rescaled", f"{name}, standardised on other rows", (values - values.mean() * 1.001) / values.std()),
            Column("rescaled", f"{name}, logarithm", np.log1p(values)),
        ]
    return made


def narrow(rows: int) -> list[Column]:
    """Return four tables of unrelated rows whose columns have the same narrow ranges, and one corrected copy."""
    made = []
    for number in range(4):
        random = np.random.default_rng(100 + number)
        table = {
            "latitude": random.normal(34.0e6, 0.24e6, rows).round(),
            "longitude": random.normal(-118.2e6, 0.35e6, rows).round(),
            "year": np.clip(random.normal(1964, 23, rows), 1801, 2015).round(),
            "area": random.lognormal(7.4, 0.45, rows).round(),
            "tract": 6.037e7 + random.integers(0, 1_000_000, rows).astype("f8"),
            "score": 1 / (1 + np.exp(-random.normal(0, 0.3, rows))),
            "value": random.lognormal(12.5, 0.7, rows).round(),
            "residual": random.normal(0, 0.16, rows) * random.random(rows) ** 2,
        }
        made += [Column("look alike", f"{name} of table {number}", values) for name, values in table.items()]
    other = random.permutation(rows)
    some = random.random(rows) < 0.03
    return made + [
        Column("recomputed", f"{name} of table {number}, 3 % of rows exchanged", np.where(some, values[other], values))
        for name, values in table.items()
    ]


def credit_predictions(train_rows: int) -> list[Column]:
    """Return 8 classifiers' probabilities of default for 30,000 real clients.

    Parameters
    ----------
    train_rows
        Clients that they are trained on.

    Returns
    -------
    list of Column
        Empty where ``credit_default.csv`` is neither in ``$MISTIQUE_BENCH_DATA`` nor in ``../shared/data``
        beside the project.
    """
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get(DATA_VARIABLE) or default) / CREDIT
    if not path.exists():
        return []
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from xgboost import XGBClassifier

    frame = pd.read_csv(path)
    labels = frame.pop("default.payment.next.month").to_numpy()
    features = frame.drop(columns="ID").to_numpy("f8")
    train = np.random.default_rng(1).permutation(len(frame))[:train_rows]

    def boosted(**parameters: object) -> XGBClassifier:
        return XGBClassifier(**{"n_estimators": 60, "max_depth": 4, "learning_rate": 0.1, "n_jobs": 1, **parameters})

    models = {
        "boosted": boosted(),
        "boosted, 70 trees": boosted(n_estimators=70),
        "boosted, depth 5": boosted(max_depth=5),
        "boosted, rate 0.08": boosted(learning_rate=0.08),
        "histogram": HistGradientBoostingClassifier(max_iter=60, early_stopping=False, random_state=0),
        "histogram, 70 trees": HistGradientBoostingClassifier(max_iter=70, early_stopping=False, random_state=0),
        "forest, 50": RandomForestClassifier(50, min_samples_leaf=20, random_state=0),
        "forest, 60": RandomForestClassifier(60, min_samples_leaf=20, random_state=0),
    }
    made = []
    for name, model in models.items():
        with threadpool_limits(1):
            model.fit(features[train], labels[train])
            values = np.ascontiguousarray(model.predict_proba(features)[:, 1])
        made.append(Column("credit", f"default, {name}", values))
    return made
