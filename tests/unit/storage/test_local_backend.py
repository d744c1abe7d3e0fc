"""The local folder keeps the storage contract, and leaves nothing behind when a write fails."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mistique_core.errors import CorruptPartitionError, StorageError
from mistique_core.storage import STORE_ID, LocalBackend
from mistique_core.testing import StorageContract
from mistique_core.testing.storage import NAMES, Opener

HOUR = 3600.0


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


def test_documents_may_lie_elsewhere(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path / "partitions", documents=tmp_path)
    backend.put_text_if_absent(STORE_ID, "mine")
    assert [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)] == [STORE_ID]


def test_a_file_may_grow_no_further(tmp_path: Path) -> None:
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


FULL_DISK = """
import sys
from pathlib import Path
from mistique_core.errors import StorageError
from mistique_core.storage import LocalBackend

folder = Path(sys.argv[1])
backend = LocalBackend(folder)
try:
    backend.put_if_absent("0" * 64 + ".h5", bytes(2_000_000))
except StorageError as error:
    print(error)
print([path for path in folder.rglob("*") if path.is_file()])
print(backend.put_if_absent("0" * 64 + ".h5", bytes(500_000)))
"""


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """The message says how much was needed where, and how much is free; nothing is left."""
    script = f'mount -t tmpfs -o size=1m none "$1" && exec {sys.executable} -c "$2" "$1"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(tmp_path), FULL_DISK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode and ("unshare" in done.stderr or "mount" in done.stderr):
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    message, files, repeated = done.stdout.splitlines()
    assert "cannot write 2000000 bytes to" in message
    assert str(tmp_path) in message
    free = int(message.split("; ")[1].split()[0])
    assert 0 < free <= 1024 * 1024
    assert (files, repeated) == ("[]", "True")


def test_a_disk_that_gets_full_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = LocalBackend(tmp_path)
    write = os.write

    def some_then_none(descriptor: int, data: bytes) -> int:
        if os.fstat(descriptor).st_size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[:1000])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", some_then_none)
        with pytest.raises(StorageError, match=r"cannot write 5000 bytes .* [0-9]+ bytes are free there"):
            backend.put_if_absent(NAMES[0], bytes(5000))
        with pytest.raises(StorageError, match="cannot write 2000 bytes"):
            backend.put_text_if_absent(STORE_ID, "x" * 2000)
    assert files_below(tmp_path) == []
    assert backend.get_text(STORE_ID) is None


def test_short_reads_and_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take or give fewer bytes than asked, for example when a signal arrives."""
    data = np.random.default_rng(0).bytes(10_000)
    write, pread = os.write, os.pread
    monkeypatch.setattr(os, "write", lambda descriptor, part: write(descriptor, part[:999]))
    monkeypatch.setattr(os, "pread", lambda descriptor, size, offset: pread(descriptor, min(size, 999), offset))
    backend = LocalBackend(tmp_path)
    assert backend.put_if_absent(NAMES[0], data) is True
    for _ in range(2):
        assert backend.get_range(NAMES[0], 5, 9_000) == data[5:9_005]
    with pytest.raises(CorruptPartitionError, match="ends before byte 10001"):
        backend.get_range(NAMES[0], 5, 9_996)


def test_signals_do_not_disturb(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    data = np.random.default_rng(0).bytes(3_000_000)
    arrived: list[int] = []
    handler = signal.signal(signal.SIGALRM, lambda number, frame: arrived.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for number in range(10):
            backend.put_if_absent(f"{number:064x}.h5", data)
            assert backend.get_range(f"{number:064x}.h5", 0, len(data)) == data
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert arrived


class Interrupt(BaseException):
    """Raised by a signal, as Ctrl-C raises KeyboardInterrupt."""


def test_an_interrupt_leaves_no_unfinished_file(tmp_path: Path) -> None:
    """At whatever moment it comes: each file is whole or absent, and nothing else is there."""

    def interrupt(number: int, frame: object) -> None:
        raise Interrupt

    backend = LocalBackend(tmp_path)
    data = bytes(range(256)) * 2000
    start = time.perf_counter()
    backend.put_if_absent(f"{0:064x}.h5", data)
    usual_seconds = time.perf_counter() - start
    delays = np.random.default_rng(0).uniform(1e-6, 1.2 * usual_seconds, 300)
    interrupted = 0
    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number, delay in enumerate(delays, 1):
            try:
                signal.setitimer(signal.ITIMER_REAL, delay)
                backend.put_if_absent(f"{number:064x}.h5", data)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupt:
                interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert interrupted
    assert {path.suffix for path in files_below(tmp_path)} == {".h5"}
    assert {file.bytes for file in backend.files()} == {len(data)}


def test_bytes_are_durable_before_they_are_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of the calls that make it so: file, name, its folder, the folder above."""
    backend = LocalBackend(tmp_path)
    events: list[str] = []
    fsync, link = os.fsync, os.link

    def noting_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        events.append(f"sync {'temporary' if path.suffix == '.tmp' else path.relative_to(tmp_path).as_posix()}")
        fsync(descriptor)

    def noting_link(source: Path, target: Path) -> None:
        events.append(f"name {target.relative_to(tmp_path).as_posix()}")
        link(source, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "link", noting_link)
    backend.put_if_absent(NAMES[0], b"x")
    assert events == ["sync temporary", f"name 00/{NAMES[0]}", "sync 00", "sync ."]
    events.clear()
    backend.put_if_absent(NAMES[0], b"x")
    assert events == ["sync 00"], "another writer may have named the file a moment ago"
    backend.put_text_if_absent(STORE_ID, "x")
    assert events == ["sync 00", "sync temporary", f"name {STORE_ID}", "sync ."]


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    backend = LocalBackend(tmp_path)
    assert backend.put_if_absent(NAMES[0], b"x") is True
    assert backend.put_if_absent(NAMES[0], b"y") is False
    assert [path.read_bytes() for path in files_below(tmp_path)] == [b"x"]


def test_an_obstructed_folder_is_a_storage_error(tmp_path: Path) -> None:
    """A plain file where a folder belongs is reported as one line."""
    backend = LocalBackend(tmp_path / "partitions")
    (tmp_path / "partitions" / NAMES[0][:2]).write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        backend.put_if_absent(NAMES[0], b"x")
    with pytest.raises(StorageError, match="cannot read"):
        backend.get_range(NAMES[0], 0, 1)
    with pytest.raises(StorageError, match="cannot look at"):
        backend.size(NAMES[0])
    with pytest.raises(StorageError, match="cannot create"):
        LocalBackend(tmp_path / "partitions" / NAMES[0][:2] / "below")
    with pytest.raises(StorageError, match="cannot delete"):
        backend.delete(NAMES[0])
    (tmp_path / "partitions" / STORE_ID).mkdir()
    with pytest.raises(StorageError, match="cannot read"):
        backend.get_text(STORE_ID)


def test_only_partitions_are_listed(tmp_path: Path) -> None:
    """What a killed writer left, and what people put there, is no partition."""
    backend = LocalBackend(tmp_path)
    backend.put_if_absent(NAMES[0], b"x")
    folder = tmp_path / NAMES[0][:2]
    (folder / f"{NAMES[1]}.0a1b2c3d.tmp").write_bytes(b"half")
    (folder / "notes.h5").write_bytes(b"notes")
    (folder / NAMES[3]).write_bytes(b"in the wrong folder")
    (tmp_path / NAMES[1]).write_bytes(b"in no folder")
    assert list(backend.names()) == [NAMES[0]]
    assert [file.name for file in backend.files()] == [NAMES[0]]


def test_leftovers_of_killed_writers(tmp_path: Path) -> None:
    """Unfinished files of a certain age are found, and removed when that is wanted; nothing else is."""
    backend = LocalBackend(tmp_path / "partitions", documents=tmp_path)
    backend.put_if_absent(NAMES[0], b"whole")
    backend.put_text_if_absent(STORE_ID, "mine")
    folder = tmp_path / "partitions" / NAMES[0][:2]
    old, young = folder / f"{NAMES[1]}.0a1b.tmp", folder / f"{NAMES[2]}.0a1b.tmp"
    document, second_name = tmp_path / f"{STORE_ID}.0a1b.tmp", folder / f"{NAMES[0]}.0a1b.tmp"
    for path in (old, young, document, folder / "other.tmp", tmp_path / "other.tmp"):
        path.write_bytes(b"half")
    os.link(folder / NAMES[0], second_name)
    for path in (old, document, second_name, folder / "other.tmp", tmp_path / "other.tmp"):
        os.utime(path, (time.time() - HOUR, time.time() - HOUR))
    expected = {(str(old), 4), (str(document), 4), (str(second_name), 0)}
    assert backend.leftovers(2 * HOUR, remove=True) == []
    assert set(backend.leftovers(HOUR, remove=False)) == expected
    assert set(backend.leftovers(HOUR, remove=True)) == expected
    assert backend.leftovers(HOUR, remove=True) == []
    assert [item.description for item in backend.leftovers(0, remove=False)] == [str(young)]
    left = {path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)}
    parts = f"partitions/{NAMES[0][:2]}"
    assert left == {f"{parts}/{NAMES[0]}", f"{parts}/{young.name}", f"{parts}/other.tmp", "other.tmp", STORE_ID}


KILLED = """
import os, signal, sys
from pathlib import Path
from mistique_core.storage import LocalBackend

backend = LocalBackend(Path(sys.argv[1]))
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
backend.put_if_absent("0" * 64 + ".h5", bytes(1000))
"""


def test_what_a_killed_writer_leaves_is_a_leftover(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    backend = LocalBackend(tmp_path)
    assert list(backend.names()) == []
    assert [item.bytes for item in backend.leftovers(0, remove=True)] == [1000]
    assert files_below(tmp_path) == []
