"""Keras on TensorFlow, and five architectures."""

import os

import pytest

from tests.networks.architectures import ARCHITECTURES, Architecture

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    try:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
    except ModuleNotFoundError as error:
        if os.environ.get("CI") == "true":
            raise
        reason = pytest.mark.skip(reason=f"{error.name} is not installed: pip install 'mistique-airflow[dnn]'")
        for item in items:
            if "tests/networks" in item.nodeid and "plain" not in item.keywords:
                item.add_marker(reason)


@pytest.fixture(params=ARCHITECTURES, ids=lambda item: item.__name__)
def architecture(request: pytest.FixtureRequest) -> Architecture:
    made: Architecture = request.param()
    return made
