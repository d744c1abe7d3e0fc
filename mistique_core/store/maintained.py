"""The facade's calls that delete, check and repair."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.intermediates import find_version
from mistique_core.catalogue.version_state import ended_versions, is_running, running_stages
from mistique_core.config import StoreConfig
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.errors import InvalidInputError, RunInProgressError
from mistique_core.maintenance import (
    DEFAULT_GRACE_SECONDS,
    DEFAULT_MAX_DEAD,
    DEFAULT_SMALL_BYTES,
    CheckReport,
    CompactReport,
    DeleteReport,
    GcReport,
    MaterializeReport,
    Progress,
    RebuildReport,
    check,
    collect_garbage,
    compact,
    delete,
    materialize,
    no_progress,
    rebuild,
)
from mistique_core.materialization import parse_policy
from mistique_core.model import IntermediateKey
from mistique_core.storage import StorageBackend
from mistique_core.store.host_measurements import HostMeasurements
from mistique_core.store.own_runs import OwnRuns
from mistique_core.store.query import QueryEngine


class Maintained(ABC):
    """What :class:`Mistique` can do about its own bytes and rows."""

    config: StoreConfig
    catalogue: Catalogue
    backend: StorageBackend
    _own_runs: OwnRuns
    frame_reader: FrameReader
    _measured: HostMeasurements
    _queries: QueryEngine

    @abstractmethod
    def _try_to_save_measurements(self) -> None:
        """Save how often intermediates were asked for, so that a policy can see it."""

    def materialize(
        self,
        project: str,
        model: str,
        *,
        version: int | None = None,
        policy: Any = "adaptive",
        dry_run: bool = False,
        ends_run: bool = False,
        progress: Progress = no_progress,
    ) -> MaterializeReport:
        """Let go of what can be re-run, as a policy says; see :func:`mistique_core.maintenance.materialize`.

        A run in progress needs what its stages hand over: its version is refused.

        Parameters
        ----------
        project, model, version
            The model version; ``None`` for the latest complete one.
        policy
            ``"adaptive"``, ``{"policy": "adaptive", "gamma_min": 500}``, ``{"policy": "budget", "bytes": 1_000_000}``
            or ``"dedup"``, which lets nothing go (:func:`mistique_core.materialization.parse_policy`).
        dry_run
            Change nothing.
        ends_run
            Whether this is the last that the run of the version does, which may then be in progress; its stages may
            not.
        progress
            Told how many intermediates have been compared with their re-run, and of how many.

        Raises
        ------
        NotFoundError
            If there is no such model version.
        InvalidInputError
            If the policy is none.
        RunInProgressError
            If the run of the version, or one of its stages, has not ended.
        """
        parsed = parse_policy(policy)
        self._try_to_save_measurements()
        with self.catalogue.read() as connection:
            found = find_version(connection, IntermediateKey(project, model, "any", version=version))
            busy = running_stages(connection, found) if ends_run else ["its run"] * is_running(connection, found)
        if busy and not dry_run:
            raise RunInProgressError(
                f"{', '.join(busy)} of {project}.{model} has not ended and may need what would go; repeat it then"
            )
        report = materialize(
            self.catalogue, self.frame_reader, [found], parsed, self._measured.rates, dry_run=dry_run, progress=progress
        )
        self._queries.forget()
        return report

    def materialize_all(
        self, *, policy: Any = None, dry_run: bool = False, progress: Progress = no_progress
    ) -> MaterializeReport:
        """Apply a policy to all model versions whose run has ended, those that failed included.

        A budget is one for all of them together. It is recorded in the catalogue, and every process keeps to it from
        then on; ``"dedup"`` removes it. What belongs to runs in progress, and to runs that ended later, is not counted
        until this is called again.

        Parameters
        ----------
        policy
            As of :meth:`materialize`; default a budget of the setting ``budget_bytes``.
        dry_run
            Change nothing.
        progress
            Told how many intermediates have been compared with their re-run, and of how many.

        Returns
        -------
        MaterializeReport
            With names ``project.model@version.intermediate``.

        Raises
        ------
        InvalidInputError
            If the policy is none, or neither a policy nor the setting is given.
        """
        limit = self.config.budget_bytes
        if policy is None and limit is None:
            raise InvalidInputError("give a policy, or set budget_bytes (--budget, $MISTIQUE_BUDGET_BYTES)")
        parsed = parse_policy({"policy": "budget", "bytes": limit} if policy is None else policy)
        self._try_to_save_measurements()
        with self.catalogue.read() as connection:
            versions = ended_versions(connection)
        report = materialize(
            self.catalogue,
            self.frame_reader,
            versions,
            parsed,
            self._measured.rates,
            whole_store=True,
            dry_run=dry_run,
            progress=progress,
        )
        self._queries.forget()
        return report

    def delete(
        self,
        project: str,
        model: str | None = None,
        *,
        version: int | None = None,
        intermediate: str | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> DeleteReport:
        """Delete what was recorded; see :func:`mistique_core.maintenance.delete`. :meth:`gc` frees its bytes.

        Parameters
        ----------
        project, model, version, intermediate
            What to delete; what is left out is not restricted.
        force
            Delete although a run is in progress, or other models' stages take something of it as input.
        dry_run
            Change nothing.

        Raises
        ------
        NotFoundError
            If there is no such thing.
        InvalidInputError
            If it needs `force`.
        """
        report = delete(
            self.catalogue,
            project,
            model,
            version=version,
            intermediate_name=intermediate,
            force=force,
            dry_run=dry_run,
        )
        if not dry_run:
            self._own_runs.forget(project, model)
        return report

    def gc(
        self,
        *,
        grace_seconds: float = DEFAULT_GRACE_SECONDS,
        dry_run: bool = False,
        progress: Progress = no_progress,
    ) -> GcReport:
        """Remove what nothing refers to; see :func:`mistique_core.maintenance.collect_garbage`.

        Parameters
        ----------
        grace_seconds
            How long files stay after their rows were removed; default three days.
        dry_run
            Change nothing.
        progress
            Told (done, total) files.

        Raises
        ------
        InvalidInputError
            If a write in progress is older than the grace period.
        """
        return collect_garbage(
            self.catalogue, self.backend, grace_seconds=grace_seconds, dry_run=dry_run, progress=progress
        )

    def check(
        self,
        *,
        read_data: bool = False,
        subset: str | None = None,
        max_seconds: float | None = None,
        progress: Progress = no_progress,
    ) -> CheckReport:
        """Look for damage, changing nothing; see :func:`mistique_core.maintenance.check`.

        Parameters
        ----------
        read_data
            Whether to read and verify every byte, not only the structure.
        subset, max_seconds
            Read only a part (``"1/5"``, ``"2.5%"``), or for so long.
        progress
            Told (done, total) bytes.
        """
        return check(
            self.catalogue,
            self.backend,
            read_data=read_data,
            subset=subset,
            max_seconds=max_seconds,
            progress=progress,
        )

    def compact(
        self,
        *,
        max_dead: float = DEFAULT_MAX_DEAD,
        small_bytes: int = DEFAULT_SMALL_BYTES,
        rewrite: Sequence[str] = (),
        dry_run: bool = False,
        progress: Progress = no_progress,
    ) -> CompactReport:
        """Rewrite wasteful partitions and merge small ones; see :func:`mistique_core.maintenance.compact`.

        Parameters
        ----------
        max_dead
            Largest share of a file that may be dead, 0 to 1.
        small_bytes
            Partitions below this size are merged.
        rewrite
            Names of partitions that are to be rewritten in any case.
        dry_run
            Change nothing.
        progress
            Told (done, total) bytes.
        """
        return compact(
            self.catalogue,
            self.backend,
            self.config,
            max_dead=max_dead,
            small_bytes=small_bytes,
            rewrite=rewrite,
            dry_run=dry_run,
            progress=progress,
        )

    def rebuild(self, *, dry_run: bool = False, progress: Progress = no_progress) -> RebuildReport:
        """Restore lost rows from the partition files alone; see :func:`mistique_core.maintenance.rebuild`.

        Parameters
        ----------
        dry_run
            Change nothing.
        progress
            Told (done, total) bytes.
        """
        return rebuild(self.catalogue, self.backend, dry_run=dry_run, progress=progress)
