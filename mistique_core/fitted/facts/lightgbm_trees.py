"""LightGBM's trees as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.model.fit_facts import TreeNodes

_CATEGORICAL = 1


def lightgbm_trees(model: Any, node_limit: int) -> tuple[tuple[int, ...], tuple[TreeNodes, ...]]:
    """Return the number of nodes of each tree, and their structures where these are not too many.

    Parameters
    ----------
    model
        A fitted estimator of LightGBM's scikit-learn interface.
    node_limit
        Most nodes of all trees together.
    """
    text = model.booster_.model_to_string(num_iteration=-1)
    trees = [_fields(part) for part in text.partition("\nend of trees")[0].split("\nTree=")[1:]]
    # A tree with n leaves has n - 1 splits.
    sizes = tuple(2 * int(tree["num_leaves"]) - 1 for tree in trees)
    if sum(sizes) > node_limit:
        return sizes, ()
    return sizes, tuple(map(_nodes, trees))


def _fields(part: str) -> dict[str, str]:
    lines = (line.partition("=") for line in part.split("\n"))
    return {name: value for name, sign, value in lines if sign}


def _nodes(tree: dict[str, str]) -> TreeNodes:
    """Return a tree: its splits first, then its leaves, which LightGBM numbers -1, -2..."""
    leaves = int(tree["num_leaves"])
    splits = leaves - 1
    none = np.full(leaves, np.nan)
    is_numeric = ~(_numbers(tree, "decision_type", splits).astype(np.int64) & _CATEGORICAL).astype(bool)
    threshold = np.where(is_numeric, _numbers(tree, "threshold", splits), np.nan)
    return TreeNodes(
        left=_children(tree, "left_child", leaves),
        right=_children(tree, "right_child", leaves),
        feature=np.concatenate([_numbers(tree, "split_feature", splits), np.full(leaves, -1)]).astype(np.int32),
        threshold=np.concatenate([threshold, none]),
        prediction=np.concatenate([_numbers(tree, "internal_value", splits), _numbers(tree, "leaf_value", leaves)]),
        impurity=np.full(splits + leaves, np.nan),
        gain=np.concatenate([_numbers(tree, "split_gain", splits), none]),
    )


def _numbers(tree: dict[str, str], name: str, count: int) -> npt.NDArray[np.float64]:
    return np.array(tree.get(name, "").split()[:count], dtype=np.float64) if count else np.empty(0)


def _children(tree: dict[str, str], name: str, leaves: int) -> npt.NDArray[np.int32]:
    splits = leaves - 1
    children = _numbers(tree, name, splits).astype(np.int32)
    return np.concatenate([np.where(children < 0, splits - 1 - children, children), np.full(leaves, -1)]).astype(
        np.int32
    )
