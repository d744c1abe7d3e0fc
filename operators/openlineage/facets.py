"""The facets that OpenLineage has no standard for; imported only where its packages are installed.

Their JSON schema is ``mistique-facets.schema.json`` beside this file; a changed facet needs a new version of it.
"""

from __future__ import annotations

import attr
from openlineage.client.generated.base import DatasetFacet, InputDatasetFacet, OutputDatasetFacet, RunFacet

PRODUCER = "urn:mistique:airflow:0.1.0"
"""Who made the facets: this package and its version."""
SCHEMA = "urn:mistique:openlineage:1-0-0"
"""The ``$id`` of the JSON schema."""


def _definition(name: str) -> str:
    return f"{SCHEMA}#/$defs/{name}"


@attr.define
class StageRunFacet(RunFacet):
    """What running a stage did: executed or reused, wall time, bytes of its outputs and bytes added to the store."""

    reused: bool = attr.field()
    seconds: float = attr.field()
    logicalBytes: int = attr.field()
    storedBytes: int = attr.field()

    @staticmethod
    def _get_schema() -> str:
        return _definition("MistiqueStageRunFacet")


@attr.define
class CaptureRunFacet(RunFacet):
    """What capturing a network did: layers by what became of them, rows, row blocks of this task, time, bytes."""

    storedLayers: int = attr.field()
    reusedLayers: int = attr.field()
    pendingLayers: int = attr.field()
    rows: int = attr.field()
    rowBlocks: int = attr.field()
    seconds: float = attr.field()
    logicalBytes: int = attr.field()
    storedBytes: int = attr.field()

    @staticmethod
    def _get_schema() -> str:
        return _definition("MistiqueCaptureRunFacet")


@attr.define
class AnswerRunFacet(RunFacet):
    """How a question was answered: its technique, and ``read``, ``rerun`` or ``mixed``."""

    technique: str = attr.field()
    strategy: str = attr.field()

    @staticmethod
    def _get_schema() -> str:
        return _definition("MistiqueAnswerRunFacet")


@attr.define
class IntermediateDatasetFacet(DatasetFacet):
    """Size of an intermediate; of `columns` columns the schema facet lists `columnsListed`."""

    rows: int = attr.field()
    columns: int = attr.field()
    columnsListed: int = attr.field()
    logicalBytes: int = attr.field()
    scheme: str = attr.field()

    @staticmethod
    def _get_schema() -> str:
        return _definition("MistiqueIntermediateDatasetFacet")


@attr.define
class FittedDatasetFacet(DatasetFacet):
    """A fitted object: import path of its class."""

    type: str = attr.field()

    @staticmethod
    def _get_schema() -> str:
        return _definition("MistiqueFittedDatasetFacet")


@attr.define
class ReuseOutputDatasetFacet(OutputDatasetFacet):
    """Whether an output was taken over from an earlier, equal stage or layer, and what storing it added."""

    reused: bool = attr.field()
    storedBytes: int = attr.field()

    @staticmethod
    def _get_schema() -> str:
        return _definition("MistiqueReuseOutputDatasetFacet")


@attr.define
class AccessInputDatasetFacet(InputDatasetFacet):
    """How what a question is about was obtained: ``read``, or ``rerun`` with so many stages."""

    strategy: str = attr.field()
    rerunStages: int = attr.field()

    @staticmethod
    def _get_schema() -> str:
        return _definition("MistiqueAccessInputDatasetFacet")
