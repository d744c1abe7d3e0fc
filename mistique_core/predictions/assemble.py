"""From stored intermediates to a prediction matrix, a column at a time, aligned by row id."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.catalogue.intermediates import columns_of
from mistique_core.errors import InvalidInputError
from mistique_core.predictions.byte_cache import ByteCache
from mistique_core.predictions.found import PredictionSet
from mistique_core.predictions.levels import STEPS, correctness_levels, error_levels, probability_levels
from mistique_core.predictions.matrix import Matrix, MatrixColumn, RowIds
from mistique_core.predictions.problem import (
    Codes,
    Floats,
    Truth,
    class_of_column,
    codes_of,
    is_regression,
    truth_of,
)
from mistique_core.store import Mistique

MOST_CELLS = 150_000_000
"""Of one matrix; a cell is a byte of the cache."""


@dataclass(frozen=True)
class Rows:
    """The rows of an intermediate by ascending row id.

    Attributes
    ----------
    ids
        (rows,) int64, ascending.
    order
        (rows,) int32 positions in the store; empty where the store has them in this order.
    """

    ids: RowIds
    order: npt.NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.ids.nbytes + self.order.nbytes

    def sorted(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Return values in stored order in the order of `ids`."""
        return values[self.order] if len(self.order) else values


@dataclass(frozen=True)
class Assembled:
    """A matrix, and what could not be part of it.

    Attributes
    ----------
    matrix
        Of the models that fit together.
    sets
        Where each column of the matrix comes from.
    left_out
        Name of a prediction set -> why it is not in the matrix.
    rows_left_out
        Rows of the largest set that others lack, or that have no label.
    """

    matrix: Matrix
    sets: tuple[PredictionSet, ...]
    left_out: Mapping[str, str]
    rows_left_out: int


class Assembler:
    """Reads predictions of one store; never re-runs anything.

    Parameters
    ----------
    store
        An open store.
    cache
        Keeps columns under their content addresses.
    """

    def __init__(self, store: Mistique, cache: ByteCache) -> None:
        self._store = store
        self._cache = cache

    def assemble(self, sets: Sequence[PredictionSet], label: str, positive: str | None = None) -> Assembled:
        """Return the matrix of some prediction sets over the rows that all of them hold.

        Parameters
        ----------
        sets
            At least one.
        label
            Column that holds the truth in each of them; one that holds other truths than the first set is left out.
        positive
            Name of the positive class of a binary problem; the last class by default.

        Raises
        ------
        InvalidInputError
            If no set can be used, no row is shared, or the matrix would be too large.
        """
        key = ("recipe", label, positive, *sets)
        found = self._again(key)
        return self._assemble(key, sets, label, positive) if found is None else found

    def _again(self, key: Hashable) -> Assembled | None:
        """Return what was assembled before, if all its columns are kept still."""
        recipe: _Recipe | None = self._cache.find(key)
        if recipe is None:
            return None
        columns = [self._cache.find(column) for column in recipe.columns]
        if any(column is None for column in columns):
            return None
        names = display_names(recipe.sets)
        matrix = Matrix(recipe.address, recipe.row_ids, recipe.truth, names, tuple(columns))
        return Assembled(matrix, recipe.sets, recipe.left_out, recipe.rows_left_out)

    def _assemble(self, key: Hashable, sets: Sequence[PredictionSet], label: str, positive: str | None) -> Assembled:
        left_out: dict[str, str] = {}
        usable: list[tuple[PredictionSet, dict[str, bytes]]] = []
        for item in sets:
            reason, addresses = self._check(item, label)
            if reason:
                left_out[item.name] = reason
            else:
                usable.append((item, addresses))
        if not usable:
            raise InvalidInputError(_no_set(left_out))
        ids, keep_address, labels = self._shared(usable[0][0], [item for item, _ in usable], label)
        if not len(ids):
            raise InvalidInputError("the chosen models share no row; choose models that predict the same rows")
        if len(ids) * len(usable) > MOST_CELLS:
            raise InvalidInputError(
                f"{len(usable)} models x {len(ids):,} rows are more than {MOST_CELLS:,} cells; choose fewer models"
            )
        truth_address = _digest(b"truth", keep_address, usable[0][1][label], str(positive).encode())
        truth = self._truth(labels, truth_address, usable, positive)
        columns, members = [], []
        for item, addresses in usable:
            parts = sorted(addresses.items())
            address = _digest(truth_address, item.row_ids, *(name.encode() + value for name, value in parts))
            make = partial(self._column, item, label, ids, labels, truth)
            made: MatrixColumn | _Unusable = self._cache.get(("column", address), make)
            if isinstance(made, MatrixColumn):
                columns.append(made)
                members.append((item, address))
            else:
                left_out[item.name] = made.reason
        if not columns:
            raise InvalidInputError(_no_set(left_out))
        matrix = Matrix(
            _digest(truth_address, *(address for _, address in members)),
            ids,
            truth,
            display_names([item for item, _ in members]),
            tuple(columns),
        )
        most = max(item.rows for item, _ in usable)
        found = Assembled(matrix, tuple(item for item, _ in members), left_out, most - len(ids))
        kept = tuple(("column", address) for _, address in members)
        self._cache.put(key, _Recipe(matrix.address, ids, truth, found.sets, kept, left_out, found.rows_left_out))
        return found

    def probabilities(self, item: PredictionSet, name: str, row_ids: RowIds) -> Floats:
        """Return a column of a set at some row ids (ascending), as float64."""
        rows = self._rows(item)
        values = self._read(item, name).to_numpy(dtype=np.float64)
        return np.asarray(_at(rows, values, row_ids), dtype=np.float64)

    def value(self, item: PredictionSet, name: str, row_id: int) -> float:
        """Return one number of a set, exactly as it is stored."""
        found = self._store.get_intermediates(item.key(name), row_id=row_id, strategy="read")
        return float(found.values[0])

    def _check(self, item: PredictionSet, label: str) -> tuple[str, dict[str, bytes]]:
        """Return why a set cannot be used ("" if it can), and the content addresses of its columns."""
        if label not in item.labels:
            return f"it has no column {label!r}", {}
        with self._store.catalogue.read() as connection:
            found = {column.name: column for column in columns_of(connection, item.intermediate_id)}
        wanted = [label, *item.probabilities, *([] if item.prediction is None else [item.prediction])]
        return "", {name: found[name].version.address for name in wanted}

    def _read(self, item: PredictionSet, name: str) -> pd.Series:
        return self._store.get_intermediates(item.key(name), strategy="read").frame.iloc[:, 0]

    def _rows(self, item: PredictionSet) -> Rows:
        return self._cache.get(("rows", item.row_ids), lambda: self._read_rows(item))

    def _read_rows(self, item: PredictionSet) -> Rows:
        ids = self._read(item, item.prediction or item.probabilities[0]).index.to_numpy(dtype=np.int64)
        if (np.diff(ids) > 0).all():
            return Rows(ids, np.empty(0, np.int32))
        order = np.argsort(ids, kind="stable").astype(np.int32)
        return Rows(ids[order], order)

    def _shared(
        self, first: PredictionSet, sets: Sequence[PredictionSet], label: str
    ) -> tuple[RowIds, bytes, pd.Series]:
        """Return the row ids that all sets hold and that have a label, their address, and the labels."""
        ids = self._rows(first).ids
        addresses = sorted({item.row_ids for item in sets})
        for item in {item.row_ids: item for item in sets}.values():
            if item.row_ids != first.row_ids:
                ids = np.intersect1d(ids, self._rows(item).ids, assume_unique=True)
        column = self._read(first, label)
        values = self._rows(first)
        places: npt.NDArray[Any] = np.searchsorted(values.ids, ids)
        if len(values.order):
            places = values.order[places]
        labels = column.iloc[places] if len(ids) != len(column) or len(values.order) else column
        known = labels.notna().to_numpy()
        if not known.all():
            ids, labels = ids[known], labels[known]
        return ids, _digest(*addresses), labels

    def _truth(
        self,
        labels: pd.Series,
        address: bytes,
        usable: Sequence[tuple[PredictionSet, dict[str, bytes]]],
        positive: str | None,
    ) -> Truth:
        first = usable[0][0]

        def make() -> Truth:
            prediction = None if first.prediction is None else self._read(first, first.prediction)
            classes = {class_of_column(name) for name in first.probabilities}
            regression = is_regression(labels, prediction, first.probabilities)
            return truth_of(labels, regression=regression, classes=classes, positive=positive)

        return self._cache.get(("truth", address, first.row_ids, tuple(first.probabilities)), make)

    def _column(
        self, item: PredictionSet, label: str, ids: RowIds, labels: pd.Series, truth: Truth
    ) -> MatrixColumn | _Unusable:
        rows = self._rows(item)
        own = self._read(item, label)
        if not _equal(_at(rows, own.to_numpy(), ids), labels.to_numpy()):
            return _Unusable(f"its column {label!r} says other truths than that of the first model")
        if truth.problem.kind == "regression":
            return self._regression(item, rows, ids, truth)
        given = {class_of_column(name): name for name in item.probabilities}
        own_codes = self._own_codes(item, given, rows, ids, truth)
        if own_codes is None:
            return _Unusable("it predicts a class that neither the label nor the first model knows, or none at all")
        levels, has = self._classification(item, given, rows, ids, truth)
        if has and levels is None:
            return _Unusable("some of its probabilities are missing, or not between 0 and 1")
        is_right = own_codes == truth.codes
        found = levels if levels is not None else np.where(is_right, np.uint8(STEPS), np.uint8(0))
        if truth.problem.kind == "binary":
            return MatrixColumn(found, np.packbits(own_codes == truth.problem.positive), has)
        return MatrixColumn(found, own_codes, has)

    def _regression(self, item: PredictionSet, rows: Rows, ids: RowIds, truth: Truth) -> MatrixColumn | _Unusable:
        if item.prediction is None:
            return _Unusable("it has probabilities, but the first model predicts amounts")
        series = self._read(item, item.prediction)
        if series.dtype.kind not in "iufb":
            return _Unusable("its predictions are no numbers")
        values = np.asarray(_at(rows, series.to_numpy(dtype=np.float64), ids))
        if not np.isfinite(values).all():
            return _Unusable("some of its predictions are missing or infinite")
        levels = error_levels(values - truth.values, truth.problem.scale)
        return MatrixColumn(levels, np.empty(0, np.uint8))

    def _own_codes(
        self, item: PredictionSet, given: Mapping[str, str], rows: Rows, ids: RowIds, truth: Truth
    ) -> Codes | None:
        """Return what a model decided: its predictions, or else its likeliest class."""
        if item.prediction is not None:
            codes = codes_of(self._read(item, item.prediction), truth.problem.classes)
            return None if codes is None else np.asarray(_at(rows, codes, ids))
        best = np.full(len(ids), -np.inf)
        codes = np.zeros(len(ids), np.uint8)
        for at, name in enumerate(truth.problem.classes):
            if name in given:
                values = self.probabilities(item, given[name], ids)
                codes[values > best] = at
                best = np.maximum(best, values)
        return codes

    def _classification(
        self, item: PredictionSet, given: Mapping[str, str], rows: Rows, ids: RowIds, truth: Truth
    ) -> tuple[Codes | None, bool]:
        """Return levels of the probability of what is true, and whether there are probabilities."""
        problem = truth.problem
        if not given:
            return None, False
        if problem.positive is not None:
            positive = self.positive_probabilities(item, truth, ids)
            if not _are_shares(positive):
                return None, True
            return correctness_levels(probability_levels(positive), truth.is_positive), True
        levels = np.zeros(len(ids), np.uint8)
        for at, name in enumerate(problem.classes):
            mine = truth.codes == at
            if name in given and mine.any():
                values = self.probabilities(item, given[name], ids[mine])
                if not _are_shares(values):
                    return None, True
                levels[mine] = probability_levels(values)
        return levels, True

    def positive_probabilities(self, item: PredictionSet, truth: Truth, row_ids: RowIds) -> Floats:
        """Return the probability of the positive class of a binary problem at some row ids (ascending), float64."""
        classes, positive = truth.problem.classes, truth.problem.positive
        if positive is None:
            raise InvalidInputError("only a problem of two classes has a positive one; ask for a class by its name")
        given = {class_of_column(name): name for name in item.probabilities}
        if classes[positive] in given:
            return self.probabilities(item, given[classes[positive]], row_ids)
        return 1 - self.probabilities(item, given[classes[1 - positive]], row_ids)


@dataclass(frozen=True)
class _Recipe:
    """Of what a matrix consists; the columns are kept apart, since other matrices share them."""

    address: bytes
    row_ids: RowIds
    truth: Truth
    sets: tuple[PredictionSet, ...]
    columns: tuple[Hashable, ...]
    left_out: Mapping[str, str]
    rows_left_out: int

    @property
    def nbytes(self) -> int:
        return self.row_ids.nbytes + self.truth.nbytes


@dataclass(frozen=True)
class _Unusable:
    reason: str

    @property
    def nbytes(self) -> int:
        return len(self.reason)


def display_names(sets: Sequence[PredictionSet]) -> tuple[str, ...]:
    """Return a name for each set, each once: that of its model, or with its intermediate where a model has several."""
    models = [item.model for item in sets]
    return tuple(item.model if models.count(item.model) == 1 else f"{item.model} {item.intermediate}" for item in sets)


def _at(rows: Rows, stored: npt.NDArray[np.generic], ids: RowIds) -> npt.NDArray[np.generic]:
    """Return values in stored order at some of the row ids, ascending."""
    values = rows.sorted(stored)
    if len(ids) == len(rows.ids):
        return values
    return values[np.searchsorted(rows.ids, ids)]


def _equal(left: npt.NDArray[np.generic], right: npt.NDArray[np.generic]) -> bool:
    same = np.asarray(left == right)
    return bool(same.all())


def _are_shares(values: Floats) -> bool:
    return bool(((values >= 0) & (values <= 1)).all())


def _digest(*parts: bytes) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.digest()


def _no_set(left_out: Mapping[str, str]) -> str:
    shown = "; ".join(f"{name}: {reason}" for name, reason in list(left_out.items())[:5])
    return f"none of the chosen models can be compared; {shown or 'choose at least one'}"
