"""The failing backend fails exactly the call that it was told to."""

import itertools
from pathlib import Path
from typing import Literal

import pytest

from mistique_core.errors import InvalidInputError, StorageError
from mistique_core.storage import STORE_ID, LocalBackend, StorageBackend
from mistique_core.testing import FaultyBackend
from mistique_core.testing.storage import NAMES

CALLS = [
    "put_if_absent",
    "get_range",
    "get_ranges",
    "size",
    "names",
    "files",
    "put_text_if_absent",
    "get_text",
    "leftovers",
    "delete",
]


def use(backend: StorageBackend) -> None:
    """Make every call of the contract once, in the order of CALLS."""
    backend.put_if_absent(NAMES[0], b"0123456789")
    assert backend.get_range(NAMES[0], 2, 3) == b"234"
    assert backend.get_ranges(NAMES[0], [(0, 1), (9, 1)]) == [b"0", b"9"]
    assert backend.size(NAMES[0]) == 10
    assert list(backend.names()) == [NAMES[0]]
    assert [file.bytes for file in backend.files()] == [10]
    backend.put_text_if_absent(STORE_ID, "mine")
    assert backend.get_text(STORE_ID) == "mine"
    assert backend.leftovers(0, remove=False) == []
    backend.delete(NAMES[0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "partitions"


def test_without_a_number_it_only_counts(folder: Path) -> None:
    backend = FaultyBackend(LocalBackend(folder))
    assert isinstance(backend, StorageBackend)
    use(backend)
    assert backend.calls == CALLS
    assert backend.failed == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_each_call_fails_in_its_turn(tmp_path: Path, when: Literal["before", "after"]) -> None:
    failed = []
    for k in itertools.count(1):
        backend = FaultyBackend(LocalBackend(tmp_path / str(k)), fail_at=k, when=when)
        if k > len(CALLS):
            use(backend)
            assert backend.failed == []
            break
        with pytest.raises(StorageError, match=rf"call {k} \({CALLS[k - 1]}\)"):
            use(backend)
        assert backend.calls == CALLS[:k]
        failed += backend.failed
    assert failed == CALLS


def test_before_has_no_effect_and_after_has_it(folder: Path) -> None:
    inner = LocalBackend(folder)
    before = FaultyBackend(inner, fail_at=1, when="before")
    with pytest.raises(StorageError):
        before.put_if_absent(NAMES[0], b"x")
    assert list(inner.names()) == []
    after = FaultyBackend(inner, fail_at=1, when="after")
    with pytest.raises(StorageError):
        after.put_if_absent(NAMES[0], b"x")
    assert list(inner.names()) == [NAMES[0]]
    assert after.put_if_absent(NAMES[0], b"x") is False


def test_it_may_go_on_failing_and_with_another_error(folder: Path) -> None:
    backend = FaultyBackend(LocalBackend(folder), fail_at=2, error=KeyboardInterrupt(), keep_failing=True)
    backend.put_if_absent(NAMES[0], b"x")
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            backend.size(NAMES[0])
    assert backend.calls == ["put_if_absent", "size", "size", "size"]
    backend.close()


def test_wrong_arguments(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="fail_at=0"):
        FaultyBackend(LocalBackend(folder), fail_at=0)
    with pytest.raises(InvalidInputError, match="'during' is unknown"):
        FaultyBackend(LocalBackend(folder), fail_at=1, when="during")  # type: ignore[arg-type]
