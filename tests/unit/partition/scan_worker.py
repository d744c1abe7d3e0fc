"""Scans partitions in a process of its own: damaged metadata may crash or hang a C library."""

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

from mistique_core.dedup import chunk_hash
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import decode_location, read_columns, scan_partition

_SECONDS = 60


def outcome(data: bytes) -> tuple[str, list[str], str]:
    """Return how a scan ended, the addresses whose values are right, and how reading the columns ended."""
    right = []
    try:
        for location in scan_partition(data):
            if 0 in location.shape or (location.codec is not None and location.codec.transform.kind == "delta"):
                continue
            try:
                array = decode_location(location, data, 0)
            except CorruptPartitionError:
                continue
            if chunk_hash(array) == location.address:
                right.append(location.address.hex())
        scan = "whole"
    except CorruptPartitionError as error:
        scan = "refused" if "\n" not in str(error) else f"a message of several lines: {error}"
    except BaseException as error:
        scan = f"{type(error).__name__}: {error}"
    try:
        columns = repr(read_columns(data))
    except CorruptPartitionError:
        columns = "refused"
    except BaseException as error:
        columns = f"{type(error).__name__}: {error}"
    return scan, right, columns


def most_memory() -> int:
    """Return the largest memory of this process in bytes, 0 where the system does not tell.

    Not ``getrusage``: its ``ru_maxrss`` starts with what the process had that started this one.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def serve(connection: Connection) -> None:
    """Answer with the outcome and the process's largest memory in bytes, until there is nothing more."""
    while True:
        data = connection.recv()
        if data is None:
            return
        connection.send((*outcome(data), most_memory()))


class ScanWorker:
    """A process that scans."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other,), daemon=True)
        self._process.start()
        other.close()

    def scan(self, data: bytes) -> tuple[str, list[str], str, int]:
        """Return the outcome; fail if the process dies, or does not answer within a minute."""
        self._connection.send(data)
        if not self._connection.poll(_SECONDS):
            self._process.kill()
            raise AssertionError(f"no answer within {_SECONDS} seconds")
        try:
            answer: tuple[str, list[str], str, int] = self._connection.recv()
        except EOFError as error:
            self._process.join()
            raise AssertionError(f"the process died with {self._process.exitcode}") from error
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process.is_alive():
            self._connection.send(None)
        self._process.join()
        self._process.close()
        self._connection.close()
