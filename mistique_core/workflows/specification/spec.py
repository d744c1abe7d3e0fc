"""A workflow as its file specifies it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mistique_core.errors import InvalidInputError, MistiqueError, NotFoundError, did_you_mean
from mistique_core.workflows.specification.materialization import Materialization
from mistique_core.workflows.specification.parameter import check_parameter, parameter_schema
from mistique_core.workflows.specification.reference import StageReference
from mistique_core.workflows.specification.search_spec import SearchSpec
from mistique_core.workflows.specification.substitution import substitute

ONLY_INPUT = "data"
"""Name of an input that the file gives without a name."""


@dataclass(frozen=True)
class StageSpec:
    """One stage.

    Attributes
    ----------
    name
        Its name in the workflow.
    operator
        A registered operator, or where a user's function or class is: ``module:qualname`` or ``file.py:function``.
    inputs
        Input name -> reference to an output of an earlier stage.
    named
        Whether the file names the inputs; a single one without a name is called ``data``.
    params
        The operator's parameters: JSON values with ``${...}``, or without after :meth:`WorkflowSpec.resolved`.
    reuse
        Whether the outputs of an equal earlier stage may be taken over.
    row_id
        For a user's function that reads source data: the column that identifies an example.
    deterministic
        For a user's function: see :class:`mistique_core.workflows.FunctionStage`.
    line
        Its line in the file, from 1.
    """

    name: str
    operator: str
    inputs: Mapping[str, StageReference] = field(default_factory=dict)
    named: bool = True
    params: Mapping[str, Any] = field(default_factory=dict)
    reuse: bool = True
    row_id: str | None = None
    deterministic: bool | None = None
    line: int = 1


@dataclass(frozen=True)
class WorkflowSpec:
    """A workflow, or one variation of it; read it with :func:`load_workflow`.

    Attributes
    ----------
    path
        Its file.
    project, model
        Where it logs to; a variation's model is ``<model>_<variation>``.
    stages
        In an order in which they can run.
    parameters
        Hyperparameter -> JSON value; its texts may use ``${env:NAME}``.
    variations
        Variation -> the parameters that it changes.
    description, tags
        For people.
    materialization
        How much is kept.
    variant
        The variation that this is, or ``None``.
    types
        Parameter -> JSON schema of the values that it may take.
    search
        How to look for the best parameters, where the file says so.
    """

    path: Path
    project: str
    model: str
    stages: tuple[StageSpec, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    variations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    description: str = ""
    tags: tuple[str, ...] = ()
    materialization: Materialization = field(default_factory=Materialization)
    variant: str | None = None
    types: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    search: SearchSpec | None = None

    def variation(self, name: str) -> WorkflowSpec:
        """Return one variation as a workflow of its own.

        Raises
        ------
        NotFoundError
            If there is no variation of that name.
        """
        if name not in self.variations:
            hint = did_you_mean(name, self.variations) if self.variations else "the file has no variations"
            raise NotFoundError(f"workflow {self.path.name} has no variation {name!r}; {hint}")
        return replace(
            self,
            model=f"{self.model}_{name}",
            parameters={**self.parameters, **self.variations[name]},
            variations={},
            variant=name,
        )

    def all_variations(self) -> list[WorkflowSpec]:
        """Return every variation, or this workflow alone if it has none."""
        return [self.variation(name) for name in self.variations] or [self]

    def values(
        self, params: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the value of every parameter.

        Parameters
        ----------
        params
            Values to take in place of the file's. They are taken as they are: only texts that stand in the
            file may use environment variables, so that nobody who triggers a run can read one.
        environ
            Environment variables; default the process's.

        Raises
        ------
        NotFoundError
            If a parameter is unknown, or an environment variable is not set.
        InvalidInputError
            If a value has another type than the file's.
        """
        given = dict(params or {})
        for name, value in given.items():
            if name not in self.parameters:
                hint = did_you_mean(name, self.parameters) if self.parameters else "it has no parameters"
                raise NotFoundError(f"workflow {self.path.name} has no parameter {name!r}; {hint}")
            check_parameter(name, value, self.types.get(name) or parameter_schema([self.parameters[name]]))
        environment = os.environ if environ is None else environ
        return {
            name: given[name] if name in given and given[name] != value else substitute(value, {}, environment)
            for name, value in self.parameters.items()
        }

    def resolved(
        self, params: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
    ) -> WorkflowSpec:
        """Return the workflow with every ``${...}`` replaced; the parameters are those of :meth:`values`.

        Raises
        ------
        NotFoundError, InvalidInputError
            As :meth:`values`; the message names the stage.
        """
        environment = os.environ if environ is None else environ
        values = self.values(params, environment)
        stages = tuple(resolve_stage(stage, values, environment) for stage in self.stages)
        return replace(self, parameters=values, stages=stages)

    def facts(self) -> dict[str, Any]:
        """Return what is recorded about the workflow with each run: JSON values."""
        facts = {"file": self.path.name, "materialization": self.materialization.to_json()}
        return facts if self.variant is None else {**facts, "variation": self.variant}


def resolve_stage(stage: StageSpec, values: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> StageSpec:
    """Return a stage with every ``${...}`` in its parameters replaced.

    Parameters
    ----------
    stage
        As it stands in the file.
    values
        Parameter -> value, from :meth:`WorkflowSpec.values`.
    environ
        Environment variables; default the process's.
    """
    try:
        params = substitute(stage.params, values, os.environ if environ is None else environ)
    except NotFoundError as error:
        raise NotFoundError(f"stage {stage.name!r}: {error}") from error
    except MistiqueError as error:
        raise InvalidInputError(f"stage {stage.name!r}: {error}") from error
    return replace(stage, params=params)
