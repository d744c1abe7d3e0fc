"""The interactive pages behind Airflow's own login and roles: every route, asset and callback."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from mistique_core import Mistique
from mistique_core.workflows import ReadCsvStage
from tests.plugin.conftest import airflow_key, make_client
from tests.plugin.dash_calls import APP, body_of, dependencies, show

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow reads .airflowignore with it
]

XSS = "<script>alert(1)</script>"
ROUTES = (
    "/",
    "/projects",
    "/_dash-layout",
    "/_dash-dependencies",
    "/_reload-hash",
    "/_favicon.ico",
    "/assets/pages.css",
)
HOSTILE = (
    None,
    "",
    XSS,
    "'; drop table stage; --",
    -1,
    2**70,
    1e308,
    [],
    [[]],
    {},
    {"x": [1]},
    ["a"] * 5,
    True,
    "../../etc",
)


@pytest.fixture
def filled(store: Mistique, csv: Path) -> Mistique:
    for dag_id, project, model in (("train", XSS, XSS), ("secret", "hidden_project", "hidden_model")):
        with store.run(project, model, key=airflow_key(dag_id, "r1")) as run:
            run.stage("read", ReadCsvStage(str(csv)))
    return store


@pytest.fixture
def client(auth_manager: Any, filled: Mistique) -> Iterator[Any]:
    with make_client(auth_manager, lambda: filled.catalogue, filled.config.location) as opened:
        yield opened


@pytest.fixture
def nobody(auth_manager: Any, filled: Mistique) -> Iterator[Any]:
    with make_client(auth_manager, lambda: filled.catalogue, filled.config.location, login=False) as opened:
        yield opened


def assets(client: Any) -> list[str]:
    """Return the addresses of all scripts and style sheets of the first page."""
    text = client.get(f"{APP}/projects").text
    found = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(found) > 10
    return found


def test_every_route_asset_and_callback_refuses_who_is_not_logged_in(client: Any, nobody: Any) -> None:
    paths = [f"{APP}{route}" for route in ROUTES] + assets(client)
    for path in paths:
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            assert nobody.request(method, path).status_code == 401, (method, path)
        refused = nobody.get(path, headers={"Authorization": "Bearer garbage"})
        assert refused.status_code in (401, 403)
    for callback in dependencies(client):
        refused = nobody.post(f"{APP}/_dash-update-component", json=body_of(callback))
        assert refused.status_code == 401
        assert set(refused.json()) == {"error"}


def test_a_viewer_gets_every_script_from_this_host(client: Any) -> None:
    for path in assets(client):
        assert urlsplit(urljoin("http://testserver/", path)).hostname == "testserver"
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_security_policy_allows_no_foreign_and_no_inline_script(client: Any) -> None:
    policy = client.get(f"{APP}/projects").headers["content-security-policy"]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == ["'none'"]
    assert all(source == "'self'" or source.startswith("'sha256-") for source in rules["script-src"])
    assert rules["connect-src"] == rules["frame-ancestors"] == ["'self'"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_site_makes_the_browser_send_is_refused(client: Any, site: str) -> None:
    [callback] = [item for item in dependencies(client) if "main.children" in str(item["output"])]
    address = f"{APP}/_dash-update-component"
    assert client.post(address, json=body_of(callback), headers={"Sec-Fetch-Site": site}).status_code == 403
    assert client.post(address, json=body_of(callback), headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_a_form_of_another_site_is_no_request(client: Any) -> None:
    address = f"{APP}/_dash-update-component"
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert client.post(address, content=b"{}", headers={"Content-Type": kind}).status_code == 415
    assert client.post(address, json={"x": "y" * 5_000_000}).status_code == 413


def test_what_the_user_may_not_read_is_hidden(client: Any) -> None:
    text = show(client, "/projects").text
    assert "hidden" not in text
    assert "secret" not in text
    assert "1 run" in text


def test_a_name_that_looks_like_a_script_stays_text(client: Any) -> None:
    answer = show(client, "/projects")
    assert answer.headers["content-type"] == "application/json"
    assert XSS in str(answer.json())
    assert XSS not in client.get(f"{APP}/projects").text


def test_callbacks_survive_whatever_a_browser_sends(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    for callback in dependencies(client):
        for value in HOSTILE:
            with caplog.at_level(logging.ERROR):
                answer = client.post(f"{APP}/_dash-update-component", json=body_of(callback, value))
            assert answer.status_code in (200, 204), (callback["output"], value, answer.text[:500])
    failed = [record for record in caplog.records if record.message == "a page failed"]
    assert not failed, failed[0].exc_text or failed[0].exc_info
