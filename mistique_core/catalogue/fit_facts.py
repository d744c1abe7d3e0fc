"""What is known about fitted models, stored once for all that are equal."""

from __future__ import annotations

import io
import json
import math
import zlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from blake3 import blake3

from mistique_core.catalogue.driver_statements import find_ids, insert_ignore
from mistique_core.catalogue.modeldb_tables import (
    feature,
    fit_facts,
    linear_model,
    linear_term,
    transformer,
    tree_model,
)
from mistique_core.model.fit_facts import (
    Feature,
    FitFacts,
    LinearFacts,
    LinearTerm,
    ProblemType,
    TreeFacts,
    TreeNodes,
)

_NODE_ARRAYS = ("left", "right", "feature", "threshold", "prediction", "impurity", "gain")
_LONGEST = 200


def facts_ids(connection: sa.Connection, facts: Sequence[FitFacts]) -> list[int]:
    """Return the ids of what is known about models, inserting what is new.

    The type, the hyperparameters and the history are not part of it: they belong to the transformer and its stage.
    """
    nodes = [None if item.trees is None else _pack(item.trees.components) for item in facts]
    addresses = [_address(item, packed) for item, packed in zip(facts, nodes, strict=True)]
    found = find_ids(connection, fit_facts, "address", addresses)
    new = {
        address: (item, packed)
        for address, item, packed in zip(addresses, facts, nodes, strict=True)
        if address not in found
    }
    if new:
        insert_ignore(connection, fit_facts, [_head(address, item) for address, (item, _) in new.items()])
        rows = find_ids(connection, fit_facts, "address", list(new))
        _add_details(connection, [(rows[address], item, packed) for address, (item, packed) in new.items()])
        found |= rows
    return [found[address] for address in addresses]


def _head(address: bytes, facts: FitFacts) -> dict[str, Any]:
    return {
        "address": address,
        "problem_type": facts.problem_type.value,
        "label_columns": list(facts.label_columns),
        "prediction_columns": list(facts.prediction_columns),
    }


def _add_details(connection: sa.Connection, new: Sequence[tuple[int, FitFacts, bytes | None]]) -> None:
    """Insert features, coefficients and trees; a table at a time."""
    features = [
        {
            "facts_id": row,
            "position": position,
            "name": item.name[:_LONGEST],
            "importance": _finite(item.importance),
        }
        for row, facts, _ in new
        for position, item in enumerate(facts.features)
    ]
    linear = [(row, facts.linear) for row, facts, _ in new if facts.linear is not None]
    heads = [
        {
            "facts_id": row,
            "rmse": _finite(item.rmse),
            "explained_variance": _finite(item.explained_variance),
            "r2": _finite(item.r2),
            "is_standardized": item.is_standardized,
        }
        for row, item in linear
    ]
    terms = [
        {
            "facts_id": row,
            "target": term.target[:_LONGEST],
            "term_index": term.index,
            "name": term.name[:_LONGEST],
            "coefficient": float(term.coefficient),
            "std_err": _finite(term.std_err),
            "t_stat": _finite(term.t_stat),
            "p_value": _finite(term.p_value),
        }
        for row, item in linear
        for term in item.terms
        if math.isfinite(term.coefficient)
    ]
    trees = [
        {
            "facts_id": row,
            "model_type": facts.trees.model_type,
            "weights": list(facts.trees.weights),
            "sizes": list(facts.trees.sizes),
            "nodes": packed,
        }
        for row, facts, packed in new
        if facts.trees is not None
    ]
    for table, rows in ((feature, features), (linear_model, heads), (linear_term, terms), (tree_model, trees)):
        insert_ignore(connection, table, rows)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _address(facts: FitFacts, nodes: bytes | None) -> bytes:
    linear, trees = facts.linear, facts.trees
    document: list[Any] = [
        facts.problem_type.value,
        list(facts.label_columns),
        list(facts.prediction_columns),
        [[item.name, item.importance] for item in facts.features],
        None
        if linear is None
        else [
            [linear.rmse, linear.explained_variance, linear.r2, linear.is_standardized],
            [[t.target, t.index, t.name, t.coefficient, t.std_err, t.t_stat, t.p_value] for t in linear.terms],
        ],
        None if trees is None else [trees.model_type, list(trees.weights), list(trees.sizes)],
    ]
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=float)
    hashed = blake3(b"fit facts\0" + text.encode("utf-8", "surrogatepass"))
    return hashed.update(nodes or b"").digest()


def _pack(components: Sequence[TreeNodes]) -> bytes | None:
    """Return the arrays of trees as one value: all nodes one after the other, as NumPy's own format, compressed."""
    if not components:
        return None
    file = io.BytesIO()
    for name in _NODE_ARRAYS:
        np.save(file, np.concatenate([getattr(tree, name) for tree in components]), allow_pickle=False)
    return zlib.compress(file.getvalue())


def _unpack(nodes: bytes, sizes: Sequence[int]) -> tuple[TreeNodes, ...]:
    file = io.BytesIO(zlib.decompress(nodes))
    ends = np.cumsum(sizes)[:-1]
    arrays = [np.split(np.load(file, allow_pickle=False), ends) for _ in _NODE_ARRAYS]
    return tuple(TreeNodes(*tree) for tree in zip(*arrays, strict=True))


def read_facts(connection: sa.Connection, row: int, type_name: str = "") -> FitFacts:
    """Return what is known about a model; hyperparameters and history are left empty.

    Parameters
    ----------
    connection
        A read connection.
    row
        Id that :func:`facts_ids` gave.
    type_name
        Class name of the model, which is not part of it.
    """
    head = connection.execute(sa.select(fit_facts).where(fit_facts.c.id == row)).one()
    features = connection.execute(sa.select(feature).where(feature.c.facts_id == row).order_by(feature.c.position))
    return FitFacts(
        type_name,
        ProblemType(head.problem_type),
        features=tuple(Feature(item.name, item.importance) for item in features),
        label_columns=tuple(head.label_columns),
        prediction_columns=tuple(head.prediction_columns),
        linear=_linear(connection, row),
        trees=_trees(connection, row),
    )


def _linear(connection: sa.Connection, row: int) -> LinearFacts | None:
    head = connection.execute(sa.select(linear_model).where(linear_model.c.facts_id == row)).first()
    if head is None:
        return None
    query = sa.select(linear_term).where(linear_term.c.facts_id == row)
    terms = tuple(
        LinearTerm(item.term_index, item.name, item.target, item.coefficient, item.std_err, item.t_stat, item.p_value)
        for item in connection.execute(query.order_by(linear_term.c.target, linear_term.c.term_index))
    )
    return LinearFacts(terms, head.rmse, head.explained_variance, head.r2, head.is_standardized)


def _trees(connection: sa.Connection, row: int) -> TreeFacts | None:
    head = connection.execute(sa.select(tree_model).where(tree_model.c.facts_id == row)).first()
    if head is None:
        return None
    components = () if head.nodes is None else _unpack(bytes(head.nodes), head.sizes)
    return TreeFacts(head.model_type, tuple(head.weights), tuple(head.sizes), components)


def forget_unused_facts(connection: sa.Connection, rows: Collection[int]) -> None:
    """Delete those of some facts that no transformer refers to any more."""
    used = set(connection.scalars(sa.select(transformer.c.facts_id).where(transformer.c.facts_id.in_(sorted(rows)))))
    gone = sorted(set(rows) - used)
    for table in (feature, linear_term, linear_model, tree_model):
        connection.execute(sa.delete(table).where(table.c.facts_id.in_(gone)))
    connection.execute(sa.delete(fit_facts).where(fit_facts.c.id.in_(gone)))
