"""Several processes for a whole run, catalogue URLs of both databases, and an S3 server."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.s3_server import BUCKET, s3_server
from tests.tiers import TIER_OF_RUN, is_in, tier_of
from tests.work_units import WorkUnits, turn_of

MOST_PROCESSES = 4
"""Each may import TensorFlow, and then takes up to 4 GB."""
SERVER = "postgresql+psycopg://postgres@127.0.0.1:5432/test"
SHARED_MEMORY = Path("/dev/shm")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many processes share the tests: none but this one where only some tests are wanted."""
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    processes = min(len(os.sched_getaffinity(0)), MOST_PROCESSES)
    return processes if is_whole and processes > 1 else 0


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WorkUnits:
    return WorkUnits(config, log)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[TIER_OF_RUN] = tier_of(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tier = os.environ[TIER_OF_RUN]
    left = [item for item in items if not is_in(tier, item)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if is_in(tier, item)]
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: turn_of(item.nodeid))


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """Return the URL of a new, empty PostgreSQL database, which is dropped after the test."""
    engine = sa.create_engine(SERVER, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5})
    name = f"mistique_test_{uuid.uuid4().hex}"
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
            # A commit need not outlive a crash of the server, which no test is about.
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    except sa.exc.OperationalError as error:
        engine.dispose()
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs PostgreSQL at {SERVER}: {error.orig}")
        pytest.skip(f"no PostgreSQL server answers at {SERVER}")
    yield SERVER.removesuffix("test") + name
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture
def catalogue_folder(tmp_path: Path) -> Path:
    """Return the folder of SQLite catalogues."""
    return tmp_path


@pytest.fixture(params=["sqlite", "postgresql"])
def catalogue_url(request: pytest.FixtureRequest, catalogue_folder: Path) -> str:
    """Return a URL of each supported database."""
    if request.param == "sqlite":
        return f"sqlite:///{catalogue_folder / 'catalogue.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """Return an empty folder in memory where there is one: tests of many small stores need not wait for the disk."""
    if not os.access(SHARED_MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Return the URL of a running S3 server."""
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def s3_location(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return an empty ``s3://`` location, which the environment tells how to reach."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {"ENDPOINT_URL": s3_endpoint, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "kept-secret"}
    for name, value in settings.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture
def exact_dedup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch exact dedup on for a test that is about what it saves, whatever the rest of the run does."""
    monkeypatch.setenv("MISTIQUE_EXACT_DEDUP", "true")
