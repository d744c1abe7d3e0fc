"""docs/modeldb.md maps every call of the original ModelDB to one that exists, and its filters can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mistique_core.catalogue import Catalogue
from mistique_core.errors import InvalidInputError
from mistique_core.modeldb import ModelDB
from mistique_core.modeldb.filter import parse_filter
from mistique_core.modeldb.filter.fields import FACTS, GROUPS

PAGE = (Path(__file__).parents[3] / "docs" / "modeldb.md").read_text()
ORIGINAL = [
    "testConnection",
    "storeDataFrame",
    "storeProjectEvent",
    "storeExperimentEvent",
    "storeExperimentRunEvent",
    "storeFitEvent",
    "storeTransformEvent",
    "storePipelineTransformEvent",
    "storeRandomSplitEvent",
    "storeMetricEvent",
    "storePipelineEvent",
    "storeCrossValidationEvent",
    "storeGridSearchCrossValidationEvent",
    "storeAnnotationEvent",
    "storeLinearModel",
    "storeTreeModel",
    "getFilePath",
    "pathForTransformer",
    "getDataFrameAncestry",
    "getCommonAncestor",
    "getCommonAncestorForModels",
    "computeModelAncestry",
    "extractPipeline",
    "originalFeatures",
    "modelsDerivedFromDataFrame",
    "compareHyperparameters",
    "compareFeatures",
    "compareLinearModelFeatureImportances",
    "linearModelFeatureImportances",
    "confidenceIntervals",
    "iterationsUntilConvergence",
    "getTrainingRowsCount",
    "getTrainingRowsCounts",
    "similarModels",
    "rankModels",
    "groupByProblemType",
    "modelsWithFeatures",
    "getModelIds",
    "getProjectIds",
    "getModel",
    "getExperimentRunDetails",
    "getRunsInExperiment",
    "getRunsAndExperimentsInProject",
    "getProjectOverviews",
    "updateProject",
    "createOrUpdateScalarField",
    "createVectorField",
    "updateVectorField",
    "appendToVectorField",
]


def test_every_call_of_the_original_has_its_row() -> None:
    assert len(ORIGINAL) == 49
    rows = re.findall(r"^\| ([a-z]\w+(?:, \w+)*) \|", PAGE, re.MULTILINE)
    documented = [name for row in rows for name in row.split(", ")]
    assert sorted(set(ORIGINAL) - set(documented)) == []


def test_every_documented_call_exists(tmp_path: Path) -> None:
    db = ModelDB(Catalogue(f"sqlite:///{tmp_path}/catalogue.db"))
    groups = ["annotations", "browse", "compare", "find", "life_stages", "lineage", "metadata", "projects", "tags"]
    calls = re.findall(rf"\b({'|'.join(groups)})\.(\w+)\(", PAGE)
    assert len(set(calls)) > 30
    missing = [f"{group}.{call}" for group, call in calls if not callable(getattr(getattr(db, group), call, None))]
    assert missing == []


def test_the_documented_filter_and_its_documented_error() -> None:
    asked = re.search(r'db\.search\("(.+?)"\)', PAGE)
    assert asked is not None
    assert len(parse_filter(asked.group(1)).fields()) == 3
    shown = re.search(r"^    (filter, character .+)\n    (  .+)\n    ( +\^)$", PAGE, re.MULTILINE)
    assert shown is not None
    with pytest.raises(InvalidInputError) as caught:
        parse_filter(shown.group(2).strip())
    assert str(caught.value) == "\n".join(shown.groups())


def test_every_field_is_documented() -> None:
    table = PAGE[PAGE.index("| field | values |") : PAGE.index("| operator | |")]
    documented = set(re.findall(r"`(\w+)(?:\.\w+)?`", table))
    assert (set(FACTS) | set(GROUPS)) <= documented
