"""A minimum cut of a small directed graph, by Dinic's algorithm."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Node = TypeVar("Node", bound=Hashable)
_NOTHING = 1e-12


class CutGraph(Generic[Node]):
    """A directed graph with capacities."""

    def __init__(self) -> None:
        self._numbers: dict[Node, int] = {}
        self._edges: list[list[int]] = []
        self._heads: list[int] = []
        self._left: list[float] = []

    def add(self, tail: Node, head: Node, capacity: float) -> None:
        """Add an edge; its capacity may be infinite."""
        for start, end, amount in ((tail, head, capacity), (head, tail, 0.0)):
            self._edges[self._number(start)].append(len(self._heads))
            self._heads.append(self._number(end))
            self._left.append(amount)

    def _number(self, node: Node) -> int:
        if node not in self._numbers:
            self._numbers[node] = len(self._edges)
            self._edges.append([])
        return self._numbers[node]

    def source_side(self, source: Node, sink: Node) -> set[Node]:
        """Return the nodes on the source's side of a minimum cut, as few as can be; the graph is used up.

        Parameters
        ----------
        source, sink
            Nodes between which some cut has a finite capacity.
        """
        start, end = self._number(source), self._number(sink)
        while (levels := self._levels([start]))[end] >= 0:
            places = [0] * len(self._edges)
            while self._augment(start, end, levels, places) > 0:
                pass
        reached = self._levels([start])
        return {node for node, number in self._numbers.items() if reached[number] >= 0}

    def _levels(self, starts: Iterable[int]) -> list[int]:
        """Return each node's distance from the start over edges with capacity left; -1 where there is no way."""
        levels = [-1] * len(self._edges)
        waiting = deque(starts)
        for number in waiting:
            levels[number] = 0
        while waiting:
            number = waiting.popleft()
            for edge in self._edges[number]:
                head = self._heads[edge]
                if self._left[edge] > _NOTHING and levels[head] < 0:
                    levels[head] = levels[number] + 1
                    waiting.append(head)
        return levels

    def _augment(self, start: int, end: int, levels: list[int], places: list[int]) -> float:
        """Send flow along one shortest way; return how much."""
        way: list[int] = []
        number = start
        while number != end:
            edge = self._next(number, levels, places)
            if edge is not None:
                way.append(edge)
                number = self._heads[edge]
            elif way:  # a dead end
                places[self._heads[way[-1] ^ 1]] += 1
                number = self._heads[way.pop() ^ 1]
            else:
                return 0.0
        flow = min(self._left[edge] for edge in way)
        for edge in way:
            self._left[edge] -= flow
            self._left[edge ^ 1] += flow
        return flow

    def _next(self, number: int, levels: list[int], places: list[int]) -> int | None:
        while places[number] < len(self._edges[number]):
            edge = self._edges[number][places[number]]
            if self._left[edge] > _NOTHING and levels[self._heads[edge]] == levels[number] + 1:
                return edge
            places[number] += 1
        return None
