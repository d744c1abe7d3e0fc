"""The generated table has the shape of the original and the ties between its columns."""

import numpy as np
import pandas as pd
import pytest

from mistique_core.workflows.zillow import properties, sales
from mistique_core.workflows.zillow.facts import MISSING, TEXT_COLUMNS

ROWS = 40_000

# Lower quartile, median and upper quartile of the original's 2,985,217 rows, as printed by its users.
KNOWN_QUARTILES = {
    "bedroomcnt": (2, 3, 4),
    "calculatedfinishedsquarefeet": (1_213, 1_572, 2_136),
    "lotsizesquarefeet": (5_688, 7_000, 9_898),
    "yearbuilt": (1_950, 1_963, 1_981),
    "structuretaxvaluedollarcnt": (74_800, 122_590, 196_889),
    "taxvaluedollarcnt": (179_675, 306_086, 488_000),
    "landtaxvaluedollarcnt": (74_836, 167_042, 306_918),
    "taxamount": (2_461.07, 3_991.78, 6_201.01),
    "latitude": (33_827_680, 34_008_250, 34_161_860),
    "longitude": (-118_393_000, -118_172_500, -117_949_500),
    "rawcensustractandblock": (60_373_200, 60_375_710, 60_590_420),
}


@pytest.fixture(scope="module")
def homes() -> pd.DataFrame:
    return properties(ROWS, seed=3)


def test_it_has_the_originals_columns_and_dtypes(homes):
    assert homes.shape == (ROWS, 58)
    assert homes.index.name == "row_id"
    assert homes.index.tolist() == list(range(ROWS))
    dtypes = homes.dtypes.astype(str)
    assert dtypes["parcelid"] == "int64"
    assert set(dtypes[list(TEXT_COLUMNS)]) == {"object"}
    assert set(dtypes.drop([*TEXT_COLUMNS, "parcelid"])) == {"float64"}


def test_missing_values_are_as_frequent_as_in_the_original(homes):
    found = homes.isna().mean()
    allowed = 4 * np.sqrt(pd.Series(MISSING) * (1 - pd.Series(MISSING)) / ROWS)
    outside = found[(found - pd.Series(MISSING)).abs() > allowed + 1e-3]
    # Whole neighbourhoods are missing, so that the share depends on a few hundred draws.
    assert outside.index.difference(["regionidneighborhood"]).empty, outside
    assert found["regionidneighborhood"] == pytest.approx(MISSING["regionidneighborhood"], abs=0.06)


@pytest.mark.parametrize("name", KNOWN_QUARTILES)
def test_quartiles_are_near_those_of_the_original(homes, name):
    found = homes[name].quantile([0.25, 0.5, 0.75]).to_numpy()
    tolerance = 0.01 if name in ("latitude", "longitude", "rawcensustractandblock", "yearbuilt") else 0.2
    np.testing.assert_allclose(found, KNOWN_QUARTILES[name], rtol=tolerance)


def test_values_are_as_coarse_as_in_the_original(homes):
    cents = homes["taxamount"].dropna() * 100
    assert np.abs(cents - cents.round()).max() < 1e-5
    fractional = {"bathroomcnt", "calculatedbathnbr", "taxamount", "rawcensustractandblock"}
    for name, column in homes.drop(columns=list(TEXT_COLUMNS)).items():
        assert name in fractional or (column.dropna() % 1 == 0).all(), name


def test_tax_value_is_the_sum_of_land_and_structure(homes):
    known = homes[["structuretaxvaluedollarcnt", "landtaxvaluedollarcnt", "taxvaluedollarcnt"]].dropna()
    assert len(known) > 0.9 * ROWS
    assert (known.iloc[:, 0] + known.iloc[:, 1] == known.iloc[:, 2]).all()
    assert (homes["taxamount"] / homes["taxvaluedollarcnt"]).median() == pytest.approx(0.013, abs=0.001)


def test_the_area_is_repeated_in_one_of_four_columns(homes):
    kinds = homes[[f"finishedsquarefeet{kind}" for kind in (12, 13, 15, 6)]]
    total = homes["calculatedfinishedsquarefeet"]
    assert (kinds.notna().sum(axis=1) == total.notna()).all()
    pd.testing.assert_series_equal(kinds.max(axis=1), total, check_names=False)


def test_places_lie_in_each_other(homes):
    known = homes.dropna(subset=["fips", "censustractandblock"])
    assert (known["rawcensustractandblock"] // 10_000 == known["fips"]).all()
    np.testing.assert_array_equal(known["rawcensustractandblock"] * 1e6, known["censustractandblock"])
    tract = known["censustractandblock"] // 10_000
    for name in ("regionidcity", "regionidzip", "regionidcounty", "regionidneighborhood"):
        assert known[name].groupby(tract).nunique().max() == 1, name
    assert homes["propertyzoningdesc"].notna().eq(False).loc[homes["fips"] != 6037].all()


def test_parcels_are_unique_and_in_no_order(homes):
    assert homes["parcelid"].is_unique
    assert not homes["parcelid"].is_monotonic_increasing


def test_a_seed_gives_the_same_table_again(homes):
    pd.testing.assert_frame_equal(properties(ROWS, seed=3), homes)
    assert not properties(ROWS, seed=4)["taxamount"].equals(homes["taxamount"])


@pytest.mark.parametrize("rows", [1, 2, 37])
def test_small_tables_have_all_columns(rows):
    assert properties(rows).shape == (rows, 58)


def test_text_comes_in_the_dtype_that_was_asked_for():
    objects, strings = properties(500), properties(500, strings="str")
    assert strings["propertyzoningdesc"].dtype == "str"
    pd.testing.assert_frame_equal(objects.astype(dict.fromkeys(TEXT_COLUMNS, "str")), strings)


def test_sales_are_of_known_homes(homes):
    sold = sales(homes, share=0.1)
    assert sold["parcelid"].isin(homes["parcelid"]).all()
    assert sold["parcelid"].is_unique
    assert len(sold) == pytest.approx(0.1 * ROWS, rel=0.1)
    assert sold["transactiondate"].between("2016-01-01", "2016-12-31").all()
    assert sold["logerror"].quantile([0.25, 0.75]).to_numpy() == pytest.approx([-0.0253, 0.0392], abs=0.01)
