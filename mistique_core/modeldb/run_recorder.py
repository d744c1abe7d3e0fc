"""Record an ExperimentRun from its events: what every client of ModelDB does, whatever it traces or reads."""

from __future__ import annotations

import getpass
import platform
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.entities import FAILED, SUCCESS, RunKey, model_version_of, save_run
from mistique_core.catalogue.events import record_events
from mistique_core.model.event import Entity, StageEvent
from mistique_core.model.names import check_name

PYTHON = "python"


class RunRecorder:
    """One ExperimentRun of a script, a file or an import, and the model version that it makes.

    Safe to use from several threads.

    Parameters
    ----------
    catalogue
        Where it is recorded; its schema is the present one.
    project, model
        What it belongs to; made when they are new.
    experiment
        Groups runs of a project; default `name`.
    name
        Name of the script or the file; default `model`.
    run_id
        What tells this run from others of that name; default a random one.
    description
        For people.
    code_version
        Commit of the code that ran.
    environment
        Facts about where it ran, JSON values; default the version of Python and the host.
    metadata
        Free JSON.
    source
        Which client records it.
    started_at
        Unix seconds; default now.

    Attributes
    ----------
    id
        Row of the ExperimentRun.
    version_id, version
        Row and number of the model version.

    Raises
    ------
    InvalidInputError
        If a name cannot be used in keys.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        project: str,
        model: str,
        *,
        experiment: str | None = None,
        name: str | None = None,
        run_id: str | None = None,
        description: str | None = None,
        code_version: str | None = None,
        environment: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        source: str = PYTHON,
        started_at: float | None = None,
    ) -> None:
        check_name("project", project)
        check_name("model", model)
        self._catalogue = catalogue
        self._names: dict[str, int] = {}
        self._lock = threading.Lock()
        self.project = project
        self.model = model
        self.key = RunKey(source, name or model, run_id or uuid.uuid4().hex)
        facts = {"python": platform.python_version(), "host": platform.node()} if environment is None else environment
        with catalogue.write() as connection:
            self.id = save_run(
                connection,
                self.key,
                project_name=project,
                experiment_name=experiment,
                overwrite=False,
                environment=dict(facts),
                author=_user(),
                description=description,
                code_version=code_version,
                metadata=None if metadata is None else dict(metadata),
                started_at=time.time() if started_at is None else started_at,
            )
            self.version_id, self.version = model_version_of(connection, project, model, self.id)

    @property
    def label(self) -> str:
        """``project.model@version``."""
        return f"{self.project}.{self.model}@{self.version}"

    def __enter__(self) -> RunRecorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.finish(None if error is None else f"{type(error).__name__}: {error}")

    def record(self, events: Sequence[StageEvent]) -> None:
        """Record events in one transaction; all of them, or nothing.

        Parameters
        ----------
        events
            In the order in which they happened, an event before its parts. They and their entities get ids; a name
            that an earlier event of this run has gets a number.

        Raises
        ------
        InvalidInputError
            If an event comes before the one that it is a part of.
        CatalogueError
            If they cannot be recorded; they have no ids then.
        """
        with self._lock, _taking_back(events):
            for event in events:
                event.name = self._unique(event.name)
            with self._catalogue.write() as connection:
                record_events(connection, self.id, self.version_id, events)

    def _unique(self, name: str) -> str:
        number = self._names[name] = self._names.get(name, 0) + 1
        return name if number == 1 else self._unique(f"{name}_{number}")

    def finish(self, error: str | None = None, *, ended_at: float | None = None) -> None:
        """Record the end of the run: success, or failed with `error`; may be called again."""
        with self._catalogue.write() as connection:
            save_run(
                connection,
                self.key,
                overwrite=True,
                state=FAILED if error else SUCCESS,
                ended_at=time.time() if ended_at is None else ended_at,
                error=error,
            )


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return None


@contextmanager
def _taking_back(events: Sequence[StageEvent]) -> Iterator[None]:
    """Give events and entities the ids and names that they had, if recording them fails."""
    ids: list[tuple[Entity | StageEvent, int | None]] = []
    names = [(event, event.name) for event in events]
    for event in events:
        entities: list[Entity | None] = [*event.frames.values(), *event.fitted.values(), *event.inputs.values()]
        ids += [(item, item.id) for item in (event, *entities, event.metrics_on, event.metrics_of) if item is not None]
    try:
        yield
    except BaseException:
        for item, was in ids:
            item.id = was
        for event, name in names:
            event.name = name
        raise
