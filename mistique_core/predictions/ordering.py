"""Orders of a prediction matrix by name, as an address or a form says them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from mistique_core.errors import InvalidInputError
from mistique_core.model.whole_number import whole_number
from mistique_core.predictions import orders
from mistique_core.predictions.byte_cache import ByteCache
from mistique_core.predictions.clusters import cluster_order, row_clusters
from mistique_core.predictions.matrix import Matrix
from mistique_core.predictions.neighbours import distances
from mistique_core.predictions.viewport import OrderedMatrix, ordered

Kind = Literal["row_id", "error", "disagreement", "truth", "clusters", "model", "near", "group"]


@dataclass(frozen=True)
class Order:
    """An order of rows.

    Attributes
    ----------
    kind
        Which.
    of
        Of ``model`` its name, of ``near`` the row id, of ``group`` the key of the column.
    """

    kind: Kind
    of: str = ""

    @classmethod
    def parse(cls, text: str) -> Order:
        """Return the order that a text such as ``error`` or ``near:206`` names.

        Raises
        ------
        InvalidInputError
            If it names none.
        """
        name, _, of = text.partition(":")
        for kind in get_args(Kind):
            if kind == name and bool(of) == (kind in ("model", "near", "group")):
                return cls(kind, of)
        raise InvalidInputError(f"there is no order {text[:80]!r}; choose one of the list")

    def __str__(self) -> str:
        return f"{self.kind}:{self.of}" if self.of else self.kind


def in_order(
    matrix: Matrix, order: Order, cache: ByteCache, groups: npt.NDArray[np.int64] | None = None
) -> OrderedMatrix:
    """Return the matrix in an order.

    Parameters
    ----------
    matrix
        With at least one row.
    order
        Which.
    cache
        Keeps permutation and sums of blocks.
    groups
        (rows,) the group of each row, for an order by groups.

    Raises
    ------
    MistiqueError
        If the model or the row does not exist.
    """
    key = ("order", matrix.address, order)
    return cache.get(key, lambda: ordered(matrix, _permutation(matrix, order, groups)))


def _permutation(matrix: Matrix, order: Order, groups: npt.NDArray[np.int64] | None) -> orders.Permutation:
    match order.kind:
        case "row_id":
            return orders.by_row_id(matrix)
        case "error":
            return orders.by_mean_error(matrix)
        case "disagreement":
            return orders.by_disagreement(matrix)
        case "truth":
            return orders.by_truth(matrix)
        case "clusters":
            return cluster_order(matrix, row_clusters(matrix))
        case "model":
            if order.of not in matrix.names:
                raise InvalidInputError(f"model {order.of[:80]!r} is not shown; choose another order")
            return orders.by_model(matrix, matrix.names.index(order.of))
        case "near":
            row = whole_number(order.of, most=2**63 - 1)
            if row is None:
                raise InvalidInputError(f"{order.of[:80]!r} is no row id; choose another order")
            return np.argsort(distances(matrix, matrix.position(row)), kind="stable").astype(np.int32)
        case "group":
            if groups is None:
                raise InvalidInputError("an order by groups needs a column; choose one to group by")
            return orders.by_codes(matrix, groups)
