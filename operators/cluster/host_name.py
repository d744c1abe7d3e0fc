"""The name of the host that a process stands for: on one machine, workers would all have the same."""

from __future__ import annotations

import os
import platform

HOST_VARIABLE = "MISTIQUE_CLUSTER_HOST"


def host_name() -> str:
    """Return the name of the process within its cluster; Airflow asks for it by ``[core] hostname_callable``."""
    return os.environ.get(HOST_VARIABLE) or platform.node()
