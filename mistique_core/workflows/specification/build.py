"""Make the stage that a specification means; imports its class."""

from __future__ import annotations

import inspect
from typing import Any

from mistique_core.errors import InvalidInputError, MistiqueError, NotFoundError, did_you_mean
from mistique_core.model import Stage
from mistique_core.workflows.operator_names import OPERATORS
from mistique_core.workflows.specification.spec import StageSpec


def build_stage(spec: StageSpec) -> tuple[Stage, dict[str, str]]:
    """Return the stage of a specification without ``${...}``, and how its inputs are called.

    Returns
    -------
    tuple
        The stage, and the names of the specification's inputs -> the names that the stage gives them: an input
        without a name goes to the first free parameter of a user's function.

    Raises
    ------
    InvalidInputError
        If the stage refuses a parameter.
    NotFoundError
        If a user's function or class cannot be found.
    """
    names = {name: name for name in spec.inputs}
    try:
        if spec.operator in OPERATORS:
            return OPERATORS[spec.operator].make(spec.params), names
        from mistique_core.workflows.code_location import named_code

        code = named_code(spec.operator, "operator")
        if isinstance(code, type):
            return _own_class(code, spec), names
        return _own_function(code, spec)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"stage {spec.name!r} ({spec.operator}): {error}") from error
    except NotFoundError as error:
        raise NotFoundError(f"stage {spec.name!r}: {error}") from error


def _own_class(cls: type, spec: StageSpec) -> Stage:
    if not issubclass(cls, Stage) or inspect.isabstract(cls):
        raise InvalidInputError("this class is no subclass of mistique_core.model.Stage that can be made")
    if spec.operator.rpartition(":")[0].endswith(".py"):
        raise InvalidInputError("a stage class must be importable to be re-run; write module:Class")
    for name in ("row_id", "deterministic"):
        if getattr(spec, name) is not None:
            raise InvalidInputError(f"{name} is for functions; a stage class decides it itself")
    return cls(**spec.params)


def _own_function(function: Any, spec: StageSpec) -> tuple[Stage, dict[str, str]]:
    from mistique_core.workflows.function_stage import FunctionStage

    parameters = inspect.signature(function).parameters
    plain = [name for name, item in parameters.items() if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)]
    free = [name for name in plain if name not in spec.params]
    names = {name: name if spec.named or not free else free[0] for name in spec.inputs}
    arguments = {**spec.params, **{name: {"$input": name} for name in names.values()}}
    for name in spec.params:
        if name in names.values():
            raise InvalidInputError(f"{name!r} is both an input and a parameter; give it once")
    anything = any(item.kind is item.VAR_KEYWORD for item in parameters.values())
    for name in arguments:
        if name not in plain and not anything:
            raise InvalidInputError(f"the function has no parameter {name!r}; {did_you_mean(name, plain)}")
    inspect.signature(function).bind(**arguments)
    return FunctionStage(function, arguments, spec.row_id, spec.deterministic), names


def check_stages(stages: tuple[StageSpec, ...]) -> list[tuple[StageSpec, str]]:
    """Return the stages that cannot be made, each with the reason.

    Parameters
    ----------
    stages
        Stages without ``${...}``.
    """
    found = []
    for stage in stages:
        try:
            made, _ = build_stage(stage)
            _ = made.deterministic
        except MistiqueError as error:
            found.append((stage, str(error)))
    return found
