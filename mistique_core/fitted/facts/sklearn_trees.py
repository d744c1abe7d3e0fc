"""The decision trees of scikit-learn as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mistique_core.model.fit_facts import TreeNodes


def sklearn_trees(trees: Sequence[Any], node_limit: int) -> tuple[tuple[int, ...], tuple[TreeNodes, ...]]:
    """Return the number of nodes of each tree, and their structures where these are not too many.

    Parameters
    ----------
    trees
        Fitted estimators of ``sklearn.tree``.
    node_limit
        Most nodes of all trees together.
    """
    sizes = tuple(int(tree.tree_.node_count) for tree in trees)
    if sum(sizes) > node_limit:
        return sizes, ()
    return sizes, tuple(_nodes(tree) for tree in trees)


def _nodes(estimator: Any) -> TreeNodes:
    tree = estimator.tree_
    left, right = tree.children_left.astype(np.int32), tree.children_right.astype(np.int32)
    is_leaf = left < 0
    # (n_nodes, n_outputs, n_classes): of several outputs the first one counts.
    values = tree.value[:, 0, :]
    is_classifier = hasattr(estimator, "classes_")
    return TreeNodes(
        left=left,
        right=right,
        feature=np.where(is_leaf, -1, tree.feature).astype(np.int32),
        threshold=np.where(is_leaf, np.nan, tree.threshold),
        prediction=(values.argmax(axis=1) if is_classifier else values[:, 0]).astype(np.float64),
        impurity=tree.impurity.astype(np.float64),
        gain=_gains(tree, is_leaf),
    )


def _gains(tree: Any, is_leaf: Any) -> Any:
    """Return by how much each split lowers the impurity of its rows; NaN for a leaf."""
    rows, impurity = tree.weighted_n_node_samples, tree.impurity
    left, right = np.maximum(tree.children_left, 0), np.maximum(tree.children_right, 0)
    below = (rows[left] * impurity[left] + rows[right] * impurity[right]) / rows
    return np.where(is_leaf, np.nan, impurity - below)
