"""ModelDB as one object: groups of questions about, and edits of, what is recorded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from mistique_core.catalogue.database import Catalogue
from mistique_core.modeldb.browse.browser import Browser
from mistique_core.modeldb.compare.comparisons import Comparisons
from mistique_core.modeldb.edit.annotations import Annotations
from mistique_core.modeldb.edit.deletion import RunDeletion, delete_runs
from mistique_core.modeldb.edit.life_stages import LifeStages
from mistique_core.modeldb.edit.metadata import Metadata
from mistique_core.modeldb.edit.projects import Projects
from mistique_core.modeldb.edit.tags import Tags
from mistique_core.modeldb.explore.explorer import Explorer
from mistique_core.modeldb.filter.syntax import FilterQuery
from mistique_core.modeldb.find.finder import Finder
from mistique_core.modeldb.lineage.lineage import Lineage
from mistique_core.modeldb.search import search_runs
from mistique_core.modeldb.search_records import SearchPage

if TYPE_CHECKING:
    from mistique_core.store import Mistique


class ModelDB:
    """Everything that can be asked of the recorded runs, and edited by hand.

    Each call is one transaction. ``docs/modeldb.md`` lists the calls beside those of the original ModelDB.

    Parameters
    ----------
    source
        A store, or its catalogue.

    Attributes
    ----------
    browse, lineage, compare, find, explore
        Questions.
    annotations, tags, life_stages, metadata, projects
        Edits.

    Examples
    --------
    >>> db = ModelDB(store)  # doctest: +SKIP
    >>> db.search("metrics.auc > 0.9 order by metrics.auc desc")  # doctest: +SKIP
    """

    def __init__(self, source: Mistique | Catalogue) -> None:
        catalogue = source if isinstance(source, Catalogue) else source.catalogue
        self._catalogue = catalogue
        self._delete_version = None if isinstance(source, Catalogue) else source.delete
        self.browse = Browser(catalogue)
        self.lineage = Lineage(catalogue)
        self.compare = Comparisons(catalogue)
        self.find = Finder(catalogue)
        self.explore = Explorer(catalogue)
        self.annotations = Annotations(catalogue)
        self.tags = Tags(catalogue)
        self.life_stages = LifeStages(catalogue)
        self.metadata = Metadata(catalogue)
        self.projects = Projects(catalogue)

    def search(
        self,
        query: str | FilterQuery = "",
        *,
        readable_dags: Collection[str] | None = None,
        columns: Sequence[str] | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> SearchPage:
        """Return a page of the runs that fit a filter; see :func:`mistique_core.modeldb.search.search_runs`."""
        with self._catalogue.read() as connection:
            return search_runs(
                connection, query, readable_dags=readable_dags, columns=columns, limit=limit, offset=offset
            )

    def delete_runs(self, run_ids: Sequence[int], *, force: bool = False, dry_run: bool = False) -> RunDeletion:
        """Delete runs with all that they recorded; see :func:`mistique_core.modeldb.edit.deletion.delete_runs`."""
        return delete_runs(self._catalogue, run_ids, force=force, dry_run=dry_run, delete_version=self._delete_version)
