"""A generated table in the shape of the Zillow Prize's ``properties`` and ``train`` (thesis 5.7.1).

The competition's files may not be passed on. What is known of ``properties_2016.csv`` (2,985,217 x 58)
from printed summaries is repeated here: names, dtypes, missing rates, quartiles, ranges and numbers of
different values; and so are the ties between columns that decide how well a table compresses. Tax values
are sums, square feet repeat each other, a census block lies in one city, zip and county, and some columns
are only recorded in some counties.

A row draws three standard normal numbers (size, price, age) and a census block. Every column is a
function of these and of noise of its own, mapped to the quartiles of the column. Rows are in no order of
place or value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.workflows.zillow.facts import (
    COUNTY_IDS,
    COUNTY_SHARES,
    FIPS,
    LAND_USE,
    LOS_ANGELES,
    MISSING,
    QUARTILES,
    SHARES,
    SOLD_SHARE,
    TEXT_COLUMNS,
)

Array = npt.NDArray[Any]
_CITY_OF_LOS_ANGELES = 12_447

_TOP_Z = 5.1
_QUARTILE_Z = NormalDist().inv_cdf(0.75)
_TAIL_POWER = 1.45
_YEAR_KNOTS = ((-5.1, -2.0, -_QUARTILE_Z, 0.0, _QUARTILE_Z, 1.6, 2.6), (1801, 1911, 1950, 1963, 1981, 2002, 2015.4))
_BLOCKS_IN_TRACT = 32
_ZONINGS = 5_638


def properties(rows: int, seed: int = 7, strings: Literal["object", "str"] = "object") -> pd.DataFrame:
    """Return `rows` homes: 58 columns, index ``row_id`` (int64, from 0).

    ``parcelid`` is int64 and unique, five columns are text with NaN for missing values, all others are
    float64 with NaN, as pandas reads them from CSV.

    Parameters
    ----------
    rows
        Number of rows, 1 to 2,985,217 (the length of the original).
    seed
        Seed of the generator; the same seed gives the same table.
    strings
        Dtype of the text columns: Python strings, or the string dtype of pandas.
    """
    return _Homes(rows, np.random.default_rng(seed)).table(strings)


def sales(homes: pd.DataFrame, seed: int = 8, share: float = SOLD_SHARE) -> pd.DataFrame:
    """Return the ``train`` table of some homes: parcelid, logerror (float64) and transactiondate (text).

    Parameters
    ----------
    homes
        What :func:`properties` returned.
    seed
        Seed of the generator.
    share
        Share of the homes that were sold, 0 to 1.
    """
    random = np.random.default_rng(seed)
    sold = np.flatnonzero(random.random(len(homes)) < share)
    body, tail = random.laplace(0.0075, 0.045, len(sold)), random.standard_t(2, len(sold)) * 0.12
    errors = np.where(random.random(len(sold)) < 0.85, body, tail)
    days = np.datetime64("2016-01-01") + np.minimum(random.gamma(6, 28, len(sold)), 364).astype("m8[D]")
    return pd.DataFrame(
        {
            "parcelid": homes["parcelid"].to_numpy()[sold],
            "logerror": np.clip(errors, -4.605, 4.737).round(4),
            "transactiondate": pd.Series(days.astype(str), dtype=homes["propertyzoningdesc"].dtype),
        }
    )


def submission(homes: pd.DataFrame) -> pd.DataFrame:
    """Return the table of what is to be predicted: every home (column ParcelId) at six dates, all 0.

    Parameters
    ----------
    homes
        What :func:`properties` returned.
    """
    dates = dict.fromkeys(("201610", "201611", "201612", "201710", "201711", "201712"), 0.0)
    return pd.DataFrame({"ParcelId": homes["parcelid"].to_numpy(), **dates})


@dataclass(frozen=True)
class _Region:
    """Census tracts and what each lies in; arrays have one item a tract, ordered by county and city."""

    county: Array
    tract: Array
    city: Array
    zip: Array
    neighborhood: Array
    latitude: Array
    longitude: Array
    price: Array
    share: Array

    @classmethod
    def draw(cls, random: np.random.Generator) -> _Region:
        """Draw 3,100 tracts in 405 zips, 186 cities and 528 neighbourhoods."""
        counts = (2_346, 580, 174)
        county = np.repeat(np.arange(3), counts)
        total = len(county)
        tract = np.concatenate([np.sort(random.choice(np.arange(101_110, 980_033), n, False)) for n in counts])
        zips = np.concatenate(
            [
                np.sort(random.integers(0, n, size)) * step + first
                for n, size, step, first in zip((281, 88, 36), counts, (2, 2, 7), (95_982, 96_939, 97_091), strict=True)
            ]
        )
        zips[random.integers(0, total)] = 399_675
        other = np.setdiff1d(random.choice(np.arange(3_491, 55_754), 200, False), [_CITY_OF_LOS_ANGELES])[:185]
        other = random.permutation(other)
        bounds = np.searchsorted(county, np.arange(3))
        city = np.concatenate(
            [
                other[:87][np.sort((87 * random.random(counts[0]) ** 1.6).astype(int))],
                other[87:143][np.sort((56 * random.random(counts[1]) ** 1.6).astype(int))],
                other[143:185][np.sort((42 * random.random(counts[2]) ** 1.6).astype(int))],
            ]
        )
        city[700:1_400] = _CITY_OF_LOS_ANGELES
        city[bounds[1] + 20 : bounds[1] + 62] = 396_556
        names = np.rint(_quantile(random.standard_normal(528), (6_952, 46_736, 118_920, 274_800, 764_167)))
        neighborhood = names[(np.arange(total) * 528) // total].astype("f8")
        outside = (city != _CITY_OF_LOS_ANGELES) & (random.random(total) > 0.24)
        neighborhood[outside] = np.nan
        centres = np.array([(34.075, -118.25), (33.74, -117.86), (34.24, -119.02)])[county]
        widths = np.array([(0.16, 0.19), (0.11, 0.11), (0.06, 0.17)])[county]
        places = (centres + widths * random.standard_normal((total, 2))) * 1e6
        places = np.clip(places, (33_324_388, -119_475_780), (34_819_650, -117_554_316))
        share = random.gamma(4, 1, total) * np.repeat(np.array(COUNTY_SHARES) / counts, counts)
        price = 0.75 * random.standard_normal(total)
        return cls(county, tract, city, zips, neighborhood, places[:, 0], places[:, 1], price, share / share.sum())


class _Homes:
    """One table being drawn: which home lies where, what it is, and then column after column."""

    def __init__(self, rows: int, random: np.random.Generator) -> None:
        self.rows = rows
        self.random = random
        self.region = region = _Region.draw(random)
        tract = np.searchsorted(np.cumsum(region.share)[:-1], np.sort(random.random(rows)), side="right")
        county = region.county[tract]
        parcels = np.concatenate([_parcel_ids(random, c, int((county == c).sum())) for c in range(3)])
        order = random.permutation(rows)
        self.tract, self.county, self.parcelid = tract[order], county[order], parcels[order]
        self.is_known = random.random(rows) >= MISSING["fips"]
        self.is_los_angeles = self.county == LOS_ANGELES
        self.size = random.standard_normal(rows)
        self.price = self._like(0.62 * self.size + 0.55 * region.price[self.tract], 0.55)
        self.age = self._like(0.25 * self.size + 0.1 * self.price, 0.96)

    def table(self, strings: str) -> pd.DataFrame:
        """Return the frame, in the order of the original's columns."""
        columns: dict[str, Array] = {"parcelid": self.parcelid}
        for part in (self._places, self._land, self._rooms, self._square_feet, self._extras, self._taxes):
            columns.update(part())
        data = {
            name: pd.Series(columns[name], dtype=strings) if name in TEXT_COLUMNS else columns[name] for name in MISSING
        }
        return pd.DataFrame(data).rename_axis("row_id")

    def _like(self, values: Array, noise: float) -> Array:
        """Return `values` with normal noise added, as a standard normal number a row."""
        mixed = values + noise * self.random.standard_normal(self.rows)
        standard: Array = (mixed - mixed.mean()) / max(float(mixed.std()), 1e-9)
        return standard

    def _gaps(self, name: str, values: Array, among: Array | None = None) -> Array:
        """Return `values` with as many gaps as the column has; only the rows `among` may keep theirs."""
        possible = self.is_known if among is None else self.is_known & among
        share = (1 - MISSING[name]) * self.rows / max(int(possible.sum()), 1)
        keep = possible & (self.random.random(self.rows) < share)
        return np.where(keep, values, np.nan)

    def _choice(self, name: str, z: Array | None = None) -> Array:
        """Return values with the column's frequencies: at random, or the greater the greater `z` is."""
        pairs = sorted(SHARES[name].items())
        weights = np.cumsum([share for _, share in pairs])
        values = np.array([value for value, _ in pairs], "f8")
        if z is None:
            return values[np.searchsorted(weights[:-1] / weights[-1], self.random.random(self.rows), side="right")]
        bounds = [NormalDist().inv_cdf(share) for share in weights[:-1] / weights[-1]]
        return values[np.searchsorted(bounds, z)]

    def _places(self) -> dict[str, Array]:
        region, tract, random = self.region, self.tract, self.random
        block = np.minimum(random.gamma(2.2, _BLOCKS_IN_TRACT / 6, self.rows).astype("i8"), 69)
        fips = np.array(FIPS)[self.county]
        census = (fips * 1_000_000 + region.tract[tract]) * 10_000 + 1_000 * (1 + block % 5) + block // 5
        jitter = random.standard_normal((2, self.rows)) * 5_500
        latitude = np.clip(np.rint(region.latitude[tract] + jitter[0]), 33_324_388, 34_819_650)
        longitude = np.clip(np.rint(region.longitude[tract] + jitter[1]), -119_475_780, -117_554_316)
        city = region.city[tract]
        self.zoning = _zoning(random, city, region.tract[tract], np.unique(region.city[region.county == LOS_ANGELES]))
        # An integer divided by 10^6 is the number that parsing its decimal text gives.
        columns = {
            "fips": fips, "regionidcounty": np.array(COUNTY_IDS)[self.county], "latitude": latitude,
            "longitude": longitude, "rawcensustractandblock": census / 1e6,
            "assessmentyear": self._choice("assessmentyear"),
        }  # fmt: skip
        together = {name: np.where(self.is_known, values, np.nan) for name, values in columns.items()}
        neighborhood = region.neighborhood[tract]
        return together | {
            "censustractandblock": self._gaps("censustractandblock", census),
            "regionidcity": self._gaps("regionidcity", city),
            "regionidzip": self._gaps("regionidzip", region.zip[tract]),
            "regionidneighborhood": self._gaps("regionidneighborhood", neighborhood, ~np.isnan(neighborhood)),
        }

    def _land(self) -> dict[str, Array]:
        kind = self._choice("propertylandusetypeid")
        self.is_condominium = kind == 266
        self.is_house = kind == 261
        kept = ~np.isnan(self._gaps("propertycountylandusecode", kind))
        zoned = ~np.isnan(self._gaps("propertyzoningdesc", kind, self.is_los_angeles))
        units = np.select([kind == 246, kind == 247, kind == 248], [2.0, 3.0, 4.0], 1.0)
        many = (kind == 31) | (kind == 260)
        units[many] = 5 + np.minimum(self.random.geometric(0.06, int(many.sum())), 992)
        lot = np.rint(
            _quantile(self._like(0.45 * self.size + 0.5 * self.is_condominium, 0.8), QUARTILES["lotsizesquarefeet"])
        )
        has_lot = ~self.is_condominium | (self.random.random(self.rows) < 0.55)
        return {
            "propertylandusetypeid": np.where(self.is_known, kind, np.nan),
            "propertycountylandusecode": _text(_land_use_codes(self.random, self.county, kind), kept),
            "propertyzoningdesc": _text(self.zoning, zoned),
            "unitcnt": self._gaps("unitcnt", units, self.is_los_angeles),
            "lotsizesquarefeet": self._gaps("lotsizesquarefeet", lot, has_lot),
        }

    def _rooms(self) -> dict[str, Array]:
        beds = self._choice("bedroomcnt", self._like(self.size, 0.65))
        full = self._choice("bathroomcnt", self._like(0.8 * self.size + 0.15 * self.age, 0.5))
        three_quarter = self._gaps("threequarterbathnbr", self._choice("threequarterbathnbr"), full > 0)
        baths = full + np.where((three_quarter == 1) & ~self.is_los_angeles, 0.5, 0.0)
        counted = self._gaps("calculatedbathnbr", baths, full > 0)
        rooms = np.where(~self.is_los_angeles & (self.random.random(self.rows) < 0.68), beds + np.rint(baths) + 1, 0.0)
        year = np.rint(np.interp(self.age, *_YEAR_KNOTS))
        return {
            "bathroomcnt": self._gaps("bathroomcnt", baths),
            "bedroomcnt": self._gaps("bedroomcnt", beds),
            "calculatedbathnbr": counted,
            "fullbathcnt": np.where(np.isnan(counted), np.nan, full),
            "threequarterbathnbr": three_quarter,
            "roomcnt": self._gaps("roomcnt", rooms),
            "yearbuilt": self._gaps("yearbuilt", year),
            "numberofstories": self._gaps(
                "numberofstories", self._choice("numberofstories", self._like(self.size, 1.0)), ~self.is_los_angeles
            ),
        }

    def _square_feet(self) -> dict[str, Array]:
        """Every home has its area in one of four columns; the fifth repeats it."""
        kinds = [f"finishedsquarefeet{kind}" for kind in (12, 15, 6, 13)]
        shares = np.cumsum([1 - MISSING[name] for name in kinds]) / (1 - MISSING["fips"])
        chosen = np.searchsorted(shares, self.random.random(self.rows), side="right")
        chosen[~self.is_known] = len(kinds)
        columns, total = {}, np.full(self.rows, np.nan)
        for number, name in enumerate(kinds):
            step = 12 if name == "finishedsquarefeet13" else 1  # mobile homes come in whole yards
            area = np.rint(_quantile(self.size, QUARTILES[name]) / step) * step
            columns[name] = np.where(chosen == number, area, np.nan)
            total = np.where(chosen == number, area, total)
        floor = np.minimum(np.rint(_quantile(self.size, QUARTILES["finishedfloor1squarefeet"])), total)
        first = self._gaps("finishedfloor1squarefeet", floor, ~self.is_los_angeles & ~np.isnan(total))
        added = np.where(self.random.random(self.rows) < 0.02, self.random.integers(8, 400, self.rows), 0)
        columns |= {"finishedfloor1squarefeet": first, "finishedsquarefeet50": first + added}
        basement = np.rint(_quantile(self._like(self.size, 0.7), QUARTILES["basementsqft"]))
        columns["basementsqft"] = self._gaps("basementsqft", basement, ~self.is_los_angeles)
        return columns | {
            "calculatedfinishedsquarefeet": total,
            "storytypeid": np.where(np.isnan(columns["basementsqft"]), np.nan, 7.0),
        }

    def _extras(self) -> dict[str, Array]:
        draw, apart = self.random.random(self.rows), ~self.is_los_angeles
        with_spa, bare, spa = 1 - MISSING["pooltypeid2"], 1 - MISSING["pooltypeid7"], 1 - MISSING["pooltypeid10"]
        pool = np.select([draw < with_spa, draw < with_spa + bare, draw < with_spa + bare + spa], [2, 7, 10], 0)
        pool[~self.is_known] = 0
        pool_size = np.rint(_quantile(self._like(self.size, 0.8), QUARTILES["poolsizesum"]))
        cars = self._choice("garagecarcnt", self._like(0.6 * self.size, 0.8))
        measured = np.maximum(np.rint(self.random.normal(26 + 222 * cars, 40 + 12 * cars)), 80)
        garage = np.where((cars > 0) & (self.random.random(self.rows) < 0.9), measured, 0.0)
        has_garage = ~np.isnan(self._gaps("garagecarcnt", cars, apart))
        columns = {f"pooltypeid{kind}": np.where(pool == kind, 1.0, np.nan) for kind in (10, 2, 7)}
        columns |= {
            "poolcnt": np.where((pool == 2) | (pool == 7), 1.0, np.nan),
            "poolsizesum": self._gaps("poolsizesum", pool_size, (pool == 2) | (pool == 7)),
            "hashottuborspa": _text(np.array(["True"], object), (pool == 2) | (pool == 10)),
            "garagecarcnt": np.where(has_garage, cars, np.nan),
            "garagetotalsqft": np.where(has_garage, garage, np.nan),
            "decktypeid": self._gaps("decktypeid", np.full(self.rows, 66.0), apart),
            "fireplaceflag": _text(
                np.array(["True"], object), ~np.isnan(self._gaps("fireplaceflag", cars, self.is_los_angeles))
            ),
        }
        for name in ("yardbuildingsqft17", "yardbuildingsqft26"):
            area = np.rint(_quantile(self._like(self.size, 1.5), QUARTILES[name]))
            columns[name] = self._gaps(name, area, apart)
        quality = self._choice("buildingqualitytypeid", self._like(-0.5 * self.age - 0.2 * self.price, 0.8))
        columns["buildingqualitytypeid"] = self._gaps("buildingqualitytypeid", quality, self.is_los_angeles)
        for name in ("airconditioningtypeid", "heatingorsystemtypeid"):
            columns[name] = self._gaps(name, self._choice(name))
        for name in ("architecturalstyletypeid", "fireplacecnt", "typeconstructiontypeid"):
            columns[name] = self._gaps(name, self._choice(name), apart)
        columns["buildingclasstypeid"] = self._gaps(
            "buildingclasstypeid", self._choice("buildingclasstypeid"), ~self.is_house & self.is_los_angeles
        )
        return columns

    def _taxes(self) -> dict[str, Array]:
        """The tax value is the sum of land and structure; the tax is about 1.3 % of it."""
        total = np.rint(_quantile(self.price, QUARTILES["taxvaluedollarcnt"]))
        land_share = 1 / (1 + np.exp(-0.25 - 1.05 * self._like(0.45 * self.price - 0.3 * self.age, 0.9)))
        land = np.clip(np.rint(total * land_share), 1, total)
        structure = total - land
        known_structure = self._gaps("structuretaxvaluedollarcnt", structure, structure > 0)
        known_land = self._gaps("landtaxvaluedollarcnt", land)
        known = ~(np.isnan(known_structure) & np.isnan(known_land))
        value = self._gaps("taxvaluedollarcnt", np.nan_to_num(known_structure) + np.nan_to_num(known_land), known)
        tax = (total * 0.0124 * np.exp(0.12 * self.random.standard_normal(self.rows)) + 180).round(2)
        late = self._gaps("taxdelinquencyyear", self._choice("taxdelinquencyyear"))
        return {
            "structuretaxvaluedollarcnt": known_structure,
            "landtaxvaluedollarcnt": known_land,
            "taxvaluedollarcnt": value,
            "taxamount": self._gaps("taxamount", tax),
            "taxdelinquencyflag": _text(np.array(["Y"], object), ~np.isnan(late)),
            "taxdelinquencyyear": late,
        }


def _quantile(z: Array, quartiles: Sequence[float]) -> Array:
    """Return the values at standard normal `z`: straight in the logarithm between the quartiles.

    Beyond them the logarithm bends towards the least and the greatest value, which 1 in 6 million
    rows reach.
    """
    least, low, middle, high, greatest = np.log(np.asarray(quartiles, dtype="f8"))
    bulk = np.interp(z, (-_QUARTILE_Z, 0, _QUARTILE_Z), (low, middle, high))
    beyond = np.clip((np.abs(z) - _QUARTILE_Z) / (_TOP_Z - _QUARTILE_Z), 0, 1) ** _TAIL_POWER
    scaled: Array = np.exp(bulk + np.where(z > 0, greatest - high, least - low) * beyond)
    return scaled


def _text(words: Array, present: Array) -> Array:
    """Return words (one a row, or one for all rows) as objects, NaN where none is present."""
    values = np.full(len(present), np.nan, dtype=object)
    values[present] = words[present] if len(words) == len(present) and len(words) > 1 else words[0]
    return values


def _parcel_ids(random: np.random.Generator, county: int, rows: int) -> Array:
    """Return `rows` different, ascending ids in the ranges of a county."""
    first, last = ((10_711_725, 13_100_000), (13_812_000, 14_712_000), (16_400_000, 17_320_000))[county]
    wide = max((last - first) // max(rows, 1), 1)
    ids = first + np.arange(rows, dtype="i8") * wide + random.integers(0, wide, rows)
    odd = int(rows * 0.0027)
    ids[rows - odd :] += 149_000_000
    return ids


def _land_use_codes(random: np.random.Generator, county: Array, kind: Array) -> Array:
    """Return a code a row: those of its county and kind, four in five the most frequent, few at random."""
    letters = np.array(list("0123456789ABCDEFGHXV"))
    rare = np.array(["".join(word) for word in random.choice(letters, (190, 4))], dtype=object)
    codes = np.empty(len(county), dtype=object)
    for place, table in LAND_USE.items():
        left = county == place
        for use in (261, 266, 246, 247, 248, 269, 0):
            if use in table:
                rows = np.flatnonzero(left & (kind == use)) if use else np.flatnonzero(left)
                words = np.array(table[use].split(), dtype=object)
                weights = 0.2 ** np.arange(len(words))
                codes[rows] = words[random.choice(len(words), len(rows), p=weights / weights.sum())]
                left &= kind != use
    seldom = np.flatnonzero(random.random(len(county)) < 0.012)
    codes[seldom] = rare[(len(rare) * random.random(len(seldom)) ** 3).astype(int)]
    return codes


def _zoning(random: np.random.Generator, city: Array, tract: Array, cities: Array) -> Array:
    """Return a zone a row, such as ``LAR1``: every city has names of its own, a tract mostly one of them."""
    place = np.searchsorted(cities, city) % len(cities)
    most = int(np.searchsorted(cities, _CITY_OF_LOS_ANGELES))
    each = np.full(len(cities), (_ZONINGS - 420) // (len(cities) - 1))
    each[most] = 420
    kinds = ("R1", "RS", "R2", "R3", "RD1.5", "C2", "R4", "RE11", "M1", "A1", "CM", "PD")
    ends = ("", "*", "YY", "-1", "XV", "U", "-LO")
    words = []
    for number, count in enumerate(each):
        prefix = "LA" if number == most else f"{chr(66 + number % 24)}{chr(65 + number * 7 % 25)}"
        prefix += "" if number < 2 * 24 or number == most else chr(65 + number % 26)
        for index in range(count):
            kind, end, more = index % 12, index // 12 % 7, index // 84
            words.append(f"{prefix}{kinds[kind]}{ends[end]}{more if more else ''}")
    starts = np.concatenate([[0], np.cumsum(each)[:-1]])
    home = tract % 997 / 997
    draw = np.where(random.random(len(city)) < 0.6, home, random.random(len(city)))
    rank = np.minimum((each[place] ** (np.maximum(draw - 0.44, 0) / 0.56)).astype(int) - 1, each[place] - 1)
    chosen: Array = np.array(words, dtype=object)[starts[place] + rank]
    return chosen
