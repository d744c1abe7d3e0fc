"""Check what a document says: names, references and parameters. Parts that the schema refused are left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mistique_core.errors import MistiqueError, did_you_mean
from mistique_core.model.names import RESERVED, check_name
from mistique_core.workflows.specification.document import Document
from mistique_core.workflows.specification.materialization import Materialization
from mistique_core.workflows.specification.operator_schema import OUTPUTS
from mistique_core.workflows.specification.parameter import in_words, type_of
from mistique_core.workflows.specification.problem import Path
from mistique_core.workflows.specification.reference import PER_INPUT, StageReference, outputs_of
from mistique_core.workflows.specification.schema import load_schema
from mistique_core.workflows.specification.substitution import is_parameter_name, parameters_in, texts_in

_TASK_ID = re.compile(r"[\w-]+")


def check_meaning(document: Document) -> None:
    """Note every mistake that the schema cannot see."""
    value = document.value
    if not isinstance(value, dict):
        return
    _check_names(document, value)
    _check_materialization(document, value.get("materialization"))
    parameters = _mapping(value, "parameters")
    stages = {name: stage for name, stage in _mapping(value, "stages").items() if isinstance(stage, dict)}
    _check_parameters(document, parameters, _mapping(value, "variations"))
    _check_uses(document, parameters, stages)
    _check_references(document, _mapping(value, "stages"))


def _mapping(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _check_names(document: Document, value: Mapping[str, Any]) -> None:
    names: list[tuple[str, Path, Any]] = [
        (kind, (kind,), value[kind]) for kind in ("project", "model") if kind in value
    ]
    names += [("variation", ("variations", name), name) for name in _mapping(value, "variations")]
    names += [("stage", ("stages", name), name) for name in _mapping(value, "stages")]
    for stage, item in _mapping(value, "stages").items():
        inputs = item.get("inputs") if isinstance(item, dict) else None
        if isinstance(inputs, dict):
            names += [("input", ("stages", stage, "inputs", name), name) for name in inputs]
    for kind, path, name in names:
        if (
            kind == "stage"
            and _TASK_ID.fullmatch(name) is None
            and name.isprintable()
            and not set(name) & set(RESERVED)
        ):
            document.report(
                path, f"stage {name!r} may have letters, digits, '_' and '-' only, as a task's id in Airflow"
            )
        elif isinstance(name, str) and name:
            _try(document, path, lambda kind=kind, name=name: check_name(kind, name))


def _try(document: Document, path: Path, action: Any) -> None:
    try:
        action()
    except MistiqueError as error:
        document.report(path, str(error))


def _check_materialization(document: Document, value: Any) -> None:
    known = isinstance(value, str) or (isinstance(value, dict) and set(value) <= {"policy", "gamma_min", "bytes"})
    if known and (isinstance(value, str) or "policy" in value):
        problem = Materialization.from_json(value).problem()
        if problem:
            document.report(("materialization",), problem)


def _check_parameters(document: Document, parameters: Mapping[str, Any], variations: Mapping[str, Any]) -> None:
    for name, value in parameters.items():
        if not is_parameter_name(name):
            document.report(("parameters", name), "a parameter's name has letters, digits and '_' only")
        _check_value_texts(document, ("parameters", name), value)
    for variation, changes in variations.items():
        for name, value in changes.items() if isinstance(changes, dict) else ():
            path = ("variations", variation, name)
            if name not in parameters:
                hint = did_you_mean(name, parameters) if parameters else "there are no parameters"
                document.report(path, f"unknown parameter; {hint}")
                continue
            _check_value_texts(document, path, value)
            default, given = type_of(parameters[name]), type_of(value)
            numbers = {default, given} <= {"integer", "number"}
            if default is not None and default != given and "null" not in (default, given) and not numbers:
                document.report(path, f"{value!r} is not {in_words(default)}, as in parameters.{name}")


def _check_value_texts(document: Document, path: Path, value: Any) -> None:
    for inner, text in texts_in(value):
        try:
            used = parameters_in(text)
        except MistiqueError as error:
            document.report((*path, *inner), str(error))
        else:
            if used:
                document.report(
                    (*path, *inner),
                    f"a parameter cannot use another (${{{used[0]}}}), only ${{env:NAME}}; write the value",
                )


def _check_uses(document: Document, parameters: Mapping[str, Any], stages: Mapping[str, Any]) -> None:
    used: set[str] = set()
    for name, stage in stages.items():
        for inner, text in texts_in(stage.get("params")):
            path = ("stages", name, "params", *inner)
            try:
                names = parameters_in(text)
            except MistiqueError as error:
                document.report(path, str(error))
                continue
            used.update(names)
            for unknown in [item for item in names if item not in parameters]:
                hint = did_you_mean(unknown, parameters) if parameters else "write it below parameters"
                document.report(path, f"parameter {unknown!r} is not defined; {hint}")
    for name in parameters:
        if name not in used and is_parameter_name(name):
            document.report(("parameters", name), f"no stage uses ${{{name}}}; use it, or remove it")


def _check_references(document: Document, stages: Mapping[str, Any]) -> None:
    outputs: dict[str, list[str] | None] = {}
    for name, stage in stages.items():
        inputs = stage.get("inputs") if isinstance(stage, dict) else None
        named = inputs if isinstance(inputs, dict) else {} if inputs is None else {None: inputs}
        for key, text in named.items():
            path: Path = ("stages", name, "inputs") if key is None else ("stages", name, "inputs", key)
            if isinstance(text, str) and text:
                problem = _reference_problem(text, name, list(stages), outputs)
                if problem:
                    document.report(path, problem)
        outputs[name] = _outputs(stage, [str(key) for key in named])
    taken: dict[str, str] = {}
    for name, found in outputs.items():
        for output in found or [""]:
            made = f"{name}_{output}" if output else name
            if made in taken:
                document.report(
                    ("stages", name),
                    f"its output {made!r} has the name of one of stage {taken[made]!r}; rename a stage",
                )
            taken.setdefault(made, name)


def _reference_problem(text: str, stage: str, stages: list[str], earlier: Mapping[str, list[str] | None]) -> str | None:
    try:
        reference = StageReference.parse(text)
    except MistiqueError as error:
        return str(error)
    if reference.stage == stage:
        return f"stage {stage!r} cannot use its own output"
    if reference.stage not in stages:
        return (
            f"there is no stage {reference.stage!r}; {did_you_mean(reference.stage, [s for s in stages if s != stage])}"
        )
    if reference.stage not in earlier:
        return f"stage {reference.stage!r} comes later; move it before {stage!r}, or break the cycle"
    outputs = earlier[reference.stage]
    if outputs is None:
        return None
    try:
        reference.choose(dict.fromkeys(outputs))
    except MistiqueError as error:
        return str(error)
    return None


def _outputs(stage: Any, inputs: list[str]) -> list[str] | None:
    """Return the outputs of a stage as far as its operator declares them."""
    operator = stage.get("operator") if isinstance(stage, dict) else None
    declared = load_schema()["$defs"].get(operator, {}).get(OUTPUTS) if isinstance(operator, str) else None
    if declared is None:
        return None
    if PER_INPUT in declared and not inputs:
        return None
    return outputs_of(declared, inputs)
