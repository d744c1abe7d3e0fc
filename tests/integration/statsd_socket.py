"""A StatsD server that only keeps what arrives."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

HOST = "127.0.0.1"
_LINE = re.compile(r"(?P<name>[^:]+):(?P<value>[^|]+)\|(?P<kind>c|ms|g)")


@dataclass
class Metrics:
    """What has arrived so far.

    Attributes
    ----------
    counters
        Name -> sum.
    timers, gauges
        Name -> values in the order in which they came: milliseconds, and numbers.
    """

    port: int
    counters: Counter[str] = field(default_factory=Counter)
    timers: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    gauges: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def keep(self, datagram: str) -> None:
        for line in datagram.splitlines():
            found = _LINE.match(line)
            if found is None:
                continue
            name, value = found["name"], float(found["value"])
            if found["kind"] == "c":
                self.counters[name] += int(value)
            else:
                (self.timers if found["kind"] == "ms" else self.gauges)[name].append(value)


@contextmanager
def statsd_socket() -> Iterator[Metrics]:
    """Listen at a free port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((HOST, 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        listener.settimeout(0.5)
        metrics, stop = Metrics(listener.getsockname()[1]), threading.Event()

        def listen() -> None:
            while not stop.is_set():
                try:
                    metrics.keep(listener.recv(65_536).decode())
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield metrics
        finally:
            stop.set()
            thread.join()
