"""Policies of materialization (thesis 5.5.2): what of a model version stays stored once its run has ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mistique_core.errors import InvalidInputError, did_you_mean

DEFAULT_GAMMA_MIN = 500.0
"""Seconds of query time that a stored gigabyte must save: the thesis's 0.5 s per KB is 5e5 s per GB; a thousandth
of it still lets nothing stay that no query has asked for."""


@dataclass(frozen=True)
class KeepAll:
    """Everything stays.

    Attributes
    ----------
    name
        ``dedup`` (equal chunks are stored once) or ``store_all`` (each is stored again; for comparison only,
        by opening the store with ``exact_dedup=False``).
    """

    name: str = "dedup"


@dataclass(frozen=True)
class Adaptive:
    """What can be re-run stays only when queries have shown that keeping it pays (thesis Algorithm 4).

    Attributes
    ----------
    gamma_min
        Least gamma (Eq. 5.5), in seconds of query time saved per GB stored.
    """

    gamma_min: float = DEFAULT_GAMMA_MIN


@dataclass(frozen=True)
class Budget:
    """As much stays as fits, the largest gamma first.

    Attributes
    ----------
    limit_bytes
        Encoded bytes that what can be re-run may take together.
    """

    limit_bytes: int


Policy = KeepAll | Adaptive | Budget


def parse_policy(value: Any) -> Policy:
    """Return a policy.

    Parameters
    ----------
    value
        A policy; ``"dedup"``, ``"store_all"``, ``"adaptive"``; ``{"policy": "adaptive", "gamma_min": 500}`` or
        ``{"policy": "budget", "bytes": 1_000_000}``.

    Raises
    ------
    InvalidInputError
        If it is anything else; the message names the value.
    """
    if isinstance(value, (KeepAll, Adaptive, Budget)):
        return value
    document: Mapping[str, Any] = {"policy": value} if isinstance(value, str) else value
    if not isinstance(document, Mapping) or not isinstance(document.get("policy"), str):
        raise InvalidInputError(f"policy {value!r} is none; give 'dedup', 'adaptive' or {{'policy': 'budget', ...}}")
    name = document["policy"]
    allowed = _OPTIONS.get(name)
    if allowed is None:
        raise InvalidInputError(f"policy {name!r} is unknown; {did_you_mean(name, _OPTIONS)}")
    for option in document.keys() - {"policy", allowed}:
        raise InvalidInputError(f"policy {name!r} has no option {option!r}; {did_you_mean(str(option), [allowed])}")
    if name in ("dedup", "store_all"):
        return KeepAll(name)
    if name == "budget":
        if allowed not in document:
            raise InvalidInputError("policy 'budget' needs bytes, such as {'policy': 'budget', 'bytes': 1_000_000}")
        return Budget(int(_number(name, allowed, document[allowed])))
    return Adaptive(float(_number(name, "gamma_min", document.get("gamma_min", DEFAULT_GAMMA_MIN))))


_OPTIONS = {"dedup": "", "store_all": "", "adaptive": "gamma_min", "budget": "bytes"}


def _number(policy: str, option: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise InvalidInputError(f"{option}={value!r} of policy {policy!r} is not a number of at least 0")
    return value
