"""The fingerprint of a stage: equal fingerprints mean that the output would be equal.

It covers what a stage computes (operator, parameters, code, library versions, outside state) and
what it computes on (the content of its inputs, not their names or paths). It leaves out what does
not decide the output: the DAG, the run, the task's name, the time, the host. A stage that cannot be
fingerprinted, or that draws random numbers without a seed, has none and is always executed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mistique_core.dedup import json_hash
from mistique_core.lineage.code import code_hash, library_versions
from mistique_core.model.stage import Stage


def stage_code_hash(stage: Stage) -> str | None:
    """Return the hash of the user's code in a stage; ``None`` if some of it cannot be known.

    That is the stage's functions and, unless it ships with this package (whose version counts), its class.
    """
    own: list[Callable[..., object]] = (
        [] if type(stage).__module__.partition(".")[0] == "mistique_core" else [type(stage)]
    )
    hashes = [code_hash(item) for item in (*stage.functions(), *own)]
    return None if None in hashes else json_hash(hashes)


def stage_fingerprint(stage: Stage, inputs: Mapping[str, str]) -> str | None:
    """Return :func:`stage_identity`, or ``None`` when the stage must not be reused."""
    return stage_identity(stage, inputs) if stage.deterministic else None


def stage_identity(stage: Stage, inputs: Mapping[str, str]) -> str | None:
    """Return what a stage computes on given inputs, whether or not it draws random numbers.

    Asking for it imports no library, so that a probe for reuse is cheap.

    Parameters
    ----------
    stage
        The operator.
    inputs
        Input name -> hex content address of the frame or the fitted object.

    Returns
    -------
    str or None
        64 hex digits, or ``None`` when some code cannot be read.
    """
    code = stage_code_hash(stage)
    if code is None:
        return None
    return json_hash(
        {
            "operator": stage.import_path(),
            "params": stage.identity(),
            "code": code,
            "libraries": library_versions(tuple(stage.functions()), tuple(stage.packages())),
            "outside": dict(stage.external_state()),
            "inputs": dict(inputs),
        }
    )
