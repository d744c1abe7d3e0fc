"""What the machine must have for these tests: skipped without it, except where CI provides it."""

from __future__ import annotations

import os

import pytest

from mistique_core.errors import NotFoundError
from operators.cluster.broker import find_redis
from operators.cluster.databases import usual_server
from operators.cluster.postgres import find_programs


def need(*, redis: bool = False, postgres: bool = False, postgres_programs: bool = False) -> None:
    """Skip the test where a server is missing, with the sentence that the command itself would say; fail in CI."""
    try:
        if redis:
            find_redis()
        if postgres_programs or (postgres and usual_server() is None):
            find_programs()
    except NotFoundError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs it: {error}")
        pytest.skip(str(error))
