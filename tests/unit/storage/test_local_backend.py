"""The local folder keeps the storage contract, and leaves nothing behind when a write fails."""

import resource
import signal
from functools import partial
from pathlib import Path

import pytest

from mistique_core.errors import StorageError
from mistique_core.storage import LocalBackend
from mistique_core.testing import StorageContract
from mistique_core.testing.storage import NAMES, Opener


class TestLocalBackend(StorageContract):
    """The contract, on a temporary folder."""

    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        return partial(LocalBackend, tmp_path / "deep" / "partitions")


def files_below(folder: Path) -> list[Path]:
    """Return every plain file."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_files_carry_their_own_name(tmp_path: Path) -> None:
    """A file is found by its name below the first two digits, so a listing needs no catalogue."""
    backend = LocalBackend(tmp_path)
    for name in NAMES:
        backend.put_if_absent(name, name.encode())
    found = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in files_below(tmp_path)}
    assert found == {f"{name[:2]}/{name}": name for name in NAMES}


def test_a_full_disk_leaves_no_file(tmp_path: Path) -> None:
    """A write that ends half-way is reported and removed; afterwards the same write succeeds."""
    backend = LocalBackend(tmp_path)
    data = bytes(100_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        with pytest.raises(StorageError, match="100000 bytes"):
            backend.put_if_absent(NAMES[0], data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert files_below(tmp_path) == []
    assert backend.put_if_absent(NAMES[0], data) is True
    assert backend.get_range(NAMES[0], 0, len(data)) == data


def test_an_obstructed_folder_is_a_storage_error(tmp_path: Path) -> None:
    """A plain file where a folder belongs is reported as one line."""
    backend = LocalBackend(tmp_path / "partitions")
    (tmp_path / "partitions" / NAMES[0][:2]).write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        backend.put_if_absent(NAMES[0], b"x")
    with pytest.raises(StorageError, match="cannot create"):
        LocalBackend(tmp_path / "partitions" / NAMES[0][:2] / "below")


def test_unfinished_files_are_not_listed(tmp_path: Path) -> None:
    """What a killed writer left is not a partition."""
    backend = LocalBackend(tmp_path)
    backend.put_if_absent(NAMES[0], b"x")
    (tmp_path / NAMES[0][:2] / f"{NAMES[1]}.0a1b2c3d.tmp").write_bytes(b"half")
    assert list(backend.names()) == [NAMES[0]]
