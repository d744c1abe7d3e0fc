"""The contract that every storage backend keeps, as a test class to inherit from."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.storage import STORE_ID, StorageBackend

NAMES = tuple(f"{number:064x}.h5" for number in (0, 1, 0xABCDEF, 16**64 - 1))
BAD_NAMES = (
    "",
    "../x",
    "/etc/passwd",
    f"../{NAMES[0]}",
    f"{NAMES[0]}/../x",
    NAMES[0].upper(),
    NAMES[0][1:],
    f"0{NAMES[0]}",
    NAMES[0].removesuffix(".h5"),
    NAMES[2].upper(),
    f"{NAMES[0]}\n",
    f"{NAMES[0]}\0",
    STORE_ID,
)
BAD_DOCUMENTS = ("", "..", f"../{STORE_ID}", f"{STORE_ID}/x", STORE_ID.upper(), f"{STORE_ID}\n", "other", NAMES[0])

Opener = Callable[[], StorageBackend]


class StorageContract:
    """Inherit from it and give a fixture ``opener``.

    It returns a function without arguments that opens a backend on one and the same, at first empty
    place; it must be picklable, because other processes call it too.

    Examples
    --------
    >>> class TestMine(StorageContract):                                      # doctest: +SKIP
    ...     @pytest.fixture
    ...     def opener(self, tmp_path):
    ...         return functools.partial(MyBackend, tmp_path)
    """

    @pytest.fixture
    def opener(self) -> Opener:
        """Return a picklable function that opens a backend on one place, empty at first."""
        raise NotImplementedError("a subclass of StorageContract gives the fixture 'opener'")

    @pytest.fixture
    def backend(self, opener: Opener) -> Iterator[StorageBackend]:
        """Return a new, empty backend."""
        opened = opener()
        yield opened
        opened.close()

    def test_follows_the_protocol(self, backend: StorageBackend) -> None:
        """Every call of the contract exists."""
        assert isinstance(backend, StorageBackend)

    def test_bytes_come_back(self, backend: StorageBackend) -> None:
        """What was put is what is read, whole."""
        data = bytes(range(256)) * 5
        assert backend.put_if_absent(NAMES[0], data) is True
        assert backend.get_range(NAMES[0], 0, len(data)) == data
        assert backend.size(NAMES[0]) == len(data)

    def test_the_first_put_wins(self, backend: StorageBackend) -> None:
        """A second put of a name changes nothing and says so."""
        backend.put_if_absent(NAMES[0], b"first")
        (before,) = backend.files()
        assert backend.put_if_absent(NAMES[0], b"first") is False
        assert backend.put_if_absent(NAMES[0], b"second, longer") is False
        assert backend.get_range(NAMES[0], 0, 5) == b"first"
        assert list(backend.files()) == [before]

    def test_another_opening_sees_the_same(self, backend: StorageBackend, opener: Opener) -> None:
        """What one has put, another one reads, lists and deletes."""
        backend.put_if_absent(NAMES[0], b"one")
        backend.put_text_if_absent(STORE_ID, "two")
        other = opener()
        assert other.get_range(NAMES[0], 0, 3) == b"one"
        assert other.get_text(STORE_ID) == "two"
        other.delete(NAMES[0])
        other.close()
        assert list(backend.names()) == []

    def test_ranges_are_half_open(self, backend: StorageBackend) -> None:
        """A range is [offset, offset + size), up to the last byte."""
        data = bytes(range(100))
        backend.put_if_absent(NAMES[0], data)
        for offset, size in ((0, 1), (10, 20), (99, 1), (0, 100), (50, 0)):
            assert backend.get_range(NAMES[0], offset, size) == data[offset : offset + size]

    def test_many_ranges_come_in_the_order_asked_for(self, backend: StorageBackend) -> None:
        """Near and far, overlapping, repeated and empty ones, as one slice each."""
        chance = np.random.default_rng(1)
        data = chance.bytes(3_000_000)
        backend.put_if_absent(NAMES[0], data)
        assert backend.get_ranges(NAMES[0], []) == []
        for _ in range(5):
            offsets, sizes = chance.integers(len(data), size=40), chance.choice([0, 1, 10, 1000, 200_000], 40)
            ends = np.minimum(offsets + sizes, len(data))
            ranges = list(zip(offsets.tolist(), (ends - offsets).tolist(), strict=True))
            ranges += [ranges[0], (0, len(data))]
            found = backend.get_ranges(NAMES[0], ranges)
            assert found == [data[offset : offset + size] for offset, size in ranges]
            assert {type(part) for part in found} == {bytes}

    def test_a_range_past_the_end_is_refused(self, backend: StorageBackend) -> None:
        """Fewer bytes than asked for are never returned."""
        backend.put_if_absent(NAMES[0], b"0123456789")
        for offset, size in ((0, 11), (9, 2), (10, 1), (1000, 1)):
            with pytest.raises(CorruptPartitionError, match=f"ends before byte {offset + size}"):
                backend.get_range(NAMES[0], offset, size)
            with pytest.raises(CorruptPartitionError):
                backend.get_ranges(NAMES[0], [(0, 1), (offset, size)])

    def test_a_negative_range_is_refused(self, backend: StorageBackend) -> None:
        """No range counts from the end."""
        backend.put_if_absent(NAMES[0], b"0123456789")
        for offset, size in ((-1, 1), (0, -1), (-5, 0)):
            with pytest.raises(InvalidInputError):
                backend.get_range(NAMES[0], offset, size)
            with pytest.raises(InvalidInputError):
                backend.get_ranges(NAMES[0], [(0, 1), (offset, size)])

    def test_a_missing_file_is_refused(self, backend: StorageBackend) -> None:
        """A file that is not there is damage, for reading and for its size; an empty range looks at nothing."""
        with pytest.raises(CorruptPartitionError, match="missing"):
            backend.get_range(NAMES[0], 0, 1)
        with pytest.raises(CorruptPartitionError, match="missing"):
            backend.get_ranges(NAMES[0], [(0, 1), (10_000_000, 1)])
        with pytest.raises(CorruptPartitionError, match="missing"):
            backend.size(NAMES[0])
        assert backend.get_range(NAMES[0], 7, 0) == b""
        assert backend.get_ranges(NAMES[0], [(0, 0), (7, 0)]) == [b"", b""]

    def test_listings_hold_complete_files(self, backend: StorageBackend) -> None:
        """Every file that was put, once, and no other; with its length and time."""
        assert list(backend.names()) == []
        assert list(backend.files()) == []
        start = time.time()
        for number, name in enumerate(NAMES):
            backend.put_if_absent(name, b"x" * number)
        backend.put_text_if_absent(STORE_ID, "not a file")
        end = time.time()
        assert sorted(backend.names()) == sorted(NAMES)
        found = {file.name: file for file in backend.files()}
        assert {name: file.bytes for name, file in found.items()} == {name: i for i, name in enumerate(NAMES)}
        assert all(backend.size(file.name) == file.bytes for file in found.values())
        assert all(start - 5 < file.modified_at < end + 5 for file in found.values())

    def test_its_clock_stamps_its_files(self, backend: StorageBackend) -> None:
        """What the clock says and what a file is stamped with agree, and the probe is gone."""
        before = backend.clock_seconds()
        backend.put_if_absent(NAMES[0], b"x")
        after = backend.clock_seconds()
        (file,) = backend.files()
        assert before - 1 <= file.modified_at <= after + 1
        assert backend.leftovers(0, remove=False) == []

    def test_delete_may_be_repeated(self, backend: StorageBackend) -> None:
        """A deleted file is gone; deleting it again is no error; it can be put again."""
        backend.put_if_absent(NAMES[0], b"x")
        backend.put_if_absent(NAMES[1], b"y")
        assert backend.get_range(NAMES[0], 0, 1) == b"x"
        backend.delete(NAMES[0])
        backend.delete(NAMES[0])
        assert list(backend.names()) == [NAMES[1]]
        with pytest.raises(CorruptPartitionError, match="missing"):
            backend.get_range(NAMES[0], 0, 1)
        assert backend.put_if_absent(NAMES[0], b"z") is True
        assert backend.get_range(NAMES[0], 0, 1) == b"z"

    @pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
    def test_other_names_are_refused(self, backend: StorageBackend, name: str) -> None:
        """No name can leave the backend's own place."""
        with pytest.raises(InvalidInputError):
            backend.put_if_absent(name, b"x")
        for size in (0, 1):
            with pytest.raises(InvalidInputError):
                backend.get_range(name, 0, size)
            with pytest.raises(InvalidInputError):
                backend.get_ranges(name, [(0, size)])
        with pytest.raises(InvalidInputError):
            backend.size(name)
        with pytest.raises(InvalidInputError):
            backend.delete(name)

    @pytest.mark.parametrize("name", BAD_DOCUMENTS, ids=ascii)
    def test_other_documents_are_refused(self, backend: StorageBackend, name: str) -> None:
        """Only the fixed names are documents."""
        with pytest.raises(InvalidInputError):
            backend.put_text_if_absent(name, "x")
        with pytest.raises(InvalidInputError):
            backend.get_text(name)

    def test_a_document_is_written_once(self, backend: StorageBackend) -> None:
        """The first text stays."""
        assert backend.get_text(STORE_ID) is None
        assert backend.put_text_if_absent(STORE_ID, "Zürich\n") is True
        assert backend.put_text_if_absent(STORE_ID, "other") is False
        assert backend.get_text(STORE_ID) == "Zürich\n"

    def test_an_empty_file(self, backend: StorageBackend) -> None:
        """No bytes are a file too."""
        assert backend.put_if_absent(NAMES[0], b"") is True
        assert backend.size(NAMES[0]) == 0
        assert backend.get_range(NAMES[0], 0, 0) == b""
        assert [file.bytes for file in backend.files()] == [0]

    def test_a_large_file(self, backend: StorageBackend) -> None:
        """40 MB arrive whole."""
        data = np.random.default_rng(2).bytes(40_000_000)
        assert backend.put_if_absent(NAMES[0], data) is True
        assert backend.size(NAMES[0]) == len(data)
        assert backend.get_range(NAMES[0], 0, len(data)) == data
        assert backend.get_ranges(NAMES[0], [(39_999_997, 3), (20_000_000, 5)]) == [data[-3:], data[20_000_000:][:5]]

    def test_of_threads_that_put_one_name_one_wins(self, backend: StorageBackend) -> None:
        """Several writers at once leave one whole file, and each knows who wrote it."""
        data = bytes(range(256)) * 400
        for round_number in range(5):
            name = f"{round_number:064x}.h5"
            barrier = threading.Barrier(8)
            with ThreadPoolExecutor(8) as pool:
                outcomes = list(pool.map(lambda _: (barrier.wait(), backend.put_if_absent(name, data))[1], range(8)))  # noqa: B023
            assert sorted(outcomes) == [False] * 7 + [True]
            assert backend.get_range(name, 0, len(data)) == data
        assert len(list(backend.names())) == 5

    def test_of_processes_that_put_one_name_one_wins(self, backend: StorageBackend, opener: Opener) -> None:
        """The same between processes."""
        names = [f"{number:064x}.h5" for number in range(20)]
        context = multiprocessing.get_context("spawn")
        with context.Manager() as manager:
            barrier = manager.Barrier(2)
            with context.Pool(2) as pool:
                first, second = pool.starmap(_put_all, [(opener, names, barrier)] * 2)
                pool.close()
                pool.join()
        assert [one + other for one, other in zip(first, second, strict=True)] == [1] * len(names)
        assert sorted(backend.names()) == names

    def test_readers_see_whole_files_only(self, backend: StorageBackend, opener: Opener) -> None:
        """A file that can be found can be read to its end."""
        names = [f"{number:064x}.h5" for number in range(10)]
        data = bytes(range(256)) * 4000
        is_done = threading.Event()
        seen: set[str] = set()

        def read() -> None:
            reader = opener()
            while not is_done.is_set():
                for file in reader.files():
                    assert file.bytes == reader.size(file.name) == len(data)
                    assert reader.get_ranges(file.name, [(0, 3), (len(data) - 3, 3)]) == [data[:3], data[-3:]]
                    seen.add(file.name)
            reader.close()

        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read)
            for name in names:
                backend.put_if_absent(name, data)
            deadline = time.monotonic() + 60
            while len(seen) < len(names) and not reading.done() and time.monotonic() < deadline:
                time.sleep(0.01)
            is_done.set()
            reading.result()
        assert seen == set(names)

    def test_a_listing_holds_what_stays_whatever_else_happens(self, backend: StorageBackend) -> None:
        """Files put and deleted meanwhile do not make it lose or repeat others."""
        stay = [f"{number * 16**62:064x}.h5" for number in range(1, 256, 16)]
        for name in stay:
            backend.put_if_absent(name, b"stays")
        is_done = threading.Event()

        def change() -> None:
            number = 0
            while not is_done.is_set():
                name = f"{number % 256 * 16**62 + 1:064x}.h5"
                backend.put_if_absent(name, b"goes")
                backend.delete(name)
                number += 37

        with ThreadPoolExecutor(1) as pool:
            changing = pool.submit(change)
            try:
                for _ in range(20):
                    found = list(backend.names())
                    assert len(set(found)) == len(found)
                    assert set(stay) <= set(found)
                    assert set(stay) <= {file.name for file in backend.files() if file.bytes == 5}
            finally:
                is_done.set()
            changing.result()

    def test_finished_work_leaves_nothing_over(self, backend: StorageBackend) -> None:
        """Puts, won and lost, reads and deletes leave no temporary bytes."""
        for name in (*NAMES, *NAMES):
            backend.put_if_absent(name, b"x")
        backend.put_text_if_absent(STORE_ID, "x")
        backend.delete(NAMES[0])
        assert backend.leftovers(0, remove=True) == []
        assert sorted(backend.names()) == sorted(NAMES[1:])
        assert backend.get_text(STORE_ID) == "x"

    def test_it_can_be_used_after_closing(self, backend: StorageBackend) -> None:
        """Closing releases what is kept for speed, and may be repeated."""
        backend.put_if_absent(NAMES[0], b"x")
        assert backend.get_range(NAMES[0], 0, 1) == b"x"
        backend.close()
        backend.close()
        assert backend.get_range(NAMES[0], 0, 1) == b"x"
        assert backend.put_if_absent(NAMES[1], b"y") is True


def _put_all(opener: Opener, names: list[str], barrier: threading.Barrier) -> list[bool]:
    """Put every name at the same moment as the other process does."""
    backend = opener()
    outcomes = []
    for name in names:
        barrier.wait(60)
        outcomes.append(backend.put_if_absent(name, b"x" * 10_000))
    backend.close()
    return outcomes
