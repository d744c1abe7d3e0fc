"""How much of a workflow's intermediates is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

POLICIES = ("store_all", "dedup", "adaptive", "budget")

MATERIALIZATION_SCHEMA: dict[str, Any] = {
    "description": "How much is kept. Recorded with each run; dedup is what the store does.",
    "anyOf": [
        {"enum": ["store_all", "dedup", "adaptive"]},
        {
            "type": "object",
            "properties": {
                "policy": {"enum": list(POLICIES)},
                "gamma_min": {
                    "description": "adaptive: least seconds of query time saved per GB stored",
                    "type": "number",
                    "minimum": 0,
                },
                "bytes": {"description": "budget: most bytes to store", "type": "integer", "minimum": 0},
            },
            "required": ["policy"],
            "additionalProperties": False,
        },
    ],
}
"""JSON schema of the key ``materialization``."""


@dataclass(frozen=True)
class Materialization:
    """A policy (thesis 5.5).

    Attributes
    ----------
    policy
        ``store_all``, ``dedup``, ``adaptive`` or ``budget``.
    gamma_min
        For ``adaptive``: least seconds of query time saved per GB stored; ``None`` is the store's default.
    bytes
        For ``budget``: most bytes to store.
    """

    policy: str = "dedup"
    gamma_min: float | None = None
    bytes: int | None = None

    @classmethod
    def from_json(cls, value: str | Mapping[str, Any]) -> Materialization:
        """Return the policy of a value that matches the schema."""
        return cls(policy=value) if isinstance(value, str) else cls(**value)

    @property
    def keeps_all(self) -> bool:
        """Whether everything stays stored."""
        return self.policy in ("dedup", "store_all")

    def to_json(self) -> dict[str, Any]:
        """Return the policy as JSON values."""
        fields = {"policy": self.policy, "gamma_min": self.gamma_min, "bytes": self.bytes}
        return {name: value for name, value in fields.items() if value is not None}

    def problem(self) -> str | None:
        """Return what is wrong with the combination of settings, if anything."""
        if self.gamma_min is not None and self.policy != "adaptive":
            return f"gamma_min belongs to the policy adaptive, not {self.policy}; remove it"
        if self.bytes is not None and self.policy != "budget":
            return f"bytes belongs to the policy budget, not {self.policy}; remove it"
        if self.policy == "budget" and self.bytes is None:
            return "the policy budget needs bytes: the most bytes to store"
        return None
