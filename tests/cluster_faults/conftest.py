"""One cluster for all faults: a PostgreSQL server of its own, two workers, and a network before its S3 server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.requirements import need
from tests.cluster_faults.mending import MendedCluster, mended_cluster


@pytest.fixture(scope="package")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MendedCluster]:
    need(redis=True, postgres=True)
    with mended_cluster(tmp_path_factory.mktemp("mended")) as running:
        yield running


@pytest.fixture(autouse=True)
def whole_again(request: pytest.FixtureRequest) -> Iterator[None]:
    """The network has no faults before and after each test."""
    yield
    if "mended" in request.fixturenames:
        request.getfixturevalue("mended").network.mend()
