"""How processes share the tests of a whole run (pytest-xdist): what goes together, and what begins first."""

from xdist.scheduler import LoadScopeScheduling

ONE_UNIT = ("tests/integration",)
"""Folders whose tests share one costly fixture, such as a running Airflow."""
FIRST = ("tests/integration", "tests/concurrency", "tests/faults", "tests/networks", "tests/operators")
"""Folders whose files take long: begun last, one of them would run alone at the end."""


def unit_of(node_id: str) -> str:
    """Return the folder or file whose tests run in one process, one after the other."""
    file = node_id.split("::", 1)[0]
    return next((folder for folder in ONE_UNIT if file.startswith(f"{folder}/")), file)


def turn_of(node_id: str) -> int:
    """Return by what units are sorted: the number of the folder in `FIRST`, then all others."""
    return next((turn for turn, folder in enumerate(FIRST) if node_id.startswith(f"{folder}/")), len(FIRST))


class WorkUnits(LoadScopeScheduling):
    """Gives each process the next unit whenever it is about to end one."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
