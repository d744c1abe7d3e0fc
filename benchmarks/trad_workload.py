"""The 50 pipelines of the Zillow workload (thesis Table 5.3): ten templates, five variations each."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mistique_core import Mistique
from mistique_core.dedup import json_hash
from mistique_core.workflows.specification import load_workflow
from mistique_core.workflows.specification.build import build_stage
from mistique_core.workflows.zillow import write_files

FOLDER = Path(__file__).resolve().parents[1] / "dags" / "zillow"
TEMPLATES = tuple(f"p{number}" for number in range(1, 11))
FOLDER_VARIABLE = "MISTIQUE_ZILLOW_DIR"


class Unlogged(NamedTuple):
    """What a pipeline takes without a store.

    Attributes
    ----------
    seconds
        Of all of it.
    stages
        What tells a stage from others -> its seconds: equal stages with equal inputs have one key in all pipelines.
    """

    seconds: float
    stages: dict[str, float]


@dataclass(frozen=True)
class Pipeline:
    """One of the 50.

    Attributes
    ----------
    template
        ``p1`` to ``p10``.
    variation
        ``v1`` to ``v5``.
    """

    template: str
    variation: str

    @property
    def path(self) -> Path:
        """The specification."""
        return FOLDER / f"{self.template}.yaml"

    @property
    def model(self) -> str:
        """Name of the model that it makes."""
        return f"{self.template}_{self.variation}"

    def run(self, store: Mistique, **options: Any) -> float:
        """Run it into a store; return its seconds."""
        start = time.perf_counter()
        store.log_intermediates(self.path, variation=self.variation, progress=False, **options)
        return time.perf_counter() - start

    def run_without_logging(self) -> Unlogged:
        """Run the same stages, handing plain frames from one to the next."""
        start = time.perf_counter()
        made: dict[tuple[str, str], Any] = {}
        keys: dict[str, str] = {}
        seconds: dict[str, float] = {}
        for spec in load_workflow(self.path).variation(self.variation).resolved().stages:
            stage, names = build_stage(spec)
            inputs = {names[name]: made[item.stage, item.output or ""] for name, item in spec.inputs.items()}
            before = time.perf_counter()
            result = stage.execute(inputs)
            given = sorted((name, keys[item.stage], item.output) for name, item in spec.inputs.items())
            keys[spec.name] = json_hash([stage.import_path(), stage.params(), given])
            seconds[keys[spec.name]] = time.perf_counter() - before
            for name, value in {**result.fitted, **result.frames}.items():
                made[spec.name, name] = value
            if len(result.frames) + len(result.fitted) == 1 or not result.frames:
                for value in (*result.frames.values(), *result.fitted.values()):
                    made[spec.name, ""] = value
        return Unlogged(time.perf_counter() - start, seconds)


def pipelines(templates: Sequence[str] = TEMPLATES, variations: int = 5) -> list[Pipeline]:
    """Return the pipelines, template after template."""
    return [
        Pipeline(template, name)
        for template in templates
        for name in list(load_workflow(FOLDER / f"{template}.yaml").variations)[:variations]
    ]


@contextmanager
def competition_files(folder: Path, rows: int) -> Iterator[int]:
    """Write the three CSV files, point the workflows at them, and yield their bytes together."""
    paths = write_files(folder, rows)
    before = os.environ.get(FOLDER_VARIABLE)
    os.environ[FOLDER_VARIABLE] = str(folder)
    try:
        yield sum(path.stat().st_size for path in paths.values())
    finally:
        if before is None:
            del os.environ[FOLDER_VARIABLE]
        else:
            os.environ[FOLDER_VARIABLE] = before


def stored_bytes(store: Mistique) -> int:
    """Return the bytes of all files of a store, its catalogue included."""
    folder = Path(store.config.location)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
