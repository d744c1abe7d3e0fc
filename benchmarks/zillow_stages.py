"""A pipeline of 15 stages over the table of homes, in the manner of the thesis's templates (Table 5.3).

It joins what P5 and P10 do: read, average, construction recency, one-hot encoding, filling what is
missing (twice), neighbourhood, is-residential, join, selecting and dropping columns, split, predictions of
two models and their combination. Every stage takes the frame of the one before and returns a new one with
all of its rows; most columns pass through untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
import pandas as pd

from mistique_core.workflows.zillow import sales
from mistique_core.workflows.zillow.facts import TEXT_COLUMNS

Step = Callable[[pd.DataFrame], pd.DataFrame]

AREAS = (
    "calculatedfinishedsquarefeet", "finishedsquarefeet12", "finishedsquarefeet15", "finishedsquarefeet50",
)  # fmt: skip
NONE_MEANS_ZERO = (
    "fireplacecnt", "garagecarcnt", "garagetotalsqft", "hashottuborspa", "poolcnt", "pooltypeid10", "pooltypeid2",
    "pooltypeid7", "threequarterbathnbr", "yardbuildingsqft17",
)  # fmt: skip
MEDIAN_FOR_NONE = (
    "bathroomcnt", "bedroomcnt", "calculatedfinishedsquarefeet", "finishedsquarefeet12", "lotsizesquarefeet",
    "yearbuilt", "structuretaxvaluedollarcnt", "taxvaluedollarcnt", "landtaxvaluedollarcnt", "taxamount",
)  # fmt: skip
ENCODED = ("airconditioningtypeid", "fips", "numberofstories")
SCALED = (
    "calculatedfinishedsquarefeet",
    "lotsizesquarefeet",
    "taxvaluedollarcnt",
    "taxamount",
    "latitude",
    "longitude",
)
MOSTLY_MISSING = (
    "architecturalstyletypeid", "basementsqft", "buildingclasstypeid", "decktypeid", "finishedsquarefeet13",
    "finishedsquarefeet6", "poolsizesum", "storytypeid", "typeconstructiontypeid", "yardbuildingsqft26",
)  # fmt: skip
REDUNDANT = (
    "assessmentyear", "censustractandblock", "finishedfloor1squarefeet", "fullbathcnt", "regionidcounty", "roomcnt",
    "transactiondate",
)  # fmt: skip
_RESIDENTIAL = (31, 246, 247, 248, 260, 261, 263, 264, 265, 266, 267, 269, 275)
_FEATURES = (*SCALED, "bathroomcnt", "bedroomcnt", "construction_recency")


def run_stages(properties: pd.DataFrame, seed: int = 9) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the name and the frame of each of the 15 stages; they share the columns that they have in common.

    Parameters
    ----------
    properties
        The table of homes, index ``row_id``.
    seed
        Seed of the sales; the split and the second model take the next two.
    """
    frame = properties
    yield "read", frame
    for name, step in steps(properties, seed).items():
        frame = step(frame)
        yield name, frame


def steps(properties: pd.DataFrame, seed: int) -> Mapping[str, Step]:
    """Return the 14 stages after the first by name, in order."""
    sold = sales(properties, seed)
    return {
        "average": average,
        "recency": recency,
        "one_hot": one_hot,
        "fill_zero": fill_zero,
        "fill_median": fill_median,
        "neighbourhood": neighbourhood,
        "residential": residential,
        "join": partial(join, sold=sold),
        "label_index": label_index,
        "scale": scale,
        "drop": drop,
        "split": partial(split, seed=seed + 1),
        "predict": partial(predict, seed=seed + 2),
        "combine": combine,
    }


def average(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the average of the areas, and leave out what is missing for nearly every home."""
    return frame.drop(columns=list(MOSTLY_MISSING)).assign(average_area=frame[list(AREAS)].mean(axis=1).round(1))


def recency(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the years since construction."""
    return frame.assign(construction_recency=2016 - frame["yearbuilt"])


def one_hot(frame: pd.DataFrame) -> pd.DataFrame:
    """Replace three columns of few values by one flag a frequent value."""
    flags = {}
    for name in ENCODED:
        for value in frame[name].value_counts().index[:4]:
            flags[f"{name}_{value:g}"] = frame[name] == value
    return frame.drop(columns=list(ENCODED)).assign(**flags)


def fill_zero(frame: pd.DataFrame) -> pd.DataFrame:
    """Fill with zero where nothing recorded means that there is none."""
    number = [name for name in NONE_MEANS_ZERO if name not in TEXT_COLUMNS]
    texts = [name for name in NONE_MEANS_ZERO if name in TEXT_COLUMNS]
    return frame.assign(
        **{name: frame[name].fillna(0.0) for name in number}, **{name: frame[name].fillna("False") for name in texts}
    )


def fill_median(frame: pd.DataFrame) -> pd.DataFrame:
    """Fill measures with their median."""
    return frame.assign(**{name: frame[name].fillna(frame[name].median()) for name in MEDIAN_FOR_NONE})


def neighbourhood(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the number (int32) of the home's cell in a grid of 60 x 60 over the region."""
    cells = [pd.cut(frame[name], 60, labels=False) for name in ("latitude", "longitude")]
    return frame.assign(neighbourhood=(cells[0] * 60 + cells[1]).fillna(-1).astype("i4"))


def residential(frame: pd.DataFrame) -> pd.DataFrame:
    """Add whether people live there."""
    return frame.assign(is_residential=frame["propertylandusetypeid"].isin(_RESIDENTIAL))


def join(frame: pd.DataFrame, sold: pd.DataFrame) -> pd.DataFrame:
    """Add error and date of the sale of those homes that were sold."""
    found = sold.set_index("parcelid").reindex(frame["parcelid"])
    return frame.assign(**{name: column.set_axis(frame.index) for name, column in found.items()})


def label_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Replace each text by its number (int32) among the sorted texts of its column, -1 for none."""
    return frame.assign(
        **{name: pd.factorize(frame[name], sort=True)[0].astype("i4") for name in TEXT_COLUMNS},
    )


def scale(frame: pd.DataFrame) -> pd.DataFrame:
    """Scale six measures to mean 0 and standard deviation 1."""
    return frame.assign(**{name: (frame[name] - frame[name].mean()) / frame[name].std() for name in SCALED})


def drop(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out columns that repeat others, and add the month of the sale (int8, 0 for none)."""
    month = pd.to_datetime(frame["transactiondate"]).dt.month.fillna(0).astype("i1")
    return frame.drop(columns=list(REDUNDANT)).assign(transaction_month=month)


def split(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Add whether a home is for testing (one in four), and the fold (int8, 0 to 4) that it trains in."""
    random = np.random.default_rng(seed)
    is_test = random.random(len(frame)) < 0.25
    fold = np.where(is_test, -1, random.integers(0, 5, len(frame))).astype("i1")
    return frame.assign(is_test=is_test, fold=fold)


def predict(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Add the predictions (float32) of two linear models of the error: one of all homes sold, one of a half."""
    features = frame[list(_FEATURES)].fillna(0.0).to_numpy()
    features = np.column_stack([features, np.ones(len(features))])
    target = frame["logerror"].fillna(0.0).to_numpy()
    train = (frame["logerror"].notna() & ~frame["is_test"]).to_numpy()
    half = train & (np.random.default_rng(seed).random(len(frame)) < 0.5)
    predictions = {}
    for name, rows in (("prediction_a", train), ("prediction_b", half)):
        weights = np.linalg.lstsq(features[rows], target[rows], rcond=None)[0]
        predictions[name] = (features @ weights).astype("f4")
    return frame.assign(**predictions)


def combine(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the weighted mean (float32) of the two predictions."""
    mean = np.float32(0.65) * frame["prediction_a"] + np.float32(0.35) * frame["prediction_b"]
    return frame.assign(prediction=mean.astype("f4"))
