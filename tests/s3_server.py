"""An S3 server on the loopback interface, in a process of its own: moto's, with one put at a time.

Unlike the cluster's it keeps nothing and takes any key.
"""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    from operators.cluster.s3_server import moto_application, one_put_at_a_time

    application = one_put_at_a_time(moto_application())
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    print(server.port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve()
