"""How much of the tests a run takes that names none: the usual, those with servers and a browser too, or every one.

Whoever names a file or a folder gets all of its tests.
"""

from __future__ import annotations

import os
import zlib

import pytest

TIERS = ("usual", "e2e", "every")
TIER = "MISTIQUE_TESTS"
"""Environment variable with one of `TIERS`; ``make test``, ``make e2e`` and ``make whole`` set it."""
TIER_OF_RUN = "MISTIQUE_TIER_OF_RUN"
"""Set for the processes of a run, which cannot tell by themselves whether tests were named."""
E2E = ("tests/integration/", "tests/cluster/", "tests/pages/", "tests/spark/")
"""A running Airflow, a cluster, a browser, Spark."""
LONG = (
    "tests/cluster_faults/",
    "tests/integration/test_every_page.py",
    "tests/integration/test_modeldb_records.py",
    "tests/integration/test_search.py",
    "tests/pages/test_figures.py",
)
"""``make faults`` runs the first; ``make records`` the next two with all DAGs, ``make whole`` with one of each kind."""
DATABASES = ("sqlite", "postgresql")
ALWAYS_BOTH = ("tests/unit/catalogue/", "tests/store/test_both_databases.py")


def tier_of(config: pytest.Config) -> str:
    """Return the tier of a run.

    Raises
    ------
    pytest.UsageError
        If the environment names one that there is not.
    """
    tier = os.environ.get(TIER, "usual")
    if tier not in TIERS:
        raise pytest.UsageError(f"{TIER}={tier!r} is none of {', '.join(TIERS)}")
    return tier if config.args_source is pytest.Config.ArgsSource.TESTPATHS else "every"


def is_in(tier: str, item: pytest.Item) -> bool:
    """Return whether a run of a tier takes a test."""
    if tier == "every":
        return True
    if item.get_closest_marker("whole") is not None or item.nodeid.startswith(LONG):
        return False
    if tier == "usual" and item.nodeid.startswith(E2E):
        return False
    database = getattr(item, "callspec", None) and item.callspec.params.get("catalogue_url")  # type: ignore[attr-defined]
    return database not in DATABASES or item.nodeid.startswith(ALWAYS_BOTH) or database == database_of(item.nodeid)


def database_of(node_id: str) -> str:
    """Return on which database a test is tried that is tried on one: always the same, half of the tests on each."""
    for name in DATABASES:
        node_id = node_id.replace(name, "*")
    return DATABASES[zlib.crc32(node_id.encode()) % 2]
