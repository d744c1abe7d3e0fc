"""Requests to the web application, from a user who may read and edit one DAG and not the other."""

from __future__ import annotations

import asyncio
import json
import tempfile
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from benchmarks.fuzzing.mutation import ODD_TEXTS, mutate_text, mutate_value, odd_value
from benchmarks.fuzzing.recorded_store import HIDDEN, HIDDEN_WORDS, READABLE, recorded_store
from benchmarks.fuzzing.target import WrongValueError

PREFIX = "/mistique"
_PLACES = ("project", "model", "dag_id", "run_id", "state", "filter", "columns", "ids", "key", "value", "path", "by")
_PAGES = (
    "/",
    "/runs",
    "/run",
    "/query/1",
    "/query/1/answer.csv",
    "/query/1/answer.html",
    "/query/3/answer.json",
    "/static/style.css",
    "/style.css",
    "/app/runs",
)
_SHOWN_PAGES = (
    "/intermediates",
    "/ask",
    "/storage",
    "/models/1",
    "/models/3",
    "/models",
    "/projects/1/models",
    "/projects/2/models",
    "/projects",
    "/projects/1",
    "/projects/2",
    "/compare",
    "/predictions",
    "/nowhere",
)
_PAGE_PLACES = (
    "key",
    "dag_id",
    "run_id",
    "task_id",
    "project",
    "model",
    "models",
    "version",
    "stage",
    "search",
    "columns",
    "group",
    "runs",
    "rows",
    "row",
    "request",
    "technique",
    "order",
    "show",
    "x",
    "y",
    "type",
    "selected",
    "threshold",
)
_KINDS = ("application/json",) * 8 + ("text/plain", "", "multipart/form-data")
_SHOW = "/app/_dash-update-component"


class _User:
    username = "vera"


class _Access:
    async def user(self, request: Any) -> Any:
        return _User()

    def readable_dags(self, user: Any) -> set[str]:
        return {READABLE}

    def editable_dags(self, user: Any) -> set[str]:
        return {READABLE}


class RequestTarget:
    """Requests to every route and callback, their paths, queries and bodies mutated."""

    def __init__(self) -> None:
        from mistique_ui.app import make_app

        self._folder = tempfile.TemporaryDirectory(prefix="mistique-fuzz-")
        self._store = recorded_store(self._folder.name)
        location = self._store.config.location
        self._app = make_app(
            lambda: self._store.catalogue, store=lambda: self._store, location=lambda: location, access=_Access()
        )
        self._loop = asyncio.new_event_loop()
        self._routes = self._described()
        self._callbacks = [
            item
            for item in json.loads(self._ask("GET", "/app/_dash-dependencies", "", b"", {})[2])
            if item.get("clientside_function") is None
        ]

    def _described(self) -> list[tuple[str, str, list[str], Any]]:
        document = self._app.openapi()
        found: list[tuple[str, str, list[str], Any]] = []
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                names = [item["name"] for item in operation.get("parameters", ()) if item["in"] == "query"]
                body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
                found.append((method.upper(), path, names, body))
        return found + [("GET", path, list(_PLACES), None) for path in _PAGES]

    def make(self, random: Random) -> tuple[str, str, str, bytes, dict[str, str]]:
        """Return method, path, query, body and headers."""
        if random.random() < 0.15:
            return self._callback(random)
        method, path, names, body = random.choice(self._routes)
        parts = []
        for part in path.split("/"):
            made = part
            if part.startswith("{"):
                made = random.choice(("1", "2", "3", "run", "homes", "linear", "version", str(random.randrange(20))))
            if random.random() < 0.15:
                made = mutate_text(random, made)
            parts.append(quote(made.encode("utf-8", "surrogatepass"), safe="" if random.random() < 0.7 else "/.%"))
        query = urlencode({name: self._value(random) for name in names if random.random() < 0.7}, errors="replace")
        content, headers = b"", {}
        if body is not None or random.random() < 0.03:
            content = self._body(random)
            headers["content-type"] = random.choice(_KINDS)
        if random.random() < 0.1:
            method = random.choice(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"))
        return method, "/".join(parts), query, content, headers

    def _value(self, random: Random) -> str:
        known = (
            READABLE,
            HIDDEN,
            "homes",
            "linear",
            "linear_run",
            "hidden_model_run",
            "1",
            "2",
            "1,2,3",
            "string",
            "0.5",
        )
        keys = (
            "homes.linear.read.price",
            "homes.nowhere.read.x",
            "nowhere.x.read.y",
            "hidden_project.hidden_model.read.x",
        )
        filters = ("metrics.r2 > 0.5 order by metrics.r2", "project = 'homes'", "true", "r2", "owner.name")
        text = random.choice((*known, *known, *keys, *filters, *ODD_TEXTS))
        return mutate_text(random, text) if random.random() < 0.3 else text

    def _body(self, random: Random) -> bytes:
        known: tuple[Any, ...] = (
            {"value": "x", "type": "string"},
            {"values": [1, 2], "type": "int"},
            {"fragments": [{"message": "see"}, {"model_id": 1}]},
            {"life_stage": "production", "archive_others": True},
            {"owner": {"name": "ann"}, "scores": [1, 2.5]},
        )
        value = random.choice(known)
        for _ in range(random.choice((0, 1, 2))):
            value = mutate_value(random, value)
        text = json.dumps(value)
        if random.random() < 0.3:
            text = mutate_text(random, text)
        if random.random() < 0.03:
            text = random.choice(("[" * 5_000, '{"a":' * 800 + "1" + "}" * 800, '{"value":' + "9" * 5_000 + "}"))
        return text.encode("utf-8", "surrogatepass")

    def _callback(self, random: Random) -> tuple[str, str, str, bytes, dict[str, str]]:
        page = random.random() < 0.5
        router = next(item for item in self._callbacks if "main.children" in str(item["output"]))
        callback = router if page else random.choice(self._callbacks)
        text = str(callback["output"])
        parts = text.strip(".").split("...") if text.startswith("..") else [text]
        outputs = [_output(part) for part in parts]

        def given(item: dict[str, Any]) -> Any:
            value = odd_value(random) if random.random() < 0.8 else random.choice(("/mistique/app/projects", "1", 1))
            name = item["id"]
            if not name.startswith("{"):
                return {"id": name, "property": item["property"], "value": value}
            pattern = json.loads(name)
            entry = {"id": _concrete(pattern), "property": item["property"], "value": value}
            return [entry] if any(part in (["ALL"], ["ALLSMALLER"]) for part in pattern.values()) else entry

        inputs = [given(item) for item in callback["inputs"]]
        if page:
            inputs[0]["value"] = PREFIX + "/app" + random.choice(_SHOWN_PAGES)
            names = random.sample(_PAGE_PLACES, random.choice((0, 1, 2, 4)))
            inputs[1]["value"] = "?" + urlencode({name: self._value(random) for name in names}, errors="replace")
        body = {
            "output": text,
            "outputs": outputs if text.startswith("..") else outputs[0],
            "inputs": inputs,
            "state": [given(item) for item in callback["state"]],
            "changedPropIds": [f"{item['id']}.{item['property']}" for item in callback["inputs"][:1]],
        }
        content = json.dumps(body).encode()
        headers = {"content-type": "application/json", "content-length": str(len(content))}
        return "POST", _SHOW, "", content, headers

    def run(self, item: tuple[str, str, str, bytes, dict[str, str]]) -> str:
        """Send the request; no answer may be an error of the server, or say anything of what is hidden."""
        method, path, query, body, headers = item
        status, received, content = self._ask(method, path, query, body, headers)
        if status >= 500 and not (status == 501 and method == "TRACE"):
            raise WrongValueError(f"{status} to {item!r:.600}: {content[:300]!r}")
        text = content.decode("utf-8", "replace")
        if "The page could not be made" in text:
            raise WrongValueError(f"a page fails of {item!r:.900}")
        sent = f"{path}{query}{body!r}"
        for word in (*HIDDEN_WORDS, "Traceback"):
            if word in text and word not in sent and quote(word) not in sent:
                raise WrongValueError(f"{word} is shown to {item!r:.600}: {text[:600]!r}")
        if received.get("x-content-type-options") != "nosniff" or "default-src 'none'" not in received.get(
            "content-security-policy", ""
        ):
            raise WrongValueError(f"no security headers to {item!r:.600}: {received!r}")
        return f"status {status // 100}xx"

    def close(self) -> None:
        """Close the store, and remove it."""
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        self._store.close()
        self._folder.cleanup()

    def _ask(
        self, method: str, path: str, query: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        return self._loop.run_until_complete(asyncio.wait_for(_send(self._app, method, path, query, body, headers), 60))


async def _send(
    app: Any, method: str, path: str, query: str, body: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    """Send one request as a server does, and return status, headers and content of the answer."""
    from urllib.parse import unquote

    raw = path if path.startswith("/") else f"/{path}"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "root_path": PREFIX,
        "path": PREFIX + unquote(raw),
        "raw_path": (PREFIX + raw).encode("ascii", "replace"),
        "query_string": query.encode(),
        "headers": [(b"host", b"testserver"), *((n.encode(), v.encode()) for n, v in headers.items())],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "extensions": {},
    }
    messages: list[dict[str, Any]] = []
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await asyncio.sleep(3_600)
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    await app(scope, receive, send)
    start = next(message for message in messages if message["type"] == "http.response.start")
    content = b"".join(message.get("body", b"") for message in messages if message["type"] == "http.response.body")
    return start["status"], {name.decode().lower(): value.decode() for name, value in start["headers"]}, content


def _output(part: str) -> dict[str, Any]:
    name, _, wanted = part.rpartition(".")
    found: Any = _concrete(json.loads(name)) if name.startswith("{") else name.replace("\\.", ".")
    return {"id": found, "property": wanted.partition("@")[0]}


def _concrete(pattern: dict[str, Any]) -> dict[str, Any]:
    return {name: "x" if isinstance(part, list) else part for name, part in pattern.items()}
