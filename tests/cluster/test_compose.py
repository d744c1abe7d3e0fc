"""``docker-compose.yaml`` and ``make cluster`` start the same processes with the same settings.

The file is validated against the schema of the Compose specification, as check-jsonschema brings it. No Docker engine
is needed, and none has started it.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema.validators
import pytest
import yaml

from operators.cluster.broker import redis_program
from operators.cluster.cluster import databases_of
from operators.cluster.components import INITIALISE, Component, components, shared_variables
from operators.cluster.databases import Databases, Server
from operators.cluster.layout import CONCURRENCY, ClusterLayout
from operators.cluster.postgres import server_program
from tests.cluster.requirements import need
from tests.cluster.running import ROOT

AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer", "worker")
SERVERS = ("postgres", "redis", "s3")
VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_0-9]+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")
ON_ONE_MACHINE = {
    "CORE__DAGS_FOLDER": "the image has the DAGs in its home",
    "CORE__PLUGINS_FOLDER": "the image has the plugins in its home",
    "CORE__HOSTNAME_CALLABLE": "containers have host names of their own",
    "CORE__DAGS_ARE_PAUSED_AT_CREATION": "in production whoever adds a DAG starts it",
    "LOGGING__BASE_LOG_FOLDER": "the image has the logs in its home",
    "API__HOST": "a container is reached from outside, by the port that is published",
    "API__PORT": "a container has the port to itself",
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": "the check runs in the container",
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": "a container has the port to itself",
    "DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "a workstation is busy with other things",
    "CORE__DAGBAG_IMPORT_TIMEOUT": "a workstation is busy with other things",
    "DAG_PROCESSOR__REFRESH_INTERVAL": "whoever tries the cluster edits its DAGs",
}
"""Settings that only a cluster on one machine has, and why the compose file does without."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yaml").read_text()))


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> ClusterLayout:
    made = ClusterLayout(ROOT, ROOT / "dags", tmp_path_factory.mktemp("compose") / "state", 8080)
    made.create_folders()
    return made


@pytest.fixture(scope="module")
def databases(layout: ClusterLayout) -> Databases:
    return databases_of(layout, None)


def filled_in(text: str, values: dict[str, str]) -> str:
    """Replace variables as Compose does."""

    def value(match: re.Match[str]) -> str:
        if match["name"] in values:
            return values[match["name"]]
        assert match["kind"] == "-", f"{match[0]} has no value"
        return str(match["text"])

    return VARIABLE.sub(value, text).replace("$$", "$")


def here(text: str, layout: ClusterLayout, databases: Databases) -> str:
    """Replace host names by where the cluster has the same server."""
    addresses = {
        "postgres:5432": f"127.0.0.1:{databases.server.port}",
        "redis:6379": f"127.0.0.1:{layout.ports.redis}",
        "s3:9000": f"127.0.0.1:{layout.ports.s3}",
        "//api-server:8080": f"//127.0.0.1:{layout.port}",
        "//localhost:8080": f"//127.0.0.1:{layout.port}",
        "/opt/airflow/auth/passwords.json": str(layout.passwords),
    }
    for host, address in addresses.items():
        text = text.replace(host, address)
    return text


def names_of(variables: dict[str, str]) -> set[str]:
    return {name for name in variables if name.startswith(("AIRFLOW__", "MISTIQUE", "AWS_"))}


def test_it_is_valid_by_the_schema_of_the_compose_specification(compose: dict[str, Any]) -> None:
    file = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(file.read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert list(validator.iter_errors(compose)) == []
    broken = {**compose, "services": {**compose["services"], "redis": {"imag": "redis"}}}
    assert list(validator.iter_errors(broken))


def test_the_same_services(compose: dict[str, Any], layout: ClusterLayout) -> None:
    assert set(compose["services"]) == {*SERVERS, *AIRFLOW, "airflow-init"}
    started = {re.sub(r"^worker-\d+$", "worker", component.name) for component in components(layout)}
    assert started == set(AIRFLOW)


def test_the_same_commands(compose: dict[str, Any], layout: ClusterLayout) -> None:
    def command(component: Component) -> list[str]:
        words = list(component.command)
        if "--celery-hostname" in words:  # containers have host names of their own
            position = words.index("--celery-hostname")
            assert words[position + 1] == component.name
            del words[position : position + 2]
        return words

    for component in components(layout):
        service = compose["services"][re.sub(r"-\d+$", "", component.name)]
        assert service["command"].split() == command(component), component.name
        assert "entrypoint" not in service
    assert 'ENTRYPOINT ["airflow"]' in (ROOT / "docker" / "Dockerfile").read_text()


def test_the_same_first_steps(compose: dict[str, Any]) -> None:
    (script,) = compose["services"]["airflow-init"]["command"]
    (database, catalogue) = (command for _, command in INITIALISE)
    assert " ".join(("airflow", *database[1:])) in script
    assert f"python -c '{catalogue[-1]}'" in script


@pytest.mark.parametrize("service", AIRFLOW)
def test_the_same_environment(
    compose: dict[str, Any], layout: ClusterLayout, databases: Databases, service: str
) -> None:
    written = compose["services"][service]["environment"]
    secrets = {**layout.secrets(), "WORKER_CONCURRENCY": str(CONCURRENCY)}
    wanted = {name: here(filled_in(value, secrets), layout, databases) for name, value in written.items()}
    found = shared_variables(layout, databases)
    only_here = names_of(found) - names_of(wanted)
    assert only_here == {f"AIRFLOW__{name}" for name in ON_ONE_MACHINE}
    assert {name: found.get(name) for name in wanted} == wanted


def test_names_in_a_server_that_others_use_are_the_clusters_own(layout: ClusterLayout) -> None:
    shared = databases_of(layout, Server(5432, "postgres"))
    own = databases_of(layout, None)
    assert (own.airflow, own.catalogue) == ("airflow", "mistique")
    assert (shared.airflow, shared.catalogue) == (f"{layout.name()}_airflow", f"{layout.name()}_mistique")
    for databases in (shared, own):
        assert databases.airflow_url() != databases.catalogue_url()
        assert databases.airflow_password != databases.catalogue_password


def test_the_same_servers(compose: dict[str, Any], layout: ClusterLayout) -> None:
    need(redis=True)
    written = " ".join(compose["services"]["redis"]["command"])
    settings = Path(redis_program(layout).command[1]).read_text()
    assert '--save ""' in written
    assert 'save ""' in settings
    assert "--requirepass" in written
    assert f"requirepass {layout.secrets()['REDIS_PASSWORD']}\n" in settings
    assert "max_connections=200" in compose["services"]["postgres"]["command"]


def test_the_same_server_of_databases(compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need(postgres_programs=True)
    made = ClusterLayout(ROOT, ROOT / "dags", tmp_path / "state", 8080)
    made.create_folders()
    data = tmp_path / "data"
    data.mkdir()
    (data / "PG_VERSION").touch()
    monkeypatch.setattr("operators.cluster.postgres.data_folder", lambda _layout: data)
    options = set(server_program(made).command)
    assert {word for word in compose["services"]["postgres"]["command"].split() if "=" in word} <= options


def test_every_service_is_bounded_checked_and_started_again(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert "mem_limit" in service, name
        if name == "airflow-init":
            assert service["restart"] == "no"
            continue
        assert service["restart"] == "unless-stopped", name
        check = service["healthcheck"]
        assert check["test"][0] in ("CMD", "CMD-SHELL"), name
        assert len(check["test"]) > 1, name


def test_waiting_for_what_a_service_needs(compose: dict[str, Any]) -> None:
    for name in AIRFLOW:
        needed = compose["services"][name]["depends_on"]
        assert {server: needed[server]["condition"] for server in SERVERS} == dict.fromkeys(SERVERS, "service_healthy")
        assert needed["airflow-init"]["condition"] == "service_completed_successfully"


def test_no_secret_has_a_default(compose: dict[str, Any], layout: ClusterLayout) -> None:
    text = (ROOT / "docker-compose.yaml").read_text()
    secret = {match["name"] for match in VARIABLE.finditer(text) if re.search("PASSWORD|SECRET|KEY", match["name"])}
    assert secret == set(layout.secrets())
    for name in secret:
        uses = [match for match in VARIABLE.finditer(text) if match["name"] == name]
        assert [match["text"] for match in uses if match["kind"] == "-"] == []
        assert [match for match in uses if match["kind"] == "?"], f"{name} may be left out unnoticed"
    named = re.findall(r"^ *([A-Z_]*(?:PASSWORD|SECRET|FERNET|AUTH)[A-Z_]*): (.+)$", text, re.MULTILINE)
    passwords = {name: value for name, value in named if "PASSWORDS_FILE" not in name and "MANAGER" not in name}
    assert len(passwords) >= 8
    assert [name for name, value in passwords.items() if "${" not in value] == []


def test_volumes_are_named_and_only_the_ui_is_published(compose: dict[str, Any]) -> None:
    used = set()
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source, _, rest = volume.partition(":")
            if source.startswith("./"):
                assert rest.endswith(":ro"), volume
            else:
                used.add(source)
    assert used == set(compose["volumes"])
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"api-server": ["127.0.0.1:${AIRFLOW_PORT:-8080}:8080"]}


def test_the_image_is_made_from_the_lock_file_and_runs_as_a_user() -> None:
    lines = (ROOT / "docker" / "Dockerfile").read_text()
    assert "--require-hashes -r docker/requirements.lock" in lines
    assert re.search(r"^USER airflow$", lines, re.MULTILINE)
    locked = (ROOT / "docker" / "requirements.lock").read_text()
    development = (ROOT / "requirements.lock").read_text()
    versions = re.findall(r"^([a-z0-9.-]+==[^ ]+)", locked, re.MULTILINE)
    assert len(versions) > 100
    assert [version for version in versions if f"\n{version} " not in f"\n{development}"] == []
