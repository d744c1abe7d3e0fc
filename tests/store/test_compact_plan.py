"""Which partitions are rewritten, and what goes together."""

from hypothesis import given
from hypothesis import strategies as st

from mistique_core.maintenance.compact_plan import PartitionFact, choose_sources, plan_bins

LIMIT = 100
SOURCES = st.dictionaries(st.integers(1, 30), st.lists(st.integers(0, 130), max_size=6), max_size=12)


def numbered(sizes: dict[int, list[int]]) -> dict[int, list[tuple[int, int]]]:
    """Give every chunk an id of its own."""
    return {item: [(item * 100 + place, size) for place, size in enumerate(chunks)] for item, chunks in sizes.items()}


def test_one_small_partition_is_left_alone() -> None:
    facts = [PartitionFact(1, 10, 0), PartitionFact(2, 1000, 0), PartitionFact(3, 1000, 50)]
    assert choose_sources(facts, max_dead=0.05, small_bytes=100) == (set(), set())


def test_wasteful_ones_take_all_small_ones_along() -> None:
    facts = [PartitionFact(1, 10, 0), PartitionFact(2, 1000, 0), PartitionFact(3, 1000, 51), PartitionFact(4, 99, 99)]
    assert choose_sources(facts, max_dead=0.05, small_bytes=100) == ({3, 4}, {1})
    assert choose_sources(facts, max_dead=1.0, small_bytes=100) == (set(), {1, 4})
    assert choose_sources(facts, max_dead=1.0, small_bytes=0, forced=[2]) == ({2}, set())


def test_what_is_related_stays_together_where_it_fits() -> None:
    sources = numbered({1: [60], 2: [50], 3: [40], 4: [45]})
    apart = [{piece.partition for piece in bin_} for bin_ in plan_bins(sources, [], [1, 2, 3, 4], LIMIT)]
    assert apart == [{1, 3}, {2, 4}]
    together = [{piece.partition for piece in bin_} for bin_ in plan_bins(sources, [(3, 2)], [1, 2, 3, 4], LIMIT)]
    assert {2, 3} in together
    too_large = plan_bins(numbered({1: [60], 2: [60]}), [(1, 2)], [1, 2], LIMIT)
    assert len(too_large) == 2


@given(SOURCES, st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=6))
def test_every_chunk_is_in_one_bin_and_at_most_one_is_half_empty(
    sizes: dict[int, list[int]], related: list[tuple[int, int]]
) -> None:
    sources = numbered(sizes)
    bins = plan_bins(sources, related, sources, LIMIT)
    placed = [chunk for bin_ in bins for piece in bin_ for chunk in piece.chunks]
    assert sorted(placed) == sorted(chunk for chunks in sources.values() for chunk, _ in chunks)
    assert {piece.partition for bin_ in bins for piece in bin_} == set(sources)
    known = {chunk: size for chunks in sources.values() for chunk, size in chunks}
    totals = [sum(known[chunk] for piece in bin_ for chunk in piece.chunks) for bin_ in bins]
    assert all(
        total <= LIMIT or sum(len(piece.chunks) for piece in bin_ if piece.bytes) == 1
        for total, bin_ in zip(totals, bins, strict=True)
    )
    assert sum(total * 2 <= LIMIT for total in totals) <= 1
    for bin_ in bins:
        order = [(piece.partition, piece.chunks) for piece in bin_]
        assert order == sorted(order)


@given(SOURCES)
def test_a_partition_is_not_copied_for_nothing(sizes: dict[int, list[int]]) -> None:
    """Small ones are only merged: a bin of one of them alone is left out."""
    bins = plan_bins(numbered(sizes), [], [], LIMIT)
    assert all(len({piece.partition for piece in bin_}) > 1 for bin_ in bins)
