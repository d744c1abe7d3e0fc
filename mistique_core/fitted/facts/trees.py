"""The decision trees of a model, whichever library grew them."""

from __future__ import annotations

from typing import Any

from mistique_core.fitted.facts.hist_trees import hist_trees
from mistique_core.fitted.facts.lightgbm_trees import lightgbm_trees
from mistique_core.fitted.facts.sklearn_trees import sklearn_trees
from mistique_core.fitted.facts.xgboost_trees import xgboost_trees
from mistique_core.model.fit_facts import TreeFacts

DECISION_TREE = "Decision Tree"
RANDOM_FOREST = "Random Forest"
BOOSTED = "GBT"


def tree_facts(model: Any, node_limit: int) -> TreeFacts | None:
    """Return the trees of a model; ``None`` for any other.

    A weight is what the prediction of a component counts: one over the number of trees of a forest, the learning rate
    of scikit-learn's boosted trees, and 1 where the leaves hold it already.

    Parameters
    ----------
    model
        A fitted estimator of scikit-learn, XGBoost or LightGBM.
    node_limit
        Most nodes, of all trees together, whose structure is taken out.
    """
    library = type(model).__module__.partition(".")[0]
    if library == "xgboost" and hasattr(model, "get_booster"):
        sizes, components = xgboost_trees(model, node_limit)
        kind = RANDOM_FOREST if "XGBRF" in type(model).__name__ else BOOSTED
        return TreeFacts(kind, (1.0,) * len(sizes), sizes, components) if sizes else None
    if library == "lightgbm" and hasattr(model, "booster_"):
        sizes, components = lightgbm_trees(model, node_limit)
        kind = RANDOM_FOREST if model.get_params().get("boosting_type") == "rf" else BOOSTED
        return TreeFacts(kind, (1.0,) * len(sizes), sizes, components) if sizes else None
    if hasattr(model, "_predictors") and type(model).__name__.startswith("HistGradientBoosting"):
        sizes, components = hist_trees(model, node_limit)
        return TreeFacts(BOOSTED, (1.0,) * len(sizes), sizes, components)
    return _of_sklearn(model, node_limit)


def _of_sklearn(model: Any, node_limit: int) -> TreeFacts | None:
    if not type(model).__module__.startswith(("sklearn.tree", "sklearn.ensemble")):
        return None
    if hasattr(model, "tree_"):
        sizes, components = sklearn_trees([model], node_limit)
        return TreeFacts(DECISION_TREE, (1.0,), sizes, components)
    members = getattr(model, "estimators_", None)
    if members is None:
        return None
    if type(model).__name__.startswith("GradientBoosting"):
        trees = list(members.ravel())
        sizes, components = sklearn_trees(trees, node_limit)
        return TreeFacts(BOOSTED, (float(model.learning_rate),) * len(trees), sizes, components)
    if type(model).__name__.startswith(("RandomForest", "ExtraTrees")):
        sizes, components = sklearn_trees(members, node_limit)
        return TreeFacts(RANDOM_FOREST, (1.0 / len(members),) * len(members), sizes, components)
    return None
