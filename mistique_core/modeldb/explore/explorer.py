"""What charts and tables over thousands of runs ask for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mistique_core.catalogue.database import Catalogue
from mistique_core.modeldb.explore.curves import Curve, run_curves
from mistique_core.modeldb.explore.groups import run_groups
from mistique_core.modeldb.explore.main_models import main_models
from mistique_core.modeldb.explore.records import MainModel, NamedValues, RunGroups, RunValues
from mistique_core.modeldb.explore.run_values import run_values
from mistique_core.modeldb.explore.value_names import named_values
from mistique_core.modeldb.filter.syntax import FilterQuery


class Explorer:
    """Groups, columns of values and main models of the runs that fit a filter.

    Calls raise InvalidInputError for a filter that cannot be read. ``readable_dags`` are the DAGs whose runs may be
    shown; those of scripts always are, and ``None`` means all.

    Parameters
    ----------
    catalogue
        Where runs are recorded.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def groups(
        self, query: str | FilterQuery, by: str, *, readable_dags: Collection[str] | None = None, most: int = 24
    ) -> RunGroups:
        """Return how runs divide; see :func:`mistique_core.modeldb.explore.groups.run_groups`."""
        with self._catalogue.read() as connection:
            return run_groups(connection, query, by, readable_dags=readable_dags, most=most)

    def values(
        self,
        query: str | FilterQuery,
        fields: Sequence[str],
        *,
        readable_dags: Collection[str] | None = None,
        most: int | None = None,
        run_ids: Sequence[int] | None = None,
    ) -> RunValues:
        """Return values of fields; see :func:`mistique_core.modeldb.explore.run_values.run_values`."""
        with self._catalogue.read() as connection:
            return run_values(connection, query, fields, readable_dags=readable_dags, most=most, run_ids=run_ids)

    def names(self, query: str | FilterQuery = "", *, readable_dags: Collection[str] | None = None) -> NamedValues:
        """Return names of values; see :func:`mistique_core.modeldb.explore.value_names.named_values`."""
        with self._catalogue.read() as connection:
            return named_values(connection, query, readable_dags=readable_dags)

    def main_models(self, run_ids: Sequence[int]) -> dict[int, tuple[MainModel, ...]]:
        """Return run -> its models, the main one first; see :mod:`mistique_core.modeldb.explore.main_models`."""
        with self._catalogue.read() as connection:
            return main_models(connection, run_ids)

    def curves(self, run_ids: Sequence[int]) -> tuple[Curve, ...]:
        """Return histories of runs; see :func:`mistique_core.modeldb.explore.curves.run_curves`."""
        with self._catalogue.read() as connection:
            return run_curves(connection, run_ids)
