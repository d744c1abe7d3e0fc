"""Which columns a question touches, known before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.diagnostics.predicate import check_predicates
from mistique_core.diagnostics.reading import names_a_key
from mistique_core.diagnostics.registry import find_technique
from mistique_core.model import IntermediateKey


def touched_keys(technique: str, parameters: Mapping[str, Any]) -> list[IntermediateKey]:
    """Return the keys that a question reads, each once: of its parameters, and those that its predicates name.

    Parameters
    ----------
    technique
        Its name.
    parameters
        JSON values by name, as :func:`mistique_core.diagnostics.diagnose` takes them.

    Raises
    ------
    InvalidInputError
        If the technique is unknown, or a parameter is unknown, missing or wrong.
    """
    found = find_technique(technique)
    arguments = found.check(parameters)
    keys: dict[IntermediateKey, None] = {}
    for item in found.parameters:
        value = arguments.get(item.name)
        if value is None:
            continue
        if item.kind == "column":
            keys[IntermediateKey.parse(value)] = None  # type: ignore[arg-type]
        elif item.kind in ("columns", "keys"):
            keys.update(dict.fromkeys(map(IntermediateKey.parse, value)))  # type: ignore[arg-type]
        elif item.kind == "where":
            named = [name for name, _, _ in check_predicates(item.name, value) if names_a_key(name)]
            keys.update(dict.fromkeys(map(IntermediateKey.parse, named)))
    return list(keys)


def touched_rows(technique: str, parameters: Mapping[str, Any]) -> npt.NDArray[np.int64] | None:
    """Return the row ids that a question restricts itself to, int64 in their order; ``None`` where it reads all rows.

    A technique that compares a row with others reads all of them, whatever row it names.

    Raises
    ------
    InvalidInputError
        As :func:`touched_keys`.
    """
    found = find_technique(technique)
    arguments = found.check(parameters)
    named = next((item.name for item in found.parameters if item.name == "row_id" and item.kind == "rows"), None)
    rows = arguments.get(named) if named else None
    return None if rows is None else np.asarray(rows, dtype=np.int64)
