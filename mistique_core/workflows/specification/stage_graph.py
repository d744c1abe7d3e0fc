"""Which stages of a workflow depend on which."""

from __future__ import annotations

from collections.abc import Collection

from mistique_core.workflows.specification.spec import StageSpec


def needed_for(stages: Collection[StageSpec], names: Collection[str]) -> set[str]:
    """Return the names of some stages and of all that they depend on."""
    found = set(names)
    for stage in reversed(list(stages)):
        if stage.name in found:
            found.update(reference.stage for reference in stage.inputs.values())
    return found


def dependents_of(stages: Collection[StageSpec], name: str) -> set[str]:
    """Return the names of the stages that depend on one, which is not among them."""
    found = {name}
    for stage in stages:
        if any(reference.stage in found for reference in stage.inputs.values()):
            found.add(stage.name)
    return found - {name}
