"""The trees of scikit-learn's histogram-based boosting as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from mistique_core.model.fit_facts import TreeNodes


def hist_trees(model: Any, node_limit: int) -> tuple[tuple[int, ...], tuple[TreeNodes, ...]]:
    """Return the number of nodes of each tree, and their structures where these are not too many.

    Parameters
    ----------
    model
        A fitted ``HistGradientBoostingClassifier`` or ``HistGradientBoostingRegressor``.
    node_limit
        Most nodes of all trees together.
    """
    trees = [tree for iteration in model._predictors for tree in iteration]
    sizes = tuple(len(tree.nodes) for tree in trees)
    if sum(sizes) > node_limit:
        return sizes, ()
    return sizes, tuple(_nodes(tree.nodes) for tree in trees)


def _nodes(nodes: Any) -> TreeNodes:
    is_leaf = nodes["is_leaf"].astype(bool)
    # Which categories go left is no threshold.
    has_threshold = ~is_leaf & ~nodes["is_categorical"].astype(bool)
    return TreeNodes(
        left=np.where(is_leaf, -1, nodes["left"].astype(np.int64)).astype(np.int32),
        right=np.where(is_leaf, -1, nodes["right"].astype(np.int64)).astype(np.int32),
        feature=np.where(is_leaf, -1, nodes["feature_idx"]).astype(np.int32),
        threshold=np.where(has_threshold, nodes["num_threshold"], np.nan),
        prediction=nodes["value"].astype(np.float64),
        impurity=np.full(len(nodes), np.nan),
        gain=np.where(is_leaf, np.nan, nodes["gain"]),
    )
