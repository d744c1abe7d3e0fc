"""How processes share the tests of a whole run (pytest-xdist): what goes together, and what begins first."""

from xdist.scheduler import LoadScopeScheduling

ONE_UNIT = (
    ("tests/integration",),
    ("tests/operators", "tests/plugin"),
    ("tests/pages",),
    ("tests/security",),
    ("tests/spark",),
)
"""Folders whose tests share what takes long to make: a running Airflow, Airflow's imports and database, a site."""
FIRST = (
    "tests/integration",
    "tests/cluster",
    "tests/pages",
    "tests/spark",
    "tests/concurrency",
    "tests/faults",
    "tests/networks",
    "tests/operators",
)
"""Folders whose tests take long: begun last, one of their files would run alone at the end."""


def is_below(node_id: str, folder: str) -> bool:
    return node_id.startswith(f"{folder}/")


def unit_of(node_id: str) -> str:
    """Return the name of the unit whose tests run in one process, one after the other: a file, or some folders."""
    units = (folders for folders in ONE_UNIT if any(is_below(node_id, folder) for folder in folders))
    return " ".join(next(units, (node_id.split("::", 1)[0],)))


def turn_of(node_id: str) -> int:
    """Return by what tests are sorted: the number of their folder in `FIRST`, then all others."""
    return next((turn for turn, folder in enumerate(FIRST) if is_below(node_id, folder)), len(FIRST))


class WorkUnits(LoadScopeScheduling):
    """Gives each process the next unit whenever it is about to end one."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
