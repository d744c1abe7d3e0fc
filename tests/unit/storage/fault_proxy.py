"""A proxy before an S3 server that spoils chosen requests."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

Fault = Literal["refuse", "busy", "busy_after", "drop_answer", "cut_answer", "stall", "pass"]
"""What happens to a request:

- refuse: the connection closes before the server hears of it
- busy: it is answered with 503, and the server never hears of it
- busy_after: the server executes it, and the answer is 503
- drop_answer: the server executes it, and the connection closes without an answer
- cut_answer: the server executes it, and the connection closes half-way through the answer
- stall: nothing happens until the proxy closes
- pass: nothing
"""

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@dataclass
class FaultProxy:
    """A running proxy.

    Attributes
    ----------
    endpoint
        Its URL.
    faults
        Method -> what happens to its next requests, in order; then nothing.
    hidden_headers
        Lower-case names of headers that the server does not get to see.
    denied_methods
        Those whose requests are answered as to a key that may not do that; the server never hears of them.
    requests
        (method, status of the server or 0) of every request, in order.
    """

    endpoint: str = ""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    hidden_headers: set[str] = field(default_factory=set)
    denied_methods: set[str] = field(default_factory=set)
    requests: list[tuple[str, int]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    def next_fault(self, method: str) -> Fault:
        with self.lock:
            waiting = self.faults.get(method)
            return waiting.pop(0) if waiting else "pass"

    def statuses(self, method: str) -> list[int]:
        """Return what the server said to the requests of one method."""
        return [status for name, status in self.requests if name == method]


@contextmanager
def fault_proxy(server: str) -> Iterator[FaultProxy]:
    """Run a proxy before the server of that URL."""
    proxy = FaultProxy()
    address = urlsplit(server).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = proxy.next_fault(self.command)
            status, headers, answer = 0, [], b""
            if self.command in proxy.denied_methods:
                status, answer = 403, DENIED
            elif fault in ("pass", "busy_after", "drop_answer", "cut_answer"):
                status, headers, answer = self.forward(body)
            proxy.requests.append((self.command, status))
            if fault == "stall":
                proxy.closing.wait()
            if fault in ("refuse", "drop_answer", "stall"):
                self.close_connection = True
                return
            if fault in ("busy", "busy_after"):
                status, headers, answer = 503, [], BUSY
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            length = next((value for name, value in headers if name.lower() == "content-length"), str(len(answer)))
            self.send_header("Content-Length", length if self.command == "HEAD" else str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer if fault != "cut_answer" else answer[: len(answer) // 2])
            self.close_connection = fault == "cut_answer"

        def forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in proxy.hidden_headers}
            with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                return answer.status, answer.getheaders(), answer.read()

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = relay

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        proxy.endpoint = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.closing.set()
            listening.shutdown()
            thread.join()
