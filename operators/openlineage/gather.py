"""Look up what is told about a task's datasets, in the process and thread that executed it.

The provider asks for it in a fork of the task's process, or in a thread: connections to the catalogue must not be used
there. So everything is looked up here, just after the work is done, and only where somebody listens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operators.openlineage.facts import AnswerDone, CaptureDone, DatasetFacts, StageDone, TaskFacts

if TYPE_CHECKING:
    from mistique_core.catalogue.intermediates import IntermediateRecord
    from mistique_core.diagnostics import DiagnosticResult
    from mistique_core.engine import StageOutcome
    from mistique_core.model import FittedRef, Ref
    from mistique_core.store import Mistique

MOST_COLUMNS = 200
"""Columns of one dataset that are listed."""
MOST_COLUMNS_A_TASK = 2_000
MOST_DATASETS = 200
"""Outputs of one task that are listed, such as the layers of a network."""


class _Catalogue:
    """Describes datasets, as long as there is room in the event."""

    def __init__(self, store: Mistique) -> None:
        self.store = store
        self._left = MOST_COLUMNS_A_TASK

    def of(self, ref: Ref) -> DatasetFacts:
        """Return the facts of what a reference names."""
        from mistique_core.catalogue.intermediates import intermediate_by_id
        from mistique_core.model import FittedRef

        if isinstance(ref, FittedRef):
            return self._fitted(ref)
        with self.store.catalogue.read() as connection:
            record = intermediate_by_id(connection, ref.id)
        return self.described(record)

    def _fitted(self, ref: FittedRef) -> DatasetFacts:
        """Return the facts of a fitted object, whose name is one only within its stage."""
        import sqlalchemy as sa

        from mistique_core.catalogue.tables import fitted, stage

        wanted = sa.select(stage.c.name).join(fitted, fitted.c.stage_id == stage.c.id).where(fitted.c.id == ref.id)
        with self.store.catalogue.read() as connection:
            stage_name = connection.scalar(wanted)
        return DatasetFacts(
            ref.project, ref.model, ref.version, ref.name, fitted_type=ref.type_name, fitted_by=stage_name or ""
        )

    def named(self, project: str, model: str, version: int, name: str) -> DatasetFacts:
        """Return the facts of an intermediate."""
        from mistique_core.catalogue.intermediates import find_intermediate
        from mistique_core.model import IntermediateKey

        with self.store.catalogue.read() as connection:
            record = find_intermediate(connection, IntermediateKey(project, model, name, version=version))
        return self.described(record)

    def described(self, record: IntermediateRecord) -> DatasetFacts:
        """Return the facts of an intermediate."""
        from mistique_core.catalogue.intermediates import columns_of
        from mistique_core.frames import LogicalType

        ref = record.ref
        with self.store.catalogue.read() as connection:
            columns = columns_of(connection, ref.id)
        listed = columns[: min(MOST_COLUMNS, self._left)]
        self._left -= len(listed)
        return DatasetFacts(
            ref.project,
            ref.model,
            ref.version,
            ref.intermediate,
            rows=ref.rows,
            columns=tuple((column.name, LogicalType.from_json(column.logical_type).label) for column in listed),
            column_count=len(columns),
            logical_bytes=record.logical_bytes,
            stored_bytes=record.stored_bytes,
            scheme=record.scheme,
        )


def _distinct(refs: Iterable[Ref]) -> list[Ref]:
    return list(dict.fromkeys(refs))


def store_uri(store: Mistique) -> str:
    """Return where a store is: ``file://`` or ``s3://``; a location holds no credentials."""
    folder = store.config.folder
    return store.config.location if folder is None else Path(folder).absolute().as_uri()


def stage_facts(store: Mistique, inputs: Mapping[str, Ref], outcome: StageOutcome | None) -> TaskFacts:
    """Return the facts of a task that ran a stage; without an outcome, of one that failed."""
    catalogue = _Catalogue(store)
    read = tuple(catalogue.of(ref) for ref in _distinct(inputs.values()))
    if outcome is None:
        return TaskFacts(store_uri(store), read)
    made = tuple(
        replace(catalogue.of(ref), reused=outcome.reused) for ref in _distinct(outcome.outputs.values())[:MOST_DATASETS]
    )
    done = StageDone(outcome.reused, outcome.seconds, outcome.logical_bytes, outcome.stored_bytes)
    return TaskFacts(store_uri(store), read, made, done)


def capture_facts(store: Mistique, report: Mapping[str, Any]) -> TaskFacts:
    """Return the facts of a task that captured a network, from the report in its JSON form.

    Layers of which row blocks are still missing are no datasets yet: the task that stores the last block names them.
    """
    catalogue = _Catalogue(store)
    layers = report["layers"]
    states = [layer["state"] for layer in layers]
    made = tuple(
        replace(
            catalogue.named(report["project"], report["model"], report["version"], layer["name"]),
            reused=layer["state"] == "reused",
        )
        for layer in [layer for layer in layers if layer["state"] != "pending"][:MOST_DATASETS]
    )
    done = CaptureDone(
        states.count("stored"),
        states.count("reused"),
        states.count("pending"),
        report["rows"],
        report["blocks"],
        report["seconds"],
        report["logical_bytes"],
        report["stored_bytes"],
    )
    return TaskFacts(store_uri(store), (), made, done)


def answer_facts(store: Mistique, result: DiagnosticResult) -> TaskFacts:
    """Return the facts of a task that answered a question: each intermediate that it is about, read or re-run."""
    from mistique_core.catalogue.intermediates import intermediate_by_id

    catalogue = _Catalogue(store)
    read: dict[int, DatasetFacts] = {}
    for target in result.plan.targets:
        known = read.get(target.intermediate)
        if known is None:
            with store.catalogue.read() as connection:
                record = intermediate_by_id(connection, target.intermediate)
            known = catalogue.described(record)
        elif known.access == "rerun":
            continue
        stages = len(target.stages) if target.strategy == "rerun" else 0
        read[target.intermediate] = replace(known, access=target.strategy, rerun_stages=stages)
    done = AnswerDone(result.technique, result.plan.strategy)
    return TaskFacts(store_uri(store), tuple(read.values()), (), done)
