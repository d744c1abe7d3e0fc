"""Ask a Dash application's callbacks over HTTP, as its script in the browser does."""

from __future__ import annotations

import json
from typing import Any

APP = "/mistique/app"


def dependencies(client: Any) -> list[dict[str, Any]]:
    """Return the callbacks that the server answers, as the application describes them."""
    found = client.get(f"{APP}/_dash-dependencies").json()
    return [item for item in found if item.get("clientside_function") is None]


def body_of(callback: dict[str, Any], value: Any = None) -> dict[str, Any]:
    """Return the request of a callback whose inputs and states all have the same value."""
    text = str(callback["output"])
    parts = text.strip(".").split("...") if text.startswith("..") else [text]
    outputs = [dict(zip(("id", "property"), _split(part), strict=True)) for part in parts]
    return {
        "output": text,
        "outputs": outputs if text.startswith("..") else outputs[0],
        "inputs": [_given(item, value) for item in callback["inputs"]],
        "state": [_given(item, value) for item in callback["state"]],
        "changedPropIds": [f"{_name(item['id'])}.{item['property']}" for item in callback["inputs"][:1]],
    }


def show(client: Any, path: str, search: str = "") -> Any:
    """Return the response to opening a page."""
    router = next(item for item in dependencies(client) if "main.children" in str(item["output"]))
    asked = body_of(router)
    asked["inputs"][0]["value"] = f"{APP}{path}"
    asked["inputs"][1]["value"] = search
    return client.post(f"{APP}/_dash-update-component", json=asked)


def _split(part: str) -> tuple[Any, str]:
    name, _, wanted = part.rpartition(".")
    wanted = wanted.partition("@")[0]
    return (_concrete(json.loads(name)) if name.startswith("{") else name.replace("\\.", ".")), wanted


def _given(item: dict[str, Any], value: Any) -> Any:
    name = item["id"]
    if name.startswith("{"):
        pattern = json.loads(name)
        entry = {"id": _concrete(pattern), "property": item["property"], "value": value}
        return [entry] if any(part in (["ALL"], ["ALLSMALLER"]) for part in pattern.values()) else entry
    return {"id": name, "property": item["property"], "value": value}


def _concrete(pattern: dict[str, Any]) -> dict[str, Any]:
    return {name: "x" if isinstance(part, list) else part for name, part in pattern.items()}


def _name(name: str) -> str:
    return json.dumps(_concrete(json.loads(name)), separators=(",", ":")) if name.startswith("{") else name
