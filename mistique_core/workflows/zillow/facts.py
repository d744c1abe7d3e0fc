"""Facts about the Zillow Prize's ``properties_2016.csv`` (2,985,217 x 58), from printed summaries of it.

Missing rates, quartiles and ranges are the original's. Frequencies of kinds are set so that a column's
mean, quartiles and number of different values come near to it.
"""

from __future__ import annotations

LOS_ANGELES, ORANGE, VENTURA = range(3)
ALL_HOMES = 2_985_217
SOLD_SHARE = 90_275 / ALL_HOMES
FIPS, COUNTY_IDS, COUNTY_SHARES = (6037, 6059, 6111), (3101, 1286, 2061), (0.6765, 0.2488, 0.0747)

MISSING = {
    "parcelid": 0.0, "airconditioningtypeid": 0.728154, "architecturalstyletypeid": 0.99797,
    "basementsqft": 0.999455, "bathroomcnt": 0.00384, "bedroomcnt": 0.003836, "buildingclasstypeid": 0.995769,
    "buildingqualitytypeid": 0.350637, "calculatedbathnbr": 0.043183, "decktypeid": 0.994273,
    "finishedfloor1squarefeet": 0.932093, "calculatedfinishedsquarefeet": 0.018613,
    "finishedsquarefeet12": 0.092467, "finishedsquarefeet13": 0.99743, "finishedsquarefeet15": 0.936086,
    "finishedsquarefeet50": 0.932093, "finishedsquarefeet6": 0.99263, "fips": 0.003831, "fireplacecnt": 0.895272,
    "fullbathcnt": 0.043183, "garagecarcnt": 0.70412, "garagetotalsqft": 0.70412, "hashottuborspa": 0.976881,
    "heatingorsystemtypeid": 0.394885, "latitude": 0.003831, "longitude": 0.003831, "lotsizesquarefeet": 0.092489,
    "poolcnt": 0.826634, "poolsizesum": 0.990634, "pooltypeid10": 0.987626, "pooltypeid2": 0.989255,
    "pooltypeid7": 0.837379, "propertycountylandusecode": 0.004113, "propertylandusetypeid": 0.003831,
    "propertyzoningdesc": 0.337191, "rawcensustractandblock": 0.003831, "regionidcity": 0.021052,
    "regionidcounty": 0.003831, "regionidneighborhood": 0.612624, "regionidzip": 0.004683, "roomcnt": 0.003844,
    "storytypeid": 0.999456, "threequarterbathnbr": 0.895609, "typeconstructiontypeid": 0.99774,
    "unitcnt": 0.337572, "yardbuildingsqft17": 0.973082, "yardbuildingsqft26": 0.999113, "yearbuilt": 0.020075,
    "numberofstories": 0.771518, "fireplaceflag": 0.99827, "structuretaxvaluedollarcnt": 0.018418,
    "taxvaluedollarcnt": 0.014254, "assessmentyear": 0.003832, "landtaxvaluedollarcnt": 0.022689,
    "taxamount": 0.010468, "taxdelinquencyflag": 0.981086, "taxdelinquencyyear": 0.981085,
    "censustractandblock": 0.025166,
}  # fmt: skip
"""Column -> share of missing values, in the order of the file's columns."""

TEXT_COLUMNS = (
    "hashottuborspa", "propertycountylandusecode", "propertyzoningdesc", "fireplaceflag", "taxdelinquencyflag",
)  # fmt: skip

QUARTILES = {
    "basementsqft": (20, 272, 534, 847, 8_516), "finishedfloor1squarefeet": (3, 1_012, 1_283, 1_615, 31_303),
    "finishedsquarefeet12": (1, 1_196, 1_539, 2_070, 290_345), "finishedsquarefeet13": (120, 960, 1_296, 1_440, 2_688),
    "finishedsquarefeet15": (112, 1_694, 2_172, 2_976, 820_242),
    "finishedsquarefeet6": (117, 1_079, 1_992, 3_366, 952_576), "lotsizesquarefeet": (100, 5_688, 7_000, 9_898, 328e6),
    "poolsizesum": (19, 430, 495, 594, 17_410), "yardbuildingsqft17": (10, 190, 270, 390, 7_983),
    "yardbuildingsqft26": (10, 96, 168, 320, 6_141), "taxvaluedollarcnt": (22, 179_675, 306_086, 488_000, 282.8e6),
}  # fmt: skip
"""Column -> its least value, quartiles and greatest value among 2,985,217 rows."""

SHARES: dict[str, dict[float, float]] = {
    "airconditioningtypeid": {1: 915, 13: 72, 5: 7, 11: 3, 9: 1.5, 6: 0.8, 3: 0.7},
    "architecturalstyletypeid": {7: 870, 8: 65, 2: 33, 3: 10, 21: 10, 10: 8, 5: 2, 27: 2},
    "bathroomcnt": {0: 39, 1: 190, 2: 478, 3: 217, 4: 48, 5: 15, 6: 7, 7: 2, 8: 2.5, 9: 0.5, 10: 0.4, 11: 0.1, 12: 0.3,
                    13: 0.05, 14: 0.1, 15: 0.02, 16: 0.05, 18: 0.02, 20: 0.02},
    "bedroomcnt": {0: 40, 1: 40, 2: 205, 3: 400, 4: 220, 5: 65, 6: 18, 7: 3.5, 8: 5.5, 9: 1.3, 10: 0.7, 12: 0.8,
                   14: 0.1, 16: 0.07, 18: 0.02, 20: 0.01},
    "buildingclasstypeid": {4: 690, 3: 265, 2: 35, 5: 7, 1: 3},
    "buildingqualitytypeid": {1: 10, 3: 5, 4: 420, 5: 3, 6: 25, 7: 400, 8: 60, 9: 6, 10: 50, 11: 6, 12: 14, 2: 1},
    "fireplacecnt": {1: 860, 2: 112, 3: 24, 4: 3, 5: 1, 6: 0.1, 7: 0.05, 8: 0.03, 9: 0.02},
    "garagecarcnt": {0: 60, 1: 105, 2: 800, 3: 26, 4: 6, 5: 1.5, 6: 0.6, 7: 0.2, 8: 0.2, 9: 0.1, 10: 0.1, 12: 0.05},
    "heatingorsystemtypeid": {2: 620, 7: 310, 6: 32, 24: 15, 20: 7, 13: 5, 18: 5, 1: 3, 10: 1, 11: 0.5, 12: 0.3,
                              14: 0.3, 19: 0.2, 21: 0.2},
    "numberofstories": {1: 610, 2: 381, 3: 8.5, 4: 0.3, 5: 0.06, 6: 0.05, 7: 0.02, 10: 0.01, 41: 0.005},
    "propertylandusetypeid": {261: 719, 266: 162, 246: 38, 269: 26, 248: 25, 247: 20, 31: 3, 260: 2, 263: 1.5,
                              265: 1, 267: 1, 47: 0.7, 275: 0.5, 264: 0.2, 270: 0.1},
    "threequarterbathnbr": {1: 991, 2: 8.3, 3: 0.5, 4: 0.1, 5: 0.05, 6: 0.03, 7: 0.02},
    "typeconstructiontypeid": {6: 995, 4: 2, 10: 1.5, 13: 1, 11: 0.5},
    "taxdelinquencyyear": {14: 320, 15: 300, 13: 135, 12: 80, 11: 60, 10: 45, 9: 30, 8: 14, 7: 8, 6: 4, 99: 2.5, 0: 1},
    "assessmentyear": {2015: 99_900, 2014: 70, 2016: 10, 2013: 6, 2012: 4, 2011: 3, 2010: 2, 2005: 2, 2003: 1, 2000: 1},
}  # fmt: skip
"""Column -> value -> relative frequency."""

LAND_USE = {
    LOS_ANGELES: {261: "0100 0101 0104 0103 0109", 266: "010C 010E 010D 010F", 246: "0200 0201", 247: "0300 0301",
                  248: "0400 0401", 269: "010G 010M", 0: "1100 1200 1210 020G 010V 0500 0501 8800"},
    ORANGE: {261: "122 1 1128", 266: "34 1720", 246: "1421 38", 269: "1014 71", 0: "73 96 135 1310"},
    VENTURA: {261: "1111 1110 1117", 266: "1129 1128", 246: "1222 1200", 269: "1011 1012", 0: "1321 1410 1432"},
}  # fmt: skip
"""County -> kind of land use (0 for any other) -> codes, the most frequent first."""
