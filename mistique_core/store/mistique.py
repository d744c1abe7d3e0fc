"""The facade: open a store, log frames, run stages, ask questions."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, cast

import numpy.typing as npt
import pandas as pd

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.entities import RunKey
from mistique_core.catalogue.intermediates import find_intermediate, list_intermediates
from mistique_core.catalogue.migrate import ensure_schema
from mistique_core.config import StoreConfig
from mistique_core.dedup.similarity import is_available
from mistique_core.engine.chunk_reader import ChunkReader
from mistique_core.engine.commit import Committer
from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.heal import Healer
from mistique_core.engine.similar import SimilarChunks
from mistique_core.engine.stage_runner import StageRunner
from mistique_core.engine.streamed_outputs import FrameStreamer
from mistique_core.errors import InvalidInputError, MistiqueError
from mistique_core.materialization import parse_policy
from mistique_core.model import IntermediateKey, IntermediateRef, LogReport
from mistique_core.planner import STRATEGIES, QueryPlan, Strategy
from mistique_core.quantizers import Quantizer
from mistique_core.storage import StorageBackend, open_backend
from mistique_core.store.batch import Query, answer_batch
from mistique_core.store.block_reruns import RerunsBlocks
from mistique_core.store.host_measurements import HostMeasurements
from mistique_core.store.identity import check_identity
from mistique_core.store.inspected import Inspected
from mistique_core.store.maintained import Maintained
from mistique_core.store.own_runs import OwnRuns
from mistique_core.store.query import QueryEngine
from mistique_core.store.query_telemetry import report_query
from mistique_core.store.ranks import RanksRows
from mistique_core.store.result import QueryResult
from mistique_core.store.row_sources import RowSources
from mistique_core.store.run import UNIT_BLOCK_ROWS, Run
from mistique_core.store.selection import Selection
from mistique_core.store.session import Session
from mistique_core.store.statistics import StoreStatistics, collect_statistics
from mistique_core.store.streams import StreamsRows
from mistique_core.store.use_counter import UseCounter
from mistique_core.store.workflows import LogsWorkflows

log = logging.getLogger(__name__)

_STREAM_CACHE_BYTES = 16 * 1024 * 1024
_STREAM_BLOCKS_KEPT = 4_096

Keys = str | IntermediateKey | Iterable[str | IntermediateKey]


class Mistique(Maintained, Inspected, LogsWorkflows, RanksRows, RerunsBlocks, StreamsRows):
    """A store of intermediates. Open it with :meth:`open`; safe to use from several threads.

    Attributes
    ----------
    config
        Its settings.
    catalogue, backend
        Where rows and bytes live.
    frame_reader
        Reads columns, rows and fitted objects.
    stage_runner
        Runs stages against this store.
    frame_streamer
        Stores frames that come in parts.
    """

    def __init__(
        self, config: StoreConfig, catalogue: Catalogue, backend: StorageBackend, measured: HostMeasurements
    ) -> None:
        self.config = config
        self.catalogue = catalogue
        self.backend = backend
        self._chunk_reader = ChunkReader(backend, config.cache_bytes)
        self.frame_reader = reader = FrameReader(self._chunk_reader, catalogue.read)
        self.committer = Committer(catalogue, backend, config, _similar_chunks(self._chunk_reader, config))
        # Streams pass through each chunk once: they neither fill nor empty the cache of queries.
        self._stream_chunks = ChunkReader(backend, min(config.cache_bytes, _STREAM_CACHE_BYTES))
        streamed = FrameReader(self._stream_chunks, catalogue.read, _STREAM_BLOCKS_KEPT)
        self.stage_runner = StageRunner(catalogue, self.committer, reader, streamed, config)
        self.frame_streamer = FrameStreamer(catalogue, self.committer, config.block_rows)
        self._measured = measured
        self._uses = UseCounter(catalogue)
        self._queries = QueryEngine(
            catalogue,
            reader,
            Healer(catalogue, backend, config),
            self.committer,
            self._uses.of,
            measured,
            config.budget_bytes,
        )
        self._own_runs = OwnRuns(self.run)
        self._row_sources = RowSources(catalogue, streamed, self._queries)

    @classmethod
    def open(
        cls, location: str | os.PathLike[str] | None = None, catalogue_url: str | None = None, **config: Any
    ) -> Mistique:
        """Open a store, creating it when it is new.

        Parameters
        ----------
        location
            Folder, or ``s3://bucket/prefix``; default ``$MISTIQUE_HOME``, then ``~/.mistique``.
        catalogue_url
            SQLAlchemy URL of SQLite or PostgreSQL; default a SQLite file in the folder. On object
            storage it is required, here or in ``$MISTIQUE_CATALOGUE_URL``.
        **config
            Any setting of :class:`mistique_core.config.StoreConfig`.

        Raises
        ------
        InvalidInputError
            If a setting is wrong, the catalogue belongs to another folder, or the object storage cannot
            keep what the store promises.
        CatalogueUnavailableError
            If the catalogue cannot be reached.
        StorageError
            If the folder cannot be created, or the object storage does not answer.
        """
        settings = StoreConfig.resolve(location, catalogue_url, **config)
        with ExitStack() as opened:
            backend = open_backend(settings.location)
            opened.callback(backend.close)
            catalogue = Catalogue(settings.catalogue_url, settings.busy_seconds)
            opened.callback(catalogue.close)
            ensure_schema(catalogue)
            check_identity(catalogue, backend, settings.location)
            store = cls(settings, catalogue, backend, HostMeasurements.load(catalogue, settings, backend))
            opened.pop_all()
        return store

    def __enter__(self) -> Mistique:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Save what was measured, and close the catalogue's connections and the backend's files."""
        self._try_to_save_measurements()
        self._chunk_reader.close()
        self._stream_chunks.close()
        self.catalogue.close()
        self.backend.close()

    def run(
        self,
        project: str,
        model: str,
        *,
        key: RunKey | None = None,
        facts: Mapping[str, Any] | None = None,
        policy: Any = "dedup",
    ) -> Run:
        """Open a run that makes a version of a model.

        Parameters
        ----------
        project, model
            Names without ``. @ *``.
        key
            Identity of the ExperimentRun; by default a new one of source ``python``. The same key
            gives the same model version again, from any process.
        facts
            Further columns of the ExperimentRun, such as ``conf`` and ``params``.
        policy
            What stays stored when the run has succeeded: ``"dedup"`` (everything), ``"adaptive"`` and so on; see
            :meth:`materialize`.

        Examples
        --------
        >>> with store.run("cancer", "baseline") as run:                      # doctest: +SKIP
        ...     run.log_frame("features", features)
        """
        own = RunKey("python", f"{project}.{model}", uuid.uuid4().hex)
        return Run(self, key or own, project, model, facts or {}, parse_policy(policy))

    def log_frame(
        self,
        project: str,
        model: str,
        intermediate: str,
        frame: pd.DataFrame,
        *,
        row_id: str | npt.ArrayLike | None = None,
        parents: Iterable[str | IntermediateKey | IntermediateRef] = (),
        scheme: str | Quantizer | None = None,
    ) -> LogReport:
        """Store one frame as an intermediate.

        Frames that one opened store logs for a model belong to one version, until a name comes
        again: that starts the next version. Use :meth:`run` to say it yourself.

        Parameters
        ----------
        project, model, intermediate
            Where it belongs.
        frame
            The data. Its row ids are its index or column named ``row_id``.
        row_id
            Instead: the name of a column, or one unique integer a row. A frame with a default index
            and no `parents` is numbered from 0.
        parents
            What the frame was computed from; it must then carry row ids.
        scheme
            ``None`` or ``"lossless"``: exactly the bytes that are logged. A lossy scheme such as ``"float16"`` or
            ``"bounded(0.1)"`` applies to the columns of floats.

        Raises
        ------
        InvalidInputError
            If the frame cannot be stored; nothing is then written.
        NotFoundError
            If a parent does not exist.
        """
        ancestors = self._check_parents(parents)
        return self._own_runs.log(
            project,
            model,
            intermediate,
            lambda run: run.log_frame(intermediate, frame, row_id=row_id, derived=bool(ancestors), scheme=scheme),
        )

    def log_frames(
        self,
        project: str,
        model: str,
        intermediate: str,
        frames: Iterable[pd.DataFrame],
        *,
        row_id: str | None = None,
        parents: Iterable[str | IntermediateKey | IntermediateRef] = (),
    ) -> LogReport:
        """Store frames that follow each other as one intermediate, with memory for a few row blocks.

        Parameters
        ----------
        project, model, intermediate, parents
            See :meth:`log_frame`.
        frames, row_id
            See :meth:`Run.log_frames`, which also says what is raised.
        """
        ancestors = self._check_parents(parents)
        return self._own_runs.log(
            project,
            model,
            intermediate,
            lambda run: run.log_frames(intermediate, frames, row_id=row_id, derived=bool(ancestors)),
        )

    def log_array(
        self,
        project: str,
        model: str,
        intermediate: str,
        values: npt.NDArray[Any],
        *,
        row_id: npt.ArrayLike | None = None,
        names: Sequence[str] | None = None,
        parents: Iterable[str | IntermediateKey | IntermediateRef] = (),
        scheme: str | Quantizer | None = None,
        block_rows: int = UNIT_BLOCK_ROWS,
    ) -> LogReport:
        """Store an array of units, such as the activations of a layer, as an intermediate.

        Each unit becomes a column, whose values are numbers or maps.

        Parameters
        ----------
        project, model, intermediate
            Where it belongs; versions as in :meth:`log_frame`.
        values
            Numbers of shape (rows, units) or (rows, height, width, units).
        row_id
            One unique integer a row; default 0 to rows - 1.
        names
            Names of the units; default their numbers from 0.
        parents
            What the array was computed from.
        scheme
            ``None`` or ``"lossless"``, or a lossy scheme: ``float16``, ``kbit(8)``, ``bounded(0.25)``,
            ``threshold(99.5%)``, ``pool(2)``, ``pool(S)``, ``pool(2)+float16`` and so on (thesis 5.4.1).
        block_rows
            Most rows of a row block.

        Raises
        ------
        InvalidInputError
            If the array cannot be stored, or not by that scheme; nothing is then written.
        NotFoundError
            If a parent does not exist.
        """
        self._check_parents(parents)
        return self._own_runs.log(
            project,
            model,
            intermediate,
            lambda run: run.log_array(
                intermediate, values, row_id=row_id, names=names, scheme=scheme, block_rows=block_rows
            ),
        )

    def session(self, buffer_bytes: int | None = None) -> Session:
        """Return a session, which collects what several calls log into full partitions.

        Parameters
        ----------
        buffer_bytes
            Bytes of values after which it writes; default the setting ``buffer_bytes``.

        Examples
        --------
        >>> with store.run("homes", "P1") as run, store.session() as session:         # doctest: +SKIP
        ...     session.log_frame(run, "features", features)
        ...     session.log_frame(run, "scaled", scaled, derived=True)
        """
        return Session(self, self.config.buffer_bytes if buffer_bytes is None else buffer_bytes)

    def _check_parents(
        self, parents: Iterable[str | IntermediateKey | IntermediateRef]
    ) -> list[str | IntermediateKey | IntermediateRef]:
        ancestors = list(parents)
        with self.catalogue.read() as connection:
            for parent in ancestors:
                if not isinstance(parent, IntermediateRef):
                    find_intermediate(connection, IntermediateKey.parse(parent))
        return ancestors

    def get_intermediates(
        self,
        keys: Keys,
        *,
        row_id: int | slice | npt.ArrayLike | None = None,
        n_ex: int | None = None,
        where: Any = None,
        strategy: Strategy = "auto",
    ) -> QueryResult:
        """Return columns of intermediates, aligned by row id, read or re-run.

        Parameters
        ----------
        keys
            One key or several: ``project.model[@version].intermediate.column``. Keys of several
            intermediates are joined on the row ids that all of them hold.
        row_id
            Wanted row ids, in the wanted order, or ``slice(start, stop)`` for those from `start` (inclusive) to
            `stop` (exclusive) in stored order; default all.
        n_ex
            Most rows to return.
        where
            One or several predicates (column, operator, value) with ``== != < <= > >= in``.
        strategy
            ``auto`` lets the cost model choose; ``read`` and ``rerun`` force it.

        Raises
        ------
        InvalidInputError
            If an argument is malformed.
        NotFoundError
            If a project, model, version, intermediate, column or row id does not exist.
        RerunError
            If a forced re-run is impossible or gives other values than were recorded.
        CorruptPartitionError
            If stored bytes have changed.
        """
        _check_strategy(strategy)
        parsed = _parse_keys(keys)
        result = self._queries.answer(parsed, Selection.of(row_id, where, n_ex), strategy)
        self._count(result.plan)
        return result

    def get_many(self, queries: Sequence[Query]) -> list[QueryResult]:
        """Return the answers of several queries, which share what they read and re-run.

        Parameters
        ----------
        queries
            :class:`~mistique_core.store.Query`, each with the arguments of :meth:`get_intermediates`.

        Raises
        ------
        MistiqueError
            As :meth:`get_intermediates`, for the first query that fails; then none is answered.

        Examples
        --------
        >>> first, last = store.get_many([Query("cifar10.vgg16.conv1"), Query("cifar10.vgg16.fc2")])  # doctest: +SKIP
        """
        for query in queries:
            _check_strategy(query.strategy)
        results = answer_batch(self._queries, queries)
        for result in results:
            self._count(result.plan)
        return results

    def prefetch(self, keys: Keys) -> None:
        """Look up now what the first question about each intermediate would look up: where all of its chunks lie.

        What an opened Parquet file has read with its footer. No values are read. Most useful before many small
        questions about different columns; what other processes store, move or delete later is still noticed.

        Parameters
        ----------
        keys
            As in :meth:`get_intermediates`; without a column, all columns. About 32,000 row blocks are remembered.

        Raises
        ------
        InvalidInputError
            If a key is malformed, or none is given.
        NotFoundError
            If a project, model, version, intermediate or column does not exist.
        """
        self._queries.prefetch(_parse_keys(keys))

    def explain(
        self,
        keys: Keys,
        *,
        row_id: int | slice | npt.ArrayLike | None = None,
        n_ex: int | None = None,
        where: Any = None,
        strategy: Strategy = "auto",
    ) -> QueryPlan:
        """Return how :meth:`get_intermediates` would answer; the parameters are the same.

        No values are read; row ids only where `row_id` or `n_ex` name rows.
        """
        _check_strategy(strategy)
        return self._queries.plan(_parse_keys(keys), Selection.of(row_id, where, n_ex), strategy)

    def intermediates(self, project: str | None = None, model: str | None = None) -> pd.DataFrame:
        """Return one row an intermediate: address, rows, columns, bytes, reuse and state.

        Parameters
        ----------
        project, model
            Restrict the list; ``None`` means all.
        """
        with self.catalogue.read() as connection:
            rows = list_intermediates(connection, project, model)
        columns = ["project", "model", "version", "intermediate", "attempt", "rows", "columns", "logical_bytes"]
        return pd.DataFrame(rows, columns=[*columns, "stored_bytes", "kept", "reused", "state", "created_at"])

    def stats(self) -> StoreStatistics:
        """Return the sizes of the store, in bytes."""
        return collect_statistics(self.catalogue, self.config.location)

    def _count(self, plan: QueryPlan) -> None:
        report_query(plan)
        due = self._uses.note(plan)
        if due:
            self._try_to_save_measurements()

    def _try_to_save_measurements(self) -> None:
        """Measurements steer later plans only: what cannot be saved is logged."""
        try:
            self._save_measurements()
        except MistiqueError as error:
            log.warning("could not save what was measured: %s", error)

    def _save_measurements(self) -> None:
        self._uses.save(self._measured.save)


def _similar_chunks(reader: ChunkReader, config: StoreConfig) -> SimilarChunks | None:
    if not config.approximate_dedup:
        return None
    if not is_available():
        log.debug("approximate dedup is off: datasketch is not installed")
        return None
    return SimilarChunks(reader, config.zstd_level)


def _parse_keys(keys: Keys) -> list[IntermediateKey]:
    if isinstance(keys, (str, IntermediateKey)):
        return [IntermediateKey.parse(keys)]
    return [IntermediateKey.parse(key) for key in keys]


def _check_strategy(strategy: object) -> None:
    if strategy not in STRATEGIES:
        raise InvalidInputError(f"strategy {cast(str, strategy)!r} is unknown; use one of {', '.join(STRATEGIES)}")
