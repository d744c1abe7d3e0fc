"""Several queries answered together: columns that many ask for are read once, stages that many need run once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mistique_core.engine.shared_work import SharedWork
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.planner import QueryPlan, Strategy
from mistique_core.store.query import QueryEngine
from mistique_core.store.result import QueryResult
from mistique_core.store.selection import Selection


@dataclass(frozen=True)
class Query:
    """One query of a batch; the fields are the arguments of :meth:`Mistique.get_intermediates`.

    Attributes
    ----------
    keys
        One key or several.
    row_id, n_ex, where
        Which rows; default all.
    strategy
        ``auto``, ``read`` or ``rerun``.
    """

    keys: str | IntermediateKey | Sequence[str | IntermediateKey]
    row_id: Any = None
    n_ex: int | None = None
    where: Any = None
    strategy: Strategy = "auto"

    def parsed(self) -> list[IntermediateKey]:
        """Return its keys, parsed."""
        keys = [self.keys] if isinstance(self.keys, (str, IntermediateKey)) else self.keys
        return [IntermediateKey.parse(key) for key in keys]

    @property
    def selection(self) -> Selection:
        """Its rows, checked."""
        return Selection.of(self.row_id, self.where, self.n_ex)


def answer_batch(engine: QueryEngine, queries: Sequence[Query]) -> list[QueryResult]:
    """Return the answers in the order of the queries.

    Queries for columns of one and the same intermediate, for all rows, become one. Others are answered one after the
    other, from what is nearest to the source to what is farthest, and begin with what was made before.
    """
    parsed = [query.parsed() for query in queries]
    selections = [query.selection for query in queries]
    merged: dict[Any, list[int]] = {}
    for number, (keys, selection) in enumerate(zip(parsed, selections, strict=True)):
        sources = {replace(key, column=ALL_COLUMNS) for key in keys}
        alone = len(sources) > 1 or selection.restricts
        place: Any = number if alone else (*sources, queries[number].strategy)
        merged.setdefault(place, []).append(number)
    shared = SharedWork()
    groups = list(merged.values())
    plans = [engine.plan(parsed[group[0]], selections[group[0]], queries[group[0]].strategy) for group in groups]
    order = sorted(range(len(groups)), key=lambda place: max(_positions(plans[place])))
    answers: dict[int, QueryResult] = {}
    for number in order:
        numbers = groups[number]
        keys = list(dict.fromkeys(key for asked in numbers for key in parsed[asked]))
        keys.sort(key=lambda key: key.column != ALL_COLUMNS)  # a whole intermediate has its own order of columns
        first = numbers[0]
        result = engine.answer(keys, selections[first], queries[first].strategy, shared)
        for asked in numbers:
            answers[asked] = result if len(numbers) == 1 else _part(result, parsed[asked])
    return [answers[number] for number in range(len(queries))]


def _positions(plan: QueryPlan) -> list[int]:
    """Return the ids of what is asked for: an intermediate comes after what it was made from."""
    return [target.intermediate for target in plan.targets] or [0]


def _part(result: QueryResult, keys: Sequence[IntermediateKey]) -> QueryResult:
    """Return the columns of one query from the answer of several."""
    names = list(result.columns)
    if not any(key.column == ALL_COLUMNS for key in keys):
        names = [key.column for key in dict.fromkeys(keys)]
    single = len(keys) == 1 and keys[0].column != ALL_COLUMNS
    if result.maps is None:
        return replace(result, frame=result.frame[names].copy(), single=single)
    places = [list(result.names).index(name) for name in names]
    return replace(result, maps=result.maps[..., places], names=tuple(names), single=single)
