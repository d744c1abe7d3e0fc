"""OpenLineage's datasets and facets from the plain facts of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from operators.openlineage.facts import AnswerDone, CaptureDone, DatasetFacts, StageDone, TaskFacts

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import InputDataset, OutputDataset
    from openlineage.client.generated.base import DatasetFacet, InputDatasetFacet, OutputDatasetFacet, RunFacet


def operator_lineage(facts: TaskFacts) -> OperatorLineage[Any, Any]:
    """Return what Airflow's provider puts into the event of a task."""
    from airflow.providers.openlineage.extractors import OperatorLineage

    run_facets = {} if facts.done is None else _run_facet(facts.done)
    return OperatorLineage(
        inputs=[_input(item, facts.store_uri) for item in facts.inputs],
        outputs=[_output(item, facts.store_uri) for item in facts.outputs],
        run_facets=run_facets,
    )


def dataset_name(facts: DatasetFacts) -> tuple[str, str]:
    """Return namespace and name: together ``mistique://project/model@version/intermediate``, percent-encoded.

    A fitted object, which may have the name of an intermediate, is ``model@version/fitted/stage/name``.
    """
    middle = "" if facts.fitted_type is None else f"fitted/{quote(facts.fitted_by, safe='')}/"
    name = f"{quote(facts.model, safe='')}@{facts.version}/{middle}{quote(facts.name, safe='')}"
    return f"mistique://{quote(facts.project, safe='')}", name


def _input(facts: DatasetFacts, store_uri: str) -> InputDataset:
    from openlineage.client.event_v2 import InputDataset

    from operators.openlineage.facets import PRODUCER, AccessInputDatasetFacet

    access: dict[str, InputDatasetFacet] = {}
    if facts.access is not None:
        access["mistique_access"] = AccessInputDatasetFacet(
            strategy=facts.access, rerunStages=facts.rerun_stages, producer=PRODUCER
        )
    return InputDataset(*dataset_name(facts), inputFacets=access, facets=_dataset_facets(facts, store_uri))


def _output(facts: DatasetFacts, store_uri: str) -> OutputDataset:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    from operators.openlineage.facets import PRODUCER, ReuseOutputDatasetFacet

    given: dict[str, OutputDatasetFacet] = {}
    if facts.fitted_type is None:
        given["outputStatistics"] = statistics.OutputStatisticsOutputDatasetFacet(
            rowCount=facts.rows, size=facts.logical_bytes, producer=PRODUCER
        )
    if facts.reused is not None:
        given["mistique_reuse"] = ReuseOutputDatasetFacet(
            reused=facts.reused, storedBytes=facts.stored_bytes, producer=PRODUCER
        )
    return OutputDataset(*dataset_name(facts), outputFacets=given, facets=_dataset_facets(facts, store_uri))


def _dataset_facets(facts: DatasetFacts, store_uri: str) -> dict[str, DatasetFacet]:
    from openlineage.client.facet_v2 import (
        dataset_type_dataset,
        dataset_version_dataset,
        datasource_dataset,
        schema_dataset,
    )

    from operators.openlineage.facets import PRODUCER, FittedDatasetFacet, IntermediateDatasetFacet

    facets: dict[str, DatasetFacet] = {
        "dataSource": datasource_dataset.DatasourceDatasetFacet(name="mistique", uri=store_uri, producer=PRODUCER),
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(
            datasetVersion=str(facts.version), producer=PRODUCER
        ),
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(
            datasetType="TABLE" if facts.fitted_type is None else "MODEL", producer=PRODUCER
        ),
    }
    if facts.fitted_type is not None:
        facets["mistique_fitted"] = FittedDatasetFacet(type=facts.fitted_type, producer=PRODUCER)
        return facets
    facets["schema"] = schema_dataset.SchemaDatasetFacet(
        fields=[
            schema_dataset.SchemaDatasetFacetFields(name=name, type=kind, ordinal_position=position)
            for position, (name, kind) in enumerate(facts.columns, 1)
        ],
        producer=PRODUCER,
    )
    facets["mistique_intermediate"] = IntermediateDatasetFacet(
        rows=facts.rows,
        columns=facts.column_count,
        columnsListed=len(facts.columns),
        logicalBytes=facts.logical_bytes,
        scheme=facts.scheme,
        producer=PRODUCER,
    )
    return facets


def _run_facet(done: StageDone | CaptureDone | AnswerDone) -> dict[str, RunFacet]:
    from operators.openlineage.facets import PRODUCER, AnswerRunFacet, CaptureRunFacet, StageRunFacet

    if isinstance(done, StageDone):
        stage = StageRunFacet(
            reused=done.reused,
            seconds=done.seconds,
            logicalBytes=done.logical_bytes,
            storedBytes=done.stored_bytes,
            producer=PRODUCER,
        )
        return {"mistique_stage": stage}
    if isinstance(done, AnswerDone):
        answer = AnswerRunFacet(technique=done.technique, strategy=done.strategy, producer=PRODUCER)
        return {"mistique_answer": answer}
    capture = CaptureRunFacet(
        storedLayers=done.stored,
        reusedLayers=done.reused,
        pendingLayers=done.pending,
        rows=done.rows,
        rowBlocks=done.row_blocks,
        seconds=done.seconds,
        logicalBytes=done.logical_bytes,
        storedBytes=done.stored_bytes,
        producer=PRODUCER,
    )
    return {"mistique_capture": capture}
