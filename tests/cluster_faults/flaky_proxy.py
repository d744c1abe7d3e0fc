"""A network between S3 and its clients that is slow, refuses, and loses answers, as it is told."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"
FORWARD_SECONDS = 60
_ERROR = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@dataclass
class Network:
    """What happens to requests, by shares from 0 to 1.

    Attributes
    ----------
    latency
        Seconds that each answer is late.
    refused
        Share of requests that are answered with 503 and never reach the server.
    lost
        Share of requests that the server does, and whose answer is lost: the connection ends.
    cut
        Share of answers with a body whose second half is lost.
    counts
        How often each happened.
    """

    latency: float = 0.0
    refused: float = 0.0
    lost: float = 0.0
    cut: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(20_261_126))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fate(self) -> str:
        """Return what happens to the next request."""
        with self.lock:
            drawn = self.chance.random()
            fate = "answered"
            for name in ("refused", "lost", "cut"):
                share = getattr(self, name)
                if drawn < share:
                    fate = name
                    break
                drawn -= share
            self.counts[fate] += 1
            return fate

    def mend(self) -> None:
        """Be a network without faults from now on."""
        self.latency = self.refused = self.lost = self.cut = 0.0


@contextmanager
def flaky_network(port: int, network: Network) -> Iterator[int]:
    """Forward to a server at a port of this machine; yield the port that clients use instead."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fate = network.fate()
            time.sleep(network.latency)
            if fate == "refused":
                self.answer(503, {"Content-Type": "application/xml"}, _ERROR)
                return
            try:
                status, headers, content = self.ask(body)
            except OSError:  # the server is down, and so is the connection to it
                self.close_connection = True
                return
            if fate == "lost":
                self.close_connection = True
                return
            self.answer(status, headers, content, cut=fate == "cut")

        def ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            """Ask the server the same; its signature covers the address that the client knows."""
            connection = http.client.HTTPConnection(HOST, port, timeout=FORWARD_SECONDS)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() != "connection":
                        connection.putheader(name, value)
                connection.endheaders(body or None)
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            except http.client.HTTPException as error:
                raise OSError(str(error)) from error
            finally:
                connection.close()

        def answer(self, status: int, headers: dict[str, str], content: bytes, *, cut: bool = False) -> None:
            is_head = self.command == "HEAD"
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("connection", "transfer-encoding") and (
                    is_head or name.lower() != "content-length"
                ):
                    self.send_header(name, value)
            if not is_head and status not in (204, 304):
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if not is_head:
                self.wfile.write(content[: len(content) // 2] if cut else content)
            if cut:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = forward

    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
