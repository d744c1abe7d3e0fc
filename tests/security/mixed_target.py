"""All targets of the fuzzer but requests in one, so that a short run starts one process."""

from __future__ import annotations

from random import Random
from typing import Any

from benchmarks.fuzzing.document_targets import LightTarget, YamlTarget
from benchmarks.fuzzing.partition_target import PartitionTarget
from benchmarks.fuzzing.text_targets import FilterTarget, KeyTarget

KINDS = {
    "partition": PartitionTarget,
    "yaml": YamlTarget,
    "light": LightTarget,
    "key": KeyTarget,
    "filter": FilterTarget,
}
WEIGHTS = {"partition": 1, "yaml": 1, "light": 2, "key": 12, "filter": 2}


class MixedTarget:
    """One of them for each input."""

    def __init__(self) -> None:
        self._targets = {name: make() for name, make in KINDS.items()}

    def make(self, random: Random) -> tuple[str, Any]:
        [name] = random.choices(list(WEIGHTS), list(WEIGHTS.values()))
        return name, self._targets[name].make(random)

    def run(self, item: tuple[str, Any]) -> str:
        name, own = item
        return f"{name}: {self._targets[name].run(own)}"

    def close(self) -> None:
        for target in self._targets.values():
            target.close()
