"""Record an ExperimentRun from its events: what every client of ModelDB does, whatever it traces or reads."""

from __future__ import annotations

import getpass
import platform
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.driver_statements import update_row
from mistique_core.catalogue.entities import FAILED, SUCCESS, RunKey, model_version_of, save_run
from mistique_core.catalogue.events import record_events
from mistique_core.catalogue.tables import experiment_run
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
    is_begun_later
        Leave the catalogue alone for now: the run is added with :meth:`begin`, or with whatever needs it first.

    Raises
    ------
    InvalidInputError
        If a name cannot be used in keys.
    CatalogueError
        If the run cannot be added.
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
        is_begun_later: bool = False,
    ) -> None:
        check_name("project", project)
        check_name("model", model)
        self._catalogue = catalogue
        self._names: dict[str, int] = {}
        self._lock = threading.Lock()
        self.project = project
        self.model = model
        self.key = RunKey(source, name or model, run_id or uuid.uuid4().hex)
        self._experiment = experiment
        self._facts = {
            "environment": None if environment is None else dict(environment),
            "description": description,
            "code_version": code_version,
            "metadata": None if metadata is None else dict(metadata),
            "started_at": time.time() if started_at is None else started_at,
        }
        self._rows: _Rows | None = None
        if not is_begun_later:
            self.begin()

    def begin(self) -> None:
        """Add the run, and the model version that it makes, unless that is done; may be called from any thread.

        Raises
        ------
        CatalogueError
            If they cannot be added.
        """
        self._begun()

    def _begun(self) -> _Rows:
        with self._lock:
            if self._rows is None:
                with self._catalogue.write() as connection:
                    rows = self._added(connection)
                self._rows = rows
            return self._rows

    def _added(self, connection: sa.Connection) -> _Rows:
        """Return the rows, which this transaction adds where they are not there yet."""
        if self._rows is not None:
            return self._rows
        facts = dict(self._facts)
        if facts["environment"] is None:
            facts["environment"] = {"python": platform.python_version(), "host": platform.node()}
        run = save_run(
            connection,
            self.key,
            project_name=self.project,
            experiment_name=self._experiment,
            overwrite=False,
            author=_user(),
            **facts,
        )
        return _Rows(run, *model_version_of(connection, self.project, self.model, run))

    @property
    def id(self) -> int:
        """Row of the ExperimentRun."""
        return self._begun().run

    @property
    def version_id(self) -> int:
        """Row of the model version."""
        return self._begun().version

    @property
    def version(self) -> int:
        """Number of the model version."""
        return self._begun().number

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
        self._write(events, {})

    def finish(
        self, error: str | None = None, events: Sequence[StageEvent] = (), *, ended_at: float | None = None
    ) -> None:
        """Record the last events and the end of the run in one transaction; may be called again.

        Parameters
        ----------
        error
            Why it failed; ``None`` for a success.
        events
            As those of :meth:`record`, which raises the same errors.
        ended_at
            Unix seconds; default now.
        """
        end = {
            "state": FAILED if error else SUCCESS,
            "ended_at": time.time() if ended_at is None else ended_at,
            "error": error,
        }
        self._write(events, end)

    def _write(self, events: Sequence[StageEvent], end: Mapping[str, Any]) -> None:
        with self._lock, self._taking_back(events):
            for event in events:
                event.name = self._unique(event.name)
            with self._catalogue.write() as connection:
                rows = self._added(connection)
                if events:
                    record_events(connection, rows.run, rows.version, events)
                if end:
                    update_row(connection, experiment_run, rows.run, end)
            self._rows = rows

    def _unique(self, name: str) -> str:
        number = self._names[name] = self._names.get(name, 0) + 1
        return name if number == 1 else self._unique(f"{name}_{number}")

    @contextmanager
    def _taking_back(self, events: Sequence[StageEvent]) -> Iterator[None]:
        """Give events and entities the ids and names that they had, if recording them fails."""
        ids: list[tuple[Entity | StageEvent, int | None]] = []
        names, taken = [(event, event.name) for event in events], dict(self._names)
        for event in events:
            entities: list[Entity | None] = [*event.frames.values(), *event.fitted.values(), *event.inputs.values()]
            ids += [(item, item.id) for item in (event, *entities, event.metrics_on, event.metrics_of) if item]
        try:
            yield
        except BaseException:
            for item, was in ids:
                item.id = was
            for event, name in names:
                event.name = name
            self._names = taken
            raise


@dataclass(frozen=True)
class _Rows:
    """Rows of a run and of its model version, and the number of that."""

    run: int
    version: int
    number: int


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return None
