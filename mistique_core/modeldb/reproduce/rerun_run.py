"""Re-run a recorded run, stage by stage, and tell whether it gives what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mistique_core.catalogue.intermediates import intermediate_by_id
from mistique_core.catalogue.stages import fitted_by_id
from mistique_core.engine.stage_loader import import_operator
from mistique_core.errors import InvalidInputError, MistiqueError, RerunError
from mistique_core.lineage import stage_code_hash
from mistique_core.model import ArrayStage, Ref, Stage
from mistique_core.modeldb.reproduce.recorded_workflow import RecordedStage, RecordedWorkflow, recorded_workflow
from mistique_core.modeldb.reproduce.verdict import Verdict, compare_workflows
from mistique_core.modeldb.reproduce.workflow_yaml import executable_stages, seeded_params
from mistique_core.store import Mistique, Run
from mistique_core.workflows.run_progress import RunProgress

SUFFIX = "_rerun"


@dataclass(frozen=True)
class RerunReport:
    """What re-running a run gave.

    Attributes
    ----------
    label
        ``project.model@version`` of the re-run, a run of its own.
    verdict
        How it compares with the record.
    """

    label: str
    verdict: Verdict


def rerun_run(
    store: Mistique, version_id: int, *, model: str | None = None, progress: bool | None = None
) -> RerunReport:
    """Run the stages of a recorded run again, with the code that is there now, and compare every output.

    Nothing is taken over from earlier runs. What comes out is a run of its own, of another model, so that the latest
    version of the recorded one stays what it is; equal content takes no bytes.

    Parameters
    ----------
    store
        The store that holds it.
    version_id
        Row of the model version to re-run.
    model
        Model that the re-run logs to; default ``<model>_rerun``.
    progress
        Whether to draw a progress bar; ``None`` means only on a terminal.

    Raises
    ------
    NotFoundError
        If there is no such version.
    RerunError
        If a stage cannot be rebuilt: its code cannot be imported or has changed, or a client recorded a call that no
        stage does. Nothing is run then.
    InvalidInputError
        If nothing of the run can be run.
    Exception
        Whatever a stage raises; the re-run is then recorded as failed.
    """
    with store.catalogue.read() as connection:
        recorded = recorded_workflow(connection, version_id)
    planned = [(item, rebuilt_stage(item)) for item in executable_stages(recorded)]
    if not planned:
        raise InvalidInputError(
            f"{recorded.label} has no stages that could be re-run; what it logged was logged by hand"
        )
    target = model or f"{recorded.model}{SUFFIX}"
    facts = {"params": recorded.params, "metadata": {"rerun_of": recorded.label}}
    outputs: dict[int, Mapping[str, Ref]] = {}
    with store.run(recorded.project, target, facts=facts) as run, RunProgress(len(planned), progress) as bar:
        for item, stage in planned:
            bar.start(item.title)
            inputs = {name: _input(store, item, name, outputs) for name in item.inputs}
            done = run.stage(item.name, stage, inputs, reuse=False, map_index=item.map_index)
            outputs[item.id] = done.outputs
            bar.finish(done.logical_bytes)
    return RerunReport(f"{run.project}.{run.model}@{run.version}", _verdict(store, run, recorded, planned))


def _verdict(
    store: Mistique, run: Run, recorded: RecordedWorkflow, planned: list[tuple[RecordedStage, Stage]]
) -> Verdict:
    with store.catalogue.read() as connection:
        made = recorded_workflow(connection, run.version_id)
    compared = tuple(replace(item, params=stage.params(), code_hash=item.code_hash) for item, stage in planned)
    return compare_workflows(made, replace(recorded, stages=compared))


def rebuilt_stage(item: RecordedStage) -> Stage:
    """Return a recorded stage, ready to be run.

    Raises
    ------
    RerunError
        If its operator or its function cannot be imported, is no stage, or its code has changed since.
    """
    try:
        operator = import_operator(item.operator)
        stage = operator.from_params(seeded_params(item))
    except (ImportError, AttributeError, TypeError, ValueError, MistiqueError) as error:
        raise RerunError(
            f"stage {item.title!r} cannot be rebuilt: {error}; make its code importable, or write the workflow anew"
        ) from error
    if isinstance(stage, ArrayStage):
        raise RerunError(
            f"stage {item.title!r} is a layer of a network; log the network again, or ask for a layer with "
            "strategy='rerun', which compares it with the record"
        )
    if item.code_hash is not None and stage_code_hash(stage) != item.code_hash:
        raise RerunError(
            f"the code of stage {item.title!r} has changed since it ran; check out that code, or run its DAG again"
        )
    return stage


def _input(store: Mistique, item: RecordedStage, name: str, outputs: Mapping[int, Mapping[str, Ref]]) -> Ref:
    """Return what the re-run of a stage takes: what the re-run made, else what the recorded run took from elsewhere."""
    given = item.inputs[name]
    made = outputs.get(given.stage_id or -1, {}).get(given.output)
    if made is not None:
        return made
    if given.row is None:
        raise RerunError(
            f"input {name!r} of stage {item.title!r} was not stored, and no stage of the run made it; nothing can be "
            "re-run from it"
        )
    with store.catalogue.read() as connection:
        if given.kind == "fitted":
            return fitted_by_id(connection, given.row).ref
        return intermediate_by_id(connection, given.row).ref
