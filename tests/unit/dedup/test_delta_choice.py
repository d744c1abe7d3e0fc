"""Which chunks become deltas: with a store in memory, whose every chunk is read back by itself."""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.dedup import chunk_hash
from mistique_core.dedup.delta import apply_delta
from mistique_core.dedup.delta_choice import DeltaChoice, DeltaChunk, NewChunk, choose_deltas
from mistique_core.errors import InvalidInputError

ROWS = 8192


@dataclass(frozen=True)
class Packed:
    """An array as compressed byte planes."""

    payload: bytes
    dtype: str

    @property
    def stored_bytes(self) -> int:
        """Bytes of it."""
        return len(self.payload)


def pack(array: np.ndarray) -> Packed:
    """Compress an array."""
    planes = np.ascontiguousarray(array).view(np.uint8).reshape(-1, array.itemsize).T
    return Packed(zlib.compress(planes.tobytes(), 1), array.dtype.str)


def unpack(packed: Packed) -> np.ndarray:
    """Return the array."""
    width = np.dtype(packed.dtype).itemsize
    planes = np.frombuffer(zlib.decompress(packed.payload), np.uint8).reshape(width, -1)
    return np.ascontiguousarray(planes.T).view(packed.dtype)[:, 0]


def encode(chunk: NewChunk, base: bytes, delta: np.ndarray, scale: int) -> Packed:
    """Pack a delta, which must be one of that chunk."""
    assert (delta.shape, delta.dtype.itemsize) == (chunk.array.shape, chunk.array.dtype.itemsize)
    assert base != chunk.address
    assert scale in (0, 1, 10, 100, 1_000, 10_000, 1_000_000)
    return pack(delta)


@dataclass
class Store:
    """A store of one-dimensional chunks."""

    whole: dict[bytes, Packed] = field(default_factory=dict)
    deltas: dict[bytes, DeltaChunk[Packed]] = field(default_factory=dict)
    index: defaultdict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    lost: set[bytes] = field(default_factory=set)
    lookups: int = 0

    def stored(self, keys: Sequence[int]) -> Iterable[tuple[int, bytes]]:
        """Return the rows of the index with these keys."""
        self.lookups += 1
        assert len(set(keys)) == len(keys)
        return [(key, address) for key in keys for address in self.index.get(key, ())]

    def read(self, address: bytes) -> np.ndarray | None:
        """Return a whole chunk."""
        return None if address in self.lost else unpack(self.whole[address])

    def write(self, arrays: Iterable[np.ndarray], tries: int = 1) -> DeltaChoice[Packed]:
        """Store a batch of new chunks."""
        new = {chunk_hash(array): array for array in arrays}
        new = {address: array for address, array in new.items() if address not in {*self.whole, *self.deltas}}
        packed = {address: pack(array) for address, array in new.items()}
        chunks = [NewChunk(address, array, packed[address].stored_bytes) for address, array in new.items()]
        choice = choose_deltas(chunks, self.stored, self.read, encode, tries=tries)
        assert not set(choice.deltas) & set(choice.keys)
        self.deltas |= choice.deltas
        self.whole |= {address: item for address, item in packed.items() if address not in choice.deltas}
        for address, keys in choice.keys.items():
            for key in keys:
                self.index[key].append(address)
        return choice

    def get(self, address: bytes) -> np.ndarray:
        """Return any chunk; a base that is a delta itself is a KeyError."""
        if address in self.whole:
            return unpack(self.whole[address])
        delta = self.deltas[address]
        return apply_delta(unpack(self.whole[delta.base]), unpack(delta.encoded), delta.scale)

    @property
    def size(self) -> int:
        """Bytes of all payloads."""
        return sum(item.stored_bytes for item in self.whole.values()) + sum(
            delta.encoded.stored_bytes for delta in self.deltas.values()
        )


def column(seed: int, rows: int = ROWS) -> np.ndarray:
    """Return a column of random floats."""
    return np.random.default_rng(seed).lognormal(3, 1, rows)


def changed(array: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return the column with some new rows."""
    random = np.random.default_rng(seed)
    return np.where(random.random(len(array)) < share, random.lognormal(3, 1, len(array)), array)


def test_a_family_has_one_base_within_a_batch_and_across_batches() -> None:
    """Ten nearly equal columns in two batches cost little more than one; an unrelated one stays whole."""
    store = Store()
    first, other = column(1), column(2)
    family = [changed(first, 0.02, seed) for seed in range(9)]
    one = store.write([first, other, *family[:4]])
    two = store.write([*family[4:], changed(other, 0.02, 1)])
    assert set(store.whole) == {chunk_hash(first), chunk_hash(other)}
    assert {delta.base for delta in store.deltas.values()} == set(store.whole)
    assert len(one.deltas) + len(two.deltas) == len(store.deltas) == 10
    assert store.lookups == 2
    assert store.size < 4 * pack(first).stored_bytes
    for array in (first, other, *family):
        assert store.get(chunk_hash(array)).tobytes() == array.tobytes()


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=5), max_size=4), st.integers(1, 3))
def test_every_chunk_comes_back_and_no_delta_needs_another(batches: list[list[tuple[int, int]]], tries: int) -> None:
    """Any order of batches: bit-exact, one base deep, never larger than without deltas."""
    store, seen = Store(), {}
    for batch in batches:
        arrays = [changed(column(number), 0.1 * variant, variant) for number, variant in batch]
        seen |= {chunk_hash(array): array for array in arrays}
        store.write(arrays, tries)
    assert {*store.whole, *store.deltas} == set(seen)
    for address, array in seen.items():
        assert store.get(address).tobytes() == array.tobytes()
        if address in store.deltas:
            assert store.deltas[address].encoded.stored_bytes <= 0.95 * pack(array).stored_bytes
    assert {address for found in store.index.values() for address in found} <= set(store.whole)


def test_the_best_of_several_bases() -> None:
    """With more tries the base that saves most wins, whichever shares more keys."""
    middle = column(7)
    bases = [changed(middle, share, 10 + number) for number, share in enumerate((0.25, 0.3, 0.2))]
    store = Store()
    for base in bases:
        store.write([base])
    store.deltas.clear()
    store.whole = {chunk_hash(base): pack(base) for base in bases}
    every = NewChunk(chunk_hash(middle), middle, pack(middle).stored_bytes)
    rows = [(key, address) for key in range(2**6) for address in store.whole]

    def stored(keys: Sequence[int]) -> list[tuple[int, bytes]]:
        return [(keys[number % len(keys)], address) for number, (_, address) in enumerate(rows)]

    choice = choose_deltas([every], stored, store.read, encode, tries=3)
    assert choice.tried == 3
    assert choice.deltas[every.address].base == chunk_hash(bases[2])


def test_a_base_that_cannot_be_read_is_passed_over() -> None:
    """The chunk is stored whole, and is a base itself."""
    store = Store()
    first = column(1)
    store.write([first])
    store.lost.add(chunk_hash(first))
    second = changed(first, 0.01, 1)
    choice = store.write([second])
    assert choice.tried == 0
    assert set(choice.keys) == {chunk_hash(second)}
    assert store.write([changed(second, 0.01, 2)], tries=2).deltas.keys().isdisjoint(store.lost)
    assert len(store.deltas) == 1


def test_chunks_that_are_not_worth_it_cost_nothing() -> None:
    """Short, sorted and few-valued chunks are neither looked up nor indexed."""
    store = Store()
    random = np.random.default_rng(1)
    choice = store.write([random.normal(size=500), np.arange(50_000), random.integers(0, 3, 100_000, "u1")])
    assert (choice.deltas, choice.keys, choice.tried, store.lookups) == ({}, {}, 0, 0)


def test_unrelated_and_other_chunks_share_no_base() -> None:
    """Nothing is tried among columns that differ in rows, dtype or length."""
    store = Store()
    base = column(1)
    arrays = [base, np.random.default_rng(3).permutation(base), base.astype("<f4"), base[:-1], column(4)]
    choice = store.write(arrays)
    assert len(choice.keys) == len(arrays)
    assert choice.tried == 0


def test_decimals_become_deltas_of_their_digits() -> None:
    """A price list raised by about 1 % and rounded again, which no bit of the floats shows."""
    store = Store()
    first = (100 * column(5, 2 * ROWS)).round(2)
    raised = (first * 1.01).round(2)
    store.write([first])
    store.write([raised])
    assert store.deltas[chunk_hash(raised)].scale == 100
    assert store.get(chunk_hash(raised)).tobytes() == raised.tobytes()


@pytest.mark.parametrize("tries", [0, -1])
def test_at_least_one_try(tries: int) -> None:
    """Fewer are refused."""
    with pytest.raises(InvalidInputError, match="tries"):
        choose_deltas([], lambda _: [], lambda _: None, encode, tries=tries)
