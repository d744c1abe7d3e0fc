"""Which tests a usual run leaves to ``make whole``: what takes long, and the other database of each test of both.

A usual run names no tests (``make test``). Whoever names a file or a folder gets all of its tests.
"""

from __future__ import annotations

import os
import zlib

import pytest

USUAL_RUN = "MISTIQUE_USUAL_RUN"
"""Set for the processes of a run, which cannot tell by themselves whether tests were named."""
EVERY_TEST = "MISTIQUE_EVERY_TEST"
"""Set to ``true``, everything is run."""
LONG_FILES = (
    "tests/cluster_faults/",
    "tests/integration/test_every_page.py",
    "tests/integration/test_modeldb_records.py",
)
"""``make faults`` runs the first, ``make records`` the others with all DAGs, ``make whole`` with one of each kind."""
DATABASES = ("sqlite", "postgresql")
ALWAYS_BOTH = ("tests/unit/catalogue/", "tests/store/test_both_databases.py")


def is_usual(config: pytest.Config) -> bool:
    """Return whether no tests were named, and not every test is wanted."""
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and os.environ.get(EVERY_TEST) != "true"


def left_to_a_whole_run(item: pytest.Item) -> bool:
    """Return whether a usual run does without a test."""
    if item.get_closest_marker("whole") is not None or item.nodeid.startswith(LONG_FILES):
        return True
    database = getattr(item, "callspec", None) and item.callspec.params.get("catalogue_url")  # type: ignore[attr-defined]
    return database in DATABASES and not item.nodeid.startswith(ALWAYS_BOTH) and database != database_of(item.nodeid)


def database_of(node_id: str) -> str:
    """Return on which database a usual run tries a test; always the same one, half of the tests on each."""
    for name in DATABASES:
        node_id = node_id.replace(name, "*")
    return DATABASES[zlib.crc32(node_id.encode()) % 2]
