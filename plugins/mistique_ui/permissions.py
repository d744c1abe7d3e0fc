"""May this user see, or change, a run and what belongs to it?

A run of a DAG may be read by whoever may read the DAG, and changed by whoever may edit it. What scripts and files
recorded may be read by everybody who is logged in, and changed by whoever may edit some DAG.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from fastapi import HTTPException

from mistique_core.catalogue.modeldb_tables import annotation, data_frame, transformer
from mistique_core.catalogue.tables import experiment, experiment_run, model, model_version, project, stage
from mistique_core.modeldb.runs import AIRFLOW

if TYPE_CHECKING:
    from mistique_core.catalogue import Catalogue
    from mistique_ui.access import Access

_OWNERS: dict[str, sa.Select[Any]] = {
    "run": sa.select(experiment_run.c.id, experiment_run.c.id.label("run")),
    "model": sa.select(transformer.c.id, transformer.c.run_id.label("run")),
    "data frame": sa.select(data_frame.c.id, data_frame.c.run_id.label("run")),
    "annotation": sa.select(annotation.c.id, annotation.c.run_id.label("run")),
    "version": sa.select(model_version.c.id, model_version.c.run_id.label("run")),
    "specification": sa.select(stage.c.id, model_version.c.run_id.label("run")).join(
        model_version, model_version.c.id == stage.c.model_version_id
    ),
    "experiment": sa.select(experiment.c.id, experiment_run.c.id.label("run")).join(
        experiment_run, experiment_run.c.experiment_id == experiment.c.id
    ),
    "project": sa.select(project.c.id, model_version.c.run_id.label("run"))
    .join(model, model.c.project_id == project.c.id)
    .join(model_version, model_version.c.model_id == model.c.id),
}
"""Kind -> query for (id, run) of the runs that a row belongs to."""


def _runs_in(value: Any) -> Iterator[int]:
    """Yield the runs of all records in an answer."""
    if is_dataclass(value) and not isinstance(value, type):
        for item in fields(value):
            found = getattr(value, item.name)
            if item.name == "run_id" and isinstance(found, int):
                yield found
            else:
                yield from _runs_in(found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _runs_in(item)


class Permissions:
    """Answers for one user.

    Parameters
    ----------
    user
        As :meth:`~mistique_ui.access.Access.user` returned it.
    access
        Asked for the DAGs that the user may read and edit, once each.
    catalogue
        Says which runs a row belongs to.
    """

    def __init__(self, user: Any, access: Access, catalogue: Catalogue) -> None:
        self._user = user
        self._access = access
        self._catalogue = catalogue
        self._readable: set[str] | None = None
        self._editable: set[str] | None = None

    @property
    def readable(self) -> set[str]:
        """DAGs that the user may read."""
        if self._readable is None:
            self._readable = self._access.readable_dags(self._user)
        return self._readable

    @property
    def editable(self) -> set[str]:
        """DAGs that the user may edit."""
        if self._editable is None:
            self._editable = self._access.editable_dags(self._user)
        return self._editable

    @property
    def author(self) -> str | None:
        """The user's name, for what is written."""
        name = getattr(self._user, "username", None) or getattr(self._user, "get_name", lambda: None)()
        return None if name is None else str(name)[:200]

    def see(self, kind: str, ids: Iterable[int]) -> None:
        """Raise 403 unless the user may see some run of each row; rows that do not exist are left to the caller."""
        for row in sorted(self.hidden(kind, ids)):
            raise HTTPException(403, f"You may not read {kind} {row}; ask an administrator for access to its DAG")

    def see_runs_of(self, answer: Any) -> None:
        """Raise 403 unless the user may see every run that an answer has something of, such as one upstream."""
        hidden = set(_runs_in(answer)) - set(self.visible("run", _runs_in(answer)))
        if hidden:
            raise HTTPException(
                403, f"The answer leads to run {min(hidden)}, which you may not read; ask for access to its DAG"
            )

    def visible(self, kind: str, ids: Iterable[int]) -> list[int]:
        """Return those rows of which the user may see some run, in their order."""
        wanted = list(ids)
        dags = self._dags(kind, wanted)
        return [row for row in wanted if any(dag is None or dag in self.readable for dag in dags.get(row, ()))]

    def hidden(self, kind: str, ids: Iterable[int]) -> set[int]:
        """Return those rows that belong to runs of which the user may see none; rows without runs hide nothing."""
        return {
            row
            for row, dags in self._dags(kind, ids).items()
            if not any(dag is None or dag in self.readable for dag in dags)
        }

    def change(self, kind: str, ids: Iterable[int]) -> None:
        """Raise 403 unless the user may change every run of each row."""
        wanted = list(ids)
        for row, dags in self._dags(kind, wanted).items():
            if not all(bool(self.editable) if dag is None else dag in self.editable for dag in dags):
                raise HTTPException(403, f"You may not change {kind} {row}; ask for the right to edit its DAG")
        if not self.editable:
            raise HTTPException(403, "You may not change anything; ask for the right to edit a DAG")

    def _dags(self, kind: str, ids: Iterable[int]) -> dict[int, set[str | None]]:
        """Return row -> DAGs of the runs that it belongs to; ``None`` stands for a run of no DAG."""
        owners = _OWNERS[kind].where(next(iter(_OWNERS[kind].selected_columns)).in_(sorted(set(ids)))).subquery()
        query = sa.select(owners.c.id, experiment_run.c.source, experiment_run.c.dag_id).join(
            experiment_run, experiment_run.c.id == owners.c.run
        )
        found: dict[int, set[str | None]] = {}
        with self._catalogue.read() as connection:
            for row in connection.execute(query.distinct()):
                found.setdefault(row.id, set()).add(row.dag_id if row.source == AIRFLOW else None)
        return found
