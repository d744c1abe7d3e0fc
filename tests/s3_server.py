"""An S3 server on the loopback interface, in a process of its own.

It is moto's. moto looks whether an object exists and stores it in two steps, so of conditional puts
at once several may succeed; S3 takes them as one step, and so does this one, by a lock around puts.
"""

import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BUCKET = "mistique-test"


@contextmanager
def s3_server() -> Iterator[str]:
    """Run a server with an empty bucket; yield its URL."""
    command = [sys.executable, "-W", "ignore", str(Path(__file__))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            endpoint = f"http://127.0.0.1:{int(process.stdout.readline())}"
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            request = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")
            with opener.open(request, timeout=30) as answer:
                assert answer.status == 200
            yield endpoint
        finally:
            process.kill()


def serve() -> None:
    """Print the port, then answer until killed."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    application = DomainDispatcherApplication(create_backend_app)
    puts = threading.Lock()

    def one_put_at_a_time(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "PUT":
            return application(environ, start_response)
        with puts:
            return application(environ, start_response)

    server = make_server("127.0.0.1", 0, one_put_at_a_time, threaded=True, request_handler=MotoRequestHandler)
    print(server.port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve()
