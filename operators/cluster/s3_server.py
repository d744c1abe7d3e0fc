"""An S3 server on the loopback interface, for a cluster on one machine: moto's, signed, atomic and lasting.

moto looks whether an object exists and stores it in two steps, so of conditional puts at once several may
succeed; S3 takes them as one step, and so does this one, by a lock around puts. moto keeps objects in memory
and takes any signature; this one keeps objects as files, too, and refuses who does not have its key.
"""

from __future__ import annotations

import argparse
import html
import io
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operators.cluster.kept_objects import KeptObject, KeptObjects
from operators.cluster.processes import ClusterStartError
from operators.cluster.signature import is_signed
from operators.demo.airflow_settings import HOST

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_OBJECT_HEADERS = ("content-type", "content-encoding", "cache-control")
_METADATA = "x-amz-meta-"
_KEY = re.compile("<Key>([^<]*)</Key>")


def moto_application() -> WSGIApplication:
    """Return moto's S3, of which each call has an empty server."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    application: WSGIApplication = DomainDispatcherApplication(create_backend_app)
    return application


def one_put_at_a_time(application: WSGIApplication) -> WSGIApplication:
    """Return the application with a lock around puts and deletions."""
    changes = threading.Lock()

    def locked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("PUT", "DELETE", "POST"):
            return application(environ, start_response)
        with changes:
            return application(environ, start_response)

    return locked


def keeping(application: WSGIApplication, kept: KeptObjects) -> WSGIApplication:
    """Return the application that also keeps each object as a file, before it answers the put.

    It knows what MISTIQUE asks for: objects are put and deleted; other changes are refused.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method, path, query = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        bucket, _, key = path.strip("/").partition("/")
        is_known = (method, query) in (("PUT", ""), ("DELETE", "")) and key
        is_deletion = (method, query.rstrip("=")) == ("POST", "delete") and not key
        if method in ("GET", "HEAD"):
            return application(environ, start_response)
        if not is_known and not is_deletion:
            return _refuse(start_response, HTTPStatus.NOT_IMPLEMENTED, f"{method} {path} is not kept by this server")
        statuses: list[int] = []

        def started(status: str, headers: list[tuple[str, str]], *more: Any) -> Callable[[bytes], object]:
            statuses.append(int(status.split()[0]))
            return start_response(status, headers, *more)

        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        answered = list(application(environ, started))
        if statuses[-1] < HTTPStatus.MULTIPLE_CHOICES:
            if is_deletion:
                for name in _KEY.findall(body.decode()):
                    kept.forget(f"/{bucket}/{html.unescape(name)}")
            elif method == "PUT":
                kept.keep(KeptObject(path, _object_headers(_headers(environ)), body))
            else:
                kept.forget(path)
        return answered

    return answer


def signed_only(application: WSGIApplication, access_key: str, secret_key: str) -> WSGIApplication:
    """Return the application that refuses whatever is not signed with the key, moto's own pages included."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        target = environ["REQUEST_URI"]
        if not is_signed(environ["REQUEST_METHOD"], target, _headers(environ), body, access_key, secret_key):
            return _refuse(start_response, HTTPStatus.FORBIDDEN, "the request is not signed with this server's key")
        return application(environ, start_response)

    return answer


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    headers = {
        name[5:].replace("_", "-").lower(): str(value) for name, value in environ.items() if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = str(environ[name])
    return headers


def _object_headers(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in _OBJECT_HEADERS or name.startswith(_METADATA)}


def _refuse(start_response: StartResponse, status: HTTPStatus, message: str) -> Iterable[bytes]:
    code = "AccessDenied" if status is HTTPStatus.FORBIDDEN else "NotImplemented"
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/xml")])
    return [text]


def put(application: WSGIApplication, item: KeptObject) -> None:
    """Put an object, or a bucket where the path is one, without going through a socket.

    Raises
    ------
    ClusterStartError
        If the application does not take it.
    """
    from werkzeug.test import Client

    answer = Client(application).put(item.path, data=item.body, headers=dict(item.headers))
    if answer.status_code >= HTTPStatus.MULTIPLE_CHOICES:
        raise ClusterStartError(
            f"moto answered {answer.status} to a put of {item.path}; delete its file from the folder of the S3 server"
        )


def serve(port: int, folder: Path, bucket: str, access_key: str, secret_key: str) -> None:
    """Answer at a port until killed, with one bucket that holds the objects of a folder."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    application, kept = moto_application(), KeptObjects(folder)
    put(application, KeptObject(f"/{bucket}", {}, b""))
    for item in kept:
        put(application, item)
    guarded = signed_only(one_put_at_a_time(keeping(application, kept)), access_key, secret_key)
    make_server(HOST, port, guarded, threaded=True, request_handler=MotoRequestHandler).serve_forever()


def main() -> None:
    """Run the server; its key is in the environment, as an S3 client's is."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--bucket", required=True)
    args = parser.parse_args()
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    serve(args.port, args.folder, args.bucket, key, secret)


if __name__ == "__main__":
    main()
