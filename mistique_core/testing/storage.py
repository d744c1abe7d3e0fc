"""The contract that every storage backend keeps, as a test class to inherit from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.storage import StorageBackend

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
)


class StorageContract:
    """Inherit from it and give a fixture ``backend`` that returns a new, empty backend.

    Examples
    --------
    >>> class TestMine(StorageContract):                                      # doctest: +SKIP
    ...     @pytest.fixture
    ...     def backend(self, tmp_path):
    ...         return MyBackend(tmp_path)
    """

    @pytest.fixture
    def backend(self) -> StorageBackend:
        """Return a new, empty backend."""
        raise NotImplementedError("a subclass of StorageContract gives the fixture 'backend'")

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
        assert backend.put_if_absent(NAMES[0], b"first") is False
        assert backend.put_if_absent(NAMES[0], b"second, longer") is False
        assert backend.get_range(NAMES[0], 0, 5) == b"first"
        assert backend.size(NAMES[0]) == len(b"first")

    def test_ranges_are_half_open(self, backend: StorageBackend) -> None:
        """A range is [offset, offset + size), up to the last byte."""
        data = bytes(range(100))
        backend.put_if_absent(NAMES[0], data)
        for offset, size in ((0, 1), (10, 20), (99, 1), (0, 100), (50, 0)):
            assert backend.get_range(NAMES[0], offset, size) == data[offset : offset + size]

    def test_a_range_past_the_end_is_refused(self, backend: StorageBackend) -> None:
        """Fewer bytes than asked for are never returned."""
        backend.put_if_absent(NAMES[0], b"0123456789")
        for offset, size in ((0, 11), (9, 2), (10, 1), (1000, 1)):
            with pytest.raises(CorruptPartitionError):
                backend.get_range(NAMES[0], offset, size)

    def test_a_missing_file_is_refused(self, backend: StorageBackend) -> None:
        """A file that is not there is damage, for reading and for its size."""
        with pytest.raises(CorruptPartitionError):
            backend.get_range(NAMES[0], 0, 1)
        with pytest.raises(CorruptPartitionError):
            backend.size(NAMES[0])

    def test_names_lists_complete_files(self, backend: StorageBackend) -> None:
        """Every file that was put, once, and no other."""
        assert list(backend.names()) == []
        for name in NAMES:
            backend.put_if_absent(name, b"x")
        assert sorted(backend.names()) == sorted(NAMES)

    def test_delete_may_be_repeated(self, backend: StorageBackend) -> None:
        """A deleted file is gone; deleting it again is no error; it can be put again."""
        backend.put_if_absent(NAMES[0], b"x")
        backend.put_if_absent(NAMES[1], b"y")
        backend.delete(NAMES[0])
        backend.delete(NAMES[0])
        assert list(backend.names()) == [NAMES[1]]
        assert backend.put_if_absent(NAMES[0], b"z") is True
        assert backend.get_range(NAMES[0], 0, 1) == b"z"

    @pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
    def test_other_names_are_refused(self, backend: StorageBackend, name: str) -> None:
        """No name can leave the backend's own place."""
        with pytest.raises(InvalidInputError):
            backend.put_if_absent(name, b"x")
        with pytest.raises(InvalidInputError):
            backend.get_range(name, 0, 1)
        with pytest.raises(InvalidInputError):
            backend.size(name)
        with pytest.raises(InvalidInputError):
            backend.delete(name)

    def test_an_empty_file(self, backend: StorageBackend) -> None:
        """No bytes are a file too."""
        assert backend.put_if_absent(NAMES[0], b"") is True
        assert backend.size(NAMES[0]) == 0
        assert backend.get_range(NAMES[0], 0, 0) == b""

    def test_writers_of_one_name_all_succeed(self, backend: StorageBackend) -> None:
        """Several writers at once leave one whole file."""
        data = bytes(range(256)) * 400
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(lambda _: backend.put_if_absent(NAMES[0], data), range(16)))
        assert any(outcomes)
        assert list(backend.names()) == [NAMES[0]]
        assert backend.get_range(NAMES[0], 0, len(data)) == data
