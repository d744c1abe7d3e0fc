"""Files that stay open between reads: bounded, never closed under a reader, never wrong."""

import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from mistique_core.errors import CorruptPartitionError
from mistique_core.storage import LocalBackend

NAMES = [f"{number:064x}.h5" for number in range(10)]


def fill(folder: Path, open_files: int) -> LocalBackend:
    """Return a backend whose file number n holds 1,000 bytes of value n."""
    backend = LocalBackend(folder, open_files=open_files)
    for number, name in enumerate(NAMES):
        backend.put_if_absent(name, bytes([number]) * 1000)
    return backend


def open_below(folder: Path) -> list[str]:
    """Return the files below a folder that this process has open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        if entry.is_symlink():
            target = entry.readlink()
            if target.is_relative_to(folder):
                found.append(target.name)
    return sorted(found)


def test_the_latest_files_stay_open(tmp_path: Path) -> None:
    backend = fill(tmp_path, 3)
    assert open_below(tmp_path) == []
    for name in (*NAMES, NAMES[7]):
        backend.get_range(name, 0, 1)
    assert open_below(tmp_path) == NAMES[7:]
    backend.get_ranges(NAMES[0], [(0, 1), (5, 1)])
    assert open_below(tmp_path) == [NAMES[0], NAMES[7], NAMES[9]], "the one that was read longest ago is closed"


def test_closing_closes_all_and_keeps_nothing_open(tmp_path: Path) -> None:
    backend = fill(tmp_path, 3)
    backend.get_range(NAMES[0], 0, 1)
    backend.close()
    assert open_below(tmp_path) == []
    assert backend.get_range(NAMES[0], 0, 1) == b"\0"
    assert open_below(tmp_path) == []


def test_a_backend_that_is_dropped_closes_its_files(tmp_path: Path) -> None:
    backend = fill(tmp_path, 3)
    backend.get_range(NAMES[0], 0, 1)
    del backend
    assert open_below(tmp_path) == []


def test_a_deleted_file_is_closed(tmp_path: Path) -> None:
    backend = fill(tmp_path, 3)
    backend.get_range(NAMES[0], 0, 1)
    backend.delete(NAMES[0])
    assert open_below(tmp_path) == []


def test_a_file_that_another_process_removes_is_readable_while_it_is_open(tmp_path: Path) -> None:
    backend = fill(tmp_path, 1)
    backend.get_range(NAMES[3], 0, 1)
    LocalBackend(tmp_path).delete(NAMES[3])
    assert backend.get_range(NAMES[3], 999, 1) == b"\3"
    assert NAMES[3] not in list(backend.names())
    with pytest.raises(CorruptPartitionError, match="missing"):
        backend.size(NAMES[3])
    backend.get_range(NAMES[0], 0, 1)
    with pytest.raises(CorruptPartitionError, match="missing"):
        backend.get_range(NAMES[3], 999, 1)


def test_a_short_file_that_is_replaced_is_opened_again(tmp_path: Path) -> None:
    """A restored backup is noticed by a process that has the damaged file open."""
    backend = fill(tmp_path, 3)
    path = tmp_path / "00" / NAMES[3]
    os.truncate(path, 10)
    for _ in range(2):
        with pytest.raises(CorruptPartitionError, match="ends before byte 500"):
            backend.get_range(NAMES[3], 0, 500)
    assert backend.get_range(NAMES[3], 0, 10) == b"\3" * 10
    (tmp_path / "whole").write_bytes(b"\3" * 1000)
    (tmp_path / "whole").rename(path)
    assert backend.get_range(NAMES[3], 0, 500) == b"\3" * 500


def test_no_reader_gets_another_files_bytes(tmp_path: Path) -> None:
    """More threads and files than may stay open, with files deleted and put again meanwhile."""
    backend = fill(tmp_path, 2)

    def read(seed: int) -> int:
        lost = 0
        for step in range(600):
            number = (seed * 7 + step * 3) % len(NAMES)
            if number == 0 and seed == 0:
                backend.delete(NAMES[0])
                backend.put_if_absent(NAMES[0], bytes(1000))
            try:
                assert backend.get_range(NAMES[number], step, 100) == bytes([number]) * 100
                assert backend.get_ranges(NAMES[number], [(step, 9), (0, 1)]) == [bytes([number]) * 9, bytes([number])]
            except CorruptPartitionError:
                assert number == 0
                lost += 1
        return lost

    with ThreadPoolExecutor(8) as pool:
        lost = list(pool.map(read, range(8)))
    assert lost[0] == 0
    assert len(open_below(tmp_path)) == 2
    backend.close()
    assert open_below(tmp_path) == []


def test_a_process_that_may_open_few_files(tmp_path: Path) -> None:
    """When the system refuses to open more, those that nobody reads are closed."""
    backend = fill(tmp_path, 64)
    used = len(list(Path("/proc/self/fd").iterdir()))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, limits[1]))
        for name in NAMES[:5]:
            backend.get_range(name, 0, 1)
        for _ in range(50):
            with suppress(OSError):
                taken.append(os.open(tmp_path, os.O_RDONLY))
        assert len(taken) < 50
        assert [backend.get_range(name, 0, 1)[0] for name in NAMES] == list(range(10))
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


FORK = """
import os, sys
from pathlib import Path
from mistique_core.storage import LocalBackend

backend = LocalBackend(Path(sys.argv[1]))
name = "0" * 64 + ".h5"
backend.put_if_absent(name, b"0123456789")
backend.get_range(name, 0, 1)
with backend._open_files._lock:
    child = os.fork()
if not child:
    os._exit(0 if backend.get_range(name, 5, 2) == b"56" else 1)
assert os.waitpid(child, 0)[1] == 0
assert backend.get_range(name, 5, 2) == b"56"
"""


def test_a_forked_process_reads_on(tmp_path: Path) -> None:
    """Also when a thread of its parent was about to open a file."""
    subprocess.run([sys.executable, "-c", FORK, str(tmp_path)], timeout=60, check=True)
