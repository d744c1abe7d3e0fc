"""The decision trees of a model of Spark as arrays: all nodes come out of the JVM in one call."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from mistique_core.fitted.facts.trees import BOOSTED, DECISION_TREE, RANDOM_FOREST
from mistique_core.model.fit_facts import TreeFacts, TreeNodes


def tree_facts(model: Any, node_limit: int) -> TreeFacts | None:
    """Return the trees of a model; ``None`` for any other.

    Parameters
    ----------
    model
        A fitted decision tree, random forest or gradient-boosted trees.
    node_limit
        Most nodes, of all trees together, whose structure is taken out.
    """
    name = type(model).__name__
    weights: tuple[float, ...]
    if name.startswith("DecisionTree"):
        trees, kind, weights = [model._java_obj], DECISION_TREE, (1.0,)
    elif name.startswith(("RandomForest", "GBT")) and hasattr(type(model), "treeWeights"):
        # Its own `trees` makes an object of Python of each, whose parameters take a hundred calls into the JVM.
        trees = list(model._java_obj.trees())
        kind = BOOSTED if name.startswith("GBT") else RANDOM_FOREST
        # Spark divides by the number of trees of a forest only when it predicts.
        weights = tuple(map(float, model.treeWeights)) if kind == BOOSTED else (1.0 / len(trees),) * len(trees)
    else:
        return None
    sizes = tuple(int(tree.numNodes()) for tree in trees)
    if sum(sizes) > node_limit:
        return TreeFacts(kind, weights, sizes)
    return TreeFacts(kind, weights, sizes, tuple(_nodes(document) for document in _documents(trees)))


def _documents(trees: list[Any]) -> list[dict[str, Any]]:
    """Return the root of each tree as JSON, with everything below it."""
    from pyspark import SparkContext

    context: Any = SparkContext._active_spark_context
    jvm = context._jvm
    roots = jvm.java.util.ArrayList()
    for tree in trees:
        roots.add(tree.rootNode())
    mapper = jvm.com.fasterxml.jackson.databind.ObjectMapper()
    mapper.registerModule(jvm.com.fasterxml.jackson.module.scala.DefaultScalaModule())
    # One long answer: TCP holds back the end of each for 40 ms.
    found: list[dict[str, Any]] = json.loads(mapper.writeValueAsString(roots))
    return found


def _nodes(root: dict[str, Any]) -> TreeNodes:
    """Return the nodes of a tree in the order of Spark's own numbers: a node, all on its left, all on its right."""
    order: list[dict[str, Any]] = []
    waiting: list[tuple[dict[str, Any], int, str]] = [(root, -1, "")]
    links: dict[str, list[int]] = {"left": [], "right": []}
    while waiting:
        node, parent, side = waiting.pop()
        if side:
            links[side][parent] = len(order)
        number = len(order)
        order.append(node)
        for numbers in links.values():
            numbers.append(-1)
        if _is_inner(node):
            waiting += [(node["rightChild"], number, "right"), (node["leftChild"], number, "left")]
    return TreeNodes(
        left=np.asarray(links["left"], dtype=np.int32),
        right=np.asarray(links["right"], dtype=np.int32),
        feature=np.asarray([_split(node).get("featureIndex", -1) for node in order], dtype=np.int32),
        threshold=np.asarray([_number(_split(node).get("threshold")) for node in order]),
        prediction=np.asarray([_number(node["prediction"]) for node in order]),
        impurity=np.asarray([_number(node["impurity"]) for node in order]),
        gain=np.asarray([_number(node.get("gain")) if _is_inner(node) else np.nan for node in order]),
    )


def _is_inner(node: dict[str, Any]) -> bool:
    return node.get("leftChild") is not None


def _split(node: dict[str, Any]) -> dict[str, Any]:
    """Return the split of a node, {} for a leaf; which categories go left is no threshold."""
    found: dict[str, Any] = node["split"] if _is_inner(node) else {}
    return found


def _number(value: Any) -> float:
    """Return a number, which JSON has as a text where it is not finite; NaN for none."""
    return float("nan") if value is None else float(value)
