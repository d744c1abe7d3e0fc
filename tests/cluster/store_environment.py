"""The environment of a process that opens a cluster's store, in the process of the tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from operators.cluster.cluster import Cluster
from operators.cluster.components import store_variables
from operators.demo.airflow_settings import HOST


@contextmanager
def store_environment(cluster: Cluster) -> Iterator[dict[str, str]]:
    """Set what reaches the cluster's object storage, and nothing else of AWS; yield all variables of its store."""
    variables = store_variables(cluster.layout, cluster.databases)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name in [name for name in variables if name.startswith("AWS_")]:
            patch.setenv(name, variables[name])
        patch.setenv("NO_PROXY", HOST)
        yield variables
