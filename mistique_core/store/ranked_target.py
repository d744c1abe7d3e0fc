"""One intermediate whose rows are ranked exactly although what is stored of it is not: bounds first, then re-runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from mistique_core.catalogue.facts import gather_facts
from mistique_core.catalogue.intermediates import find_intermediate
from mistique_core.cost import NO_RATES, HostRates
from mistique_core.engine.chunk_reader import ReadTally
from mistique_core.engine.frame_reader import FrameReader, is_units
from mistique_core.engine.unit_bounds import UnitBounds
from mistique_core.engine.units_rerun import UnitsRerunner
from mistique_core.errors import InvalidInputError, NotFoundError, RerunError, did_you_mean
from mistique_core.frames import LogicalType
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.planner import QueryPlan, Strategy, TargetPlan, plan_target
from mistique_core.quantizers import FittedQuantizer, Pool
from mistique_core.ranking import Refined, euclidean, measure, refine
from mistique_core.store.ranking import Ranking

Array = npt.NDArray[Any]
Positions = npt.NDArray[np.intp]
_ROWS_AT_ONCE = 1_000
_ROUNDING = 2.0**-16
"""A layer that is run once more, with other rows beside, differs by less than this share of its largest values."""


class RankedTarget:
    """Columns of one intermediate, by which its rows are ranked.

    Parameters
    ----------
    connection, reader, units
        Read and re-run them.
    keys
        Keys of columns of one intermediate.
    strategy
        ``read``, ``rerun`` or ``auto``.
    rate
        What this host has measured.

    Attributes
    ----------
    columns
        The columns, in order.
    tally
        Counts what was fetched.
    """

    def __init__(
        self,
        connection: sa.Connection,
        reader: FrameReader,
        units: UnitsRerunner,
        keys: Sequence[IntermediateKey],
        strategy: Strategy,
        rate: HostRates = NO_RATES,
    ) -> None:
        found = {record.ref.id: record for record in (find_intermediate(connection, key) for key in keys)}
        if len(found) != 1:
            raise InvalidInputError(f"the keys name {len(found)} intermediates; rank the rows of one")
        (self.record,) = found.values()
        self._connection, self._reader, self._units, self._strategy = connection, reader, units, strategy
        self._facts = gather_facts(connection, self.record)
        names = dict.fromkeys(name for key in keys for name in self._named(key))
        self.columns = [self._facts.columns[name] for name in names]
        self._planned = self._facts.facts(list(names), rate)
        self.tally = ReadTally()

    def _named(self, key: IntermediateKey) -> list[str]:
        known = self._facts.columns
        if key.column == ALL_COLUMNS:
            return list(known)
        if key.column not in known:
            raise NotFoundError(
                f"intermediate {key.project}.{key.model}.{key.intermediate} has no column {key.column!r}; "
                f"{did_you_mean(key.column, known)}"
            )
        return [key.column]

    @property
    def map_shape(self) -> tuple[int, ...]:
        """Shape of a stored value; ``()`` for numbers."""
        return LogicalType.from_json(self.columns[0].logical_type).map_shape

    @property
    def summary(self) -> str | None:
        """What a stored value is where it is not the logged one, for example ``mean of 2x2 cells``."""
        found = (json.loads(column.scheme).get("summary") for column in self.columns if column.scheme is not None)
        return next((text for text in found if text), None)

    @property
    def is_exact(self) -> bool:
        """Whether what is stored, or what a query would re-run, are the values of full precision."""
        return not self._facts.origin and all(column.scheme is None for column in self.columns)

    def plan(self, strategy: Strategy, rows: int | None = None) -> TargetPlan:
        """Return how to obtain the values of all rows, or of some."""
        return plan_target(self.record.ref.id, self._planned, strategy, rows)

    def top(self, k: int, largest: bool, by: str) -> Ranking:
        """Return the k rows of largest or smallest measure, exactly.

        Raises
        ------
        InvalidInputError
            If what is stored bounds no such measure, and re-running all rows was not asked for.
        RerunError
            If rows have to be re-run and cannot be.
        """
        (column,) = self.columns
        sign = -1.0 if largest else 1.0

        def exact(positions: Positions) -> Array:
            return sign * measure(self._rerun(positions)[..., 0], by)

        name = column.name if by == "value" else f"{by} of {column.name}"
        if self._in_full():
            low, high = self._unknown()
            return self._ranking(refine(low, high, self._ids, k, self._in_batches(exact)), sign, name)
        self._refuse_unless_bounded(f"the {by} of a map" if by != "value" else "a value", by)
        bounds = self._bounds().of_measure(column, by)
        low, high = (bounds[1], bounds[0]) if largest else bounds
        slack = _ROUNDING * float(np.abs([*bounds]).max(initial=0.0, where=np.isfinite([*bounds])))
        return self._ranking(refine(sign * low, sign * high, self._ids, k, exact, slack), sign, name)

    def nearest(self, row_id: int, k: int) -> Ranking:
        """Return the k rows nearest to one, exactly; errors as :meth:`top`."""
        place = self._place(row_id)
        in_full = self._in_full()
        if not in_full:
            self._refuse_unless_bounded("distances", "distance")
        query = self._rerun(np.array([place]))[0]
        refuse_missing(query, row_id)

        def exact(positions: Positions) -> Array:
            return euclidean(self._rerun(positions), query)

        if in_full:
            low, high = self._unknown()
            slack, run = 0.0, self._in_batches(exact)
        else:
            low, high = self._bounds().of_distance(self.columns, query)
            slack, run = _ROUNDING * float(np.linalg.norm(query.astype(np.float64))), exact
        low[place] = high[place] = np.nan
        found = refine(low, high, self._ids, k, run, slack)
        return self._ranking(found, 1.0, "distance", asked_for=1)

    def _in_full(self) -> bool:
        """Whether all rows are to be re-run."""
        stored = self._planned.intermediates[self.record.ref.id].materialized
        if self._strategy == "rerun" or not stored:
            return True
        if self._strategy == "read":
            raise InvalidInputError(
                f"an exact answer over {self.scheme} needs rows to be re-run, which strategy='read' forbids; "
                "leave it out, or ask with exact=False for a ranking of what is stored"
            )
        if self._facts.origin:
            raise InvalidInputError(
                f"{self._label} was computed from lossy copies ({', '.join(self._facts.origin)}), so that nobody knows "
                "how far off it is; use strategy='rerun' to re-run all rows"
            )
        return False

    def _refuse_unless_bounded(self, what: str, by: str) -> None:
        for version in dict.fromkeys(column.version for column in self.columns):
            fitted = self._reader.quantizer(self._connection, version)
            if fitted is not None and fitted.summary is not None and not _bounds_it(fitted, by):
                raise InvalidInputError(
                    f"{self._label} is stored as {fitted.summary}, which does not bound {what}; "
                    "use strategy='rerun' to re-run all rows, or exact=False for a ranking of what is stored"
                )

    @property
    def _ids(self) -> npt.NDArray[np.int64]:
        return self._reader.row_index(self._connection, self.record, self.tally).ids

    @property
    def _label(self) -> str:
        return self._planned.intermediates[self.record.ref.id].label

    @property
    def scheme(self) -> str:
        """Text of the lossy schemes of the columns."""
        texts = {json.loads(column.scheme)["scheme"] for column in self.columns if column.scheme is not None}
        return ", ".join(sorted(texts)) or "what is stored"

    def _bounds(self) -> UnitBounds:
        return UnitBounds(self._reader, self._connection, len(self._ids), self.tally)

    def _unknown(self) -> tuple[Array, Array]:
        return np.full(len(self._ids), -np.inf), np.full(len(self._ids), np.inf)

    def _place(self, row_id: int) -> int:
        index = self._reader.row_index(self._connection, self.record, self.tally)
        positions, found = index.find(np.array([row_id], np.int64))
        if not found.all():
            raise NotFoundError(f"row_id {row_id} is not in {self._label}, which has {len(index)} rows")
        return int(positions[0])

    def _rerun(self, positions: Positions) -> Array:
        """Return exact values of the columns at some rows, ``(n, *map_shape, len(columns))``."""
        if not all(is_units(column) and column.unit is not None for column in self._facts.columns.values()):
            raise RerunError(
                f"{self._label} is no layer of a network, of which single rows are re-run before their scheme; "
                "ask with exact=False for a ranking of what is stored"
            )
        try:
            plan = self.plan("rerun", len(positions))
        except RerunError as error:
            raise RerunError(
                f"an exact answer needs rows of {self._label} to be re-run: {error}; "
                "ask with exact=False for a ranking of what is stored"
            ) from error
        ids = self._ids
        if plan.by_rows:
            values = self._units.exact(self._connection, plan, self.record, ids[positions])
        else:
            values = self._units.exact(self._connection, plan, self.record, ids)[positions]
        names = list(self._facts.columns)
        places = [names.index(column.name) for column in self.columns]
        return values if places == list(range(len(names))) else values[..., places]

    def _in_batches(self, exact: Callable[[Positions], Array]) -> Callable[[Positions], Array]:
        def run(positions: Positions) -> Array:
            starts = range(0, len(positions), _ROWS_AT_ONCE)
            return np.concatenate([exact(positions[start : start + _ROWS_AT_ONCE]) for start in starts])

        return run

    def _ranking(self, found: Refined, sign: float, name: str, asked_for: int = 0) -> Ranking:
        rows = len(self._ids)
        rerun = min(len(found.looked_at) + asked_for, rows)
        whole = self._strategy == "rerun" or 0 < rows == rerun
        share = f"{rerun:,} of {rows:,} rows ({rerun / max(rows, 1):.1%})"
        if whole:
            sentence = f"Exact: all {rows:,} rows were re-run."
        else:
            sentence = f"Exact: bounds by {self.scheme} left {share}, which were re-run."
        plan = replace(self.plan("rerun" if whole else "read"), reason=sentence)
        ids = self._ids[found.positions]
        return Ranking(
            ids, sign * found.values + 0.0, True, 0.0, rows, rerun, QueryPlan((plan,), verified=True), sentence, name
        )


def refuse_missing(query: Array, row_id: int) -> None:
    """Refuse a row with missing values as the one from which distances are measured.

    Raises
    ------
    InvalidInputError
        If it has any.
    """
    if np.isnan(query).any():
        raise InvalidInputError(
            f"row {row_id} has missing values, so nothing is near it; name columns where it has none"
        )


def _bounds_it(fitted: FittedQuantizer, by: str) -> bool:
    """Whether bounds of a summary are bounds of a measure of the whole maps."""
    scheme = fitted.scheme
    if not isinstance(scheme, Pool) or fitted.decoded_dtype == np.bool_:
        return False
    if scheme.how == "max":
        return by == "max"
    cells_are_equal = scheme.sigma is None or all(size % scheme.sigma == 0 for size in fitted.map_shape)
    return by == "mean" and cells_are_equal
