"""XGBoost's trees as arrays."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from mistique_core.model.fit_facts import TreeNodes

# In the binary form a text is S, L, its length as eight bytes, and its characters.
_COUNTS = re.compile(rb"num_(deleted|nodes)SL.{8}(\d+)", re.DOTALL)
_CATEGORICAL = 1


def xgboost_trees(model: Any, node_limit: int) -> tuple[tuple[int, ...], tuple[TreeNodes, ...]]:
    """Return the number of nodes of each tree, and their structures where these are not too many.

    Parameters
    ----------
    model
        A fitted estimator of XGBoost's scikit-learn interface.
    node_limit
        Most nodes of all trees together.
    """
    booster = model.get_booster()
    counts = _COUNTS.findall(bytes(booster.save_raw("ubj")))
    nodes = [int(value) for name, value in counts if name == b"nodes"]
    deleted = [int(value) for name, value in counts if name == b"deleted"]
    sizes = tuple(np.subtract(nodes, deleted or 0).tolist())
    if sum(nodes) > node_limit or not sizes:
        return sizes, ()
    trees = _find_trees(json.loads(bytes(booster.save_raw("json"))))
    if any(int(tree["tree_param"].get("size_leaf_vector", 0)) > 1 for tree in trees):
        # A leaf with a value an output has no single prediction.
        return sizes, ()
    return sizes, tuple(map(_nodes, trees))


def _find_trees(document: dict[str, Any]) -> list[dict[str, Any]]:
    booster = document["learner"]["gradient_booster"]
    found: list[dict[str, Any]] = booster.get("gbtree", booster)["model"]["trees"]
    return found


def _nodes(tree: dict[str, Any]) -> TreeNodes:
    left = np.asarray(tree["left_children"], dtype=np.int32)
    right = np.asarray(tree["right_children"], dtype=np.int32)
    kept = _reachable(left, right) if int(tree["tree_param"].get("num_deleted", 0)) else np.arange(len(left))
    number = np.full(len(left), -1, dtype=np.int32)
    number[kept] = np.arange(len(kept), dtype=np.int32)
    left, right = left[kept], right[kept]
    is_leaf = left < 0
    condition = np.asarray(tree["split_conditions"], dtype=np.float32)[kept]
    is_categorical = np.asarray(tree.get("split_type", np.zeros(len(number))))[kept] == _CATEGORICAL
    # Rows below the condition go left, in float32: those up to the number before it.
    threshold = np.nextafter(condition, np.float32(-np.inf)).astype(np.float64)
    weights = np.asarray(tree["base_weights"], dtype=np.float32)[kept]
    return TreeNodes(
        left=np.where(is_leaf, -1, number[left]).astype(np.int32),
        right=np.where(is_leaf, -1, number[right]).astype(np.int32),
        feature=np.where(is_leaf, -1, np.asarray(tree["split_indices"])[kept]).astype(np.int32),
        threshold=np.where(is_leaf | is_categorical, np.nan, threshold),
        prediction=np.where(is_leaf, condition, weights).astype(np.float64),
        impurity=np.full(len(kept), np.nan),
        gain=np.where(is_leaf, np.nan, np.asarray(tree["loss_changes"], dtype=np.float64)[kept]),
    )


def _reachable(left: Any, right: Any) -> Any:
    """Return the nodes that pruning left, in order."""
    found, level = [np.zeros(1, dtype=np.int32)], np.zeros(1, dtype=np.int32)
    while len(level):
        below = np.concatenate([left[level], right[level]])
        level = below[below >= 0]
        found.append(level)
    return np.sort(np.concatenate(found))
