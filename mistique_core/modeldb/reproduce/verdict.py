"""Was a re-run what it was a re-run of? Stage by stage: same code, inputs and outputs, or what differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.entities import SUCCESS
from mistique_core.catalogue.tables import experiment_run, model_version
from mistique_core.modeldb.reproduce.recorded_workflow import RecordedStage, RecordedWorkflow, recorded_workflow

_SHOWN = 4


class Outcome(StrEnum):
    """What comparing a stage with its re-run gave."""

    EQUAL = "equal"
    """Code, inputs and every output as recorded, bit for bit."""
    DIFFERS = "differs"
    """Something that can be compared is not as recorded."""
    NOT_STORED = "not stored"
    """What can be compared is equal, but the content of an output was never stored."""
    MISSING = "missing"
    """The re-run has no such stage."""
    NEW = "new"
    """Only the re-run has such a stage."""


@dataclass(frozen=True)
class StageVerdict:
    """One stage, compared.

    Attributes
    ----------
    name
        The stage.
    outcome
        What came out.
    same_code, same_inputs, same_outputs
        Whether these are as recorded; ``None`` where there is nothing to compare.
    differences
        What differs, one sentence each.
    """

    name: str
    outcome: Outcome
    same_code: bool | None = None
    same_inputs: bool | None = None
    same_outputs: bool | None = None
    differences: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as JSON values."""
        return {
            "stage": self.name,
            "outcome": self.outcome.value,
            "same_code": self.same_code,
            "same_inputs": self.same_inputs,
            "same_outputs": self.same_outputs,
            "differences": list(self.differences),
        }


@dataclass(frozen=True)
class Verdict:
    """A re-run, compared with what it repeats.

    Attributes
    ----------
    label, against
        ``project.model@version`` of the re-run, and of what it repeats.
    stages
        In the order of the recorded run, those that only the re-run has at the end.
    """

    label: str
    against: str
    stages: tuple[StageVerdict, ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs, and all that was stored came out bit-equal."""
        return all(item.outcome in (Outcome.EQUAL, Outcome.NOT_STORED) for item in self.stages)

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        equal = sum(item.outcome is Outcome.EQUAL for item in self.stages)
        unknown = sum(item.outcome is Outcome.NOT_STORED for item in self.stages)
        wrong = [item for item in self.stages if item.outcome not in (Outcome.EQUAL, Outcome.NOT_STORED)]
        rest = f"; of {unknown} more no content was stored to compare" if unknown else ""
        if not wrong:
            return f"{self.label} is what {self.against} was: {equal} stages bit-equal{rest}"
        named = ", ".join(f"{item.name} ({item.outcome.value})" for item in wrong[:_SHOWN])
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        return f"{self.label} is not what {self.against} was: {named}{more}; {equal} stages bit-equal{rest}"

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as JSON values."""
        return {
            "label": self.label,
            "against": self.against,
            "is_equal": self.is_equal,
            "sentence": self.sentence,
            "stages": [item.to_json() for item in self.stages],
        }


def compare_workflows(rerun: RecordedWorkflow, recorded: RecordedWorkflow) -> Verdict:
    """Return the verdict about a run that repeats another one; stages are paired by name."""
    made = {(item.name, item.map_index): item for item in rerun.stages}
    verdicts = []
    for item in recorded.stages:
        other = made.pop((item.name, item.map_index), None)
        if other is None:
            verdicts.append(StageVerdict(item.title, Outcome.MISSING, differences=("the re-run did not run it",)))
        else:
            verdicts.append(compare_stages(other, item))
    verdicts += [StageVerdict(item.title, Outcome.NEW) for item in made.values()]
    return Verdict(rerun.label, recorded.label, tuple(verdicts))


def compare_stages(rerun: RecordedStage, recorded: RecordedStage) -> StageVerdict:
    """Return the verdict about one stage and its re-run."""
    code = _code_differences(rerun, recorded)
    taken = _address_differences(
        "input",
        {name: item.address for name, item in rerun.inputs.items()},
        {name: item.address for name, item in recorded.inputs.items()},
    )
    outputs = _address_differences("output", {**rerun.frames, **rerun.fitted}, {**recorded.frames, **recorded.fitted})
    facts = [
        f"what is known about the model {name!r} differs"
        for name, address in recorded.models.items()
        if rerun.models.get(name, address) != address
    ]
    results = [*outputs, *facts, *_value_differences("metric", rerun.metrics, recorded.metrics)]
    stored = {**recorded.frames, **recorded.fitted}
    differences = (*code, *taken, *results)
    if differences:
        outcome = Outcome.DIFFERS
    elif any(address is None for address in stored.values()):
        outcome = Outcome.NOT_STORED
    else:
        outcome = Outcome.EQUAL
    return StageVerdict(recorded.title, outcome, not code, not taken, not results, differences)


def _code_differences(rerun: RecordedStage, recorded: RecordedStage) -> list[str]:
    found = []
    if rerun.operator != recorded.operator:
        found.append(f"the operator is {rerun.operator}, recorded was {recorded.operator}")
    if rerun.code_hash != recorded.code_hash and None not in (rerun.code_hash, recorded.code_hash):
        found.append("the code of its function has changed")
    found += _value_differences("parameter", rerun.params, recorded.params)
    if recorded.libraries and rerun.libraries:
        found += _value_differences("version of", rerun.libraries, recorded.libraries)
    return found


def _value_differences(what: str, made: Mapping[str, Any], recorded: Mapping[str, Any]) -> list[str]:
    return [
        f"{what} {name} is {_shown(made, name)}, recorded was {_shown(recorded, name)}"
        for name in sorted({*made, *recorded})
        if name not in made or name not in recorded or made[name] != recorded[name]
    ]


def _shown(values: Mapping[str, Any], name: str) -> str:
    return repr(values[name]) if name in values else "absent"


def _address_differences(what: str, made: Mapping[str, str | None], recorded: Mapping[str, str | None]) -> list[str]:
    found = []
    for name in sorted({*made, *recorded}):
        shown = f"{what} {name!r}" if name else f"the {what}"
        if name not in made or name not in recorded:
            found.append(f"{shown} is {'new' if name in made else 'missing'}")
        elif made[name] != recorded[name] and None not in (made[name], recorded[name]):
            found.append(f"the content of {shown} differs")
    return found


def verdict_of_version(connection: sa.Connection, version_id: int) -> Verdict | None:
    """Return how a model version compares with the one before it; ``None`` for the first.

    Parameters
    ----------
    connection
        A read connection of the catalogue.
    version_id
        Row of the model version.

    Raises
    ------
    NotFoundError
        If there is no such version.
    """
    this = recorded_workflow(connection, version_id)
    owner = sa.select(model_version.c.model_id).where(model_version.c.id == version_id).scalar_subquery()
    before = connection.scalar(
        sa.select(model_version.c.id)
        .join(experiment_run, experiment_run.c.id == model_version.c.run_id)
        .where(
            model_version.c.model_id == owner,
            model_version.c.number < this.version,
            experiment_run.c.state == SUCCESS,
        )
        .order_by(model_version.c.number.desc())
        .limit(1)
    )
    return None if before is None else compare_workflows(this, recorded_workflow(connection, before))
