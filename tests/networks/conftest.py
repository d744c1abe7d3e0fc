"""Keras on TensorFlow, and five architectures."""

import os
from importlib.util import find_spec

import pytest

from tests.networks.architectures import ARCHITECTURES, Architecture

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [name for name in ("keras", "tensorflow") if find_spec(name) is None]
    if missing:
        if os.environ.get("CI") == "true":
            raise ModuleNotFoundError(f"CI needs {missing[0]}: pip install 'mistique-airflow[dnn]'")
        reason = pytest.mark.skip(reason=f"{missing[0]} is not installed: pip install 'mistique-airflow[dnn]'")
        for item in items:
            if "tests/networks" in item.nodeid and "plain" not in item.keywords:
                item.add_marker(reason)


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=lambda item: item.__name__)
def architecture(request: pytest.FixtureRequest) -> Architecture:
    made: Architecture = request.param()
    return made
