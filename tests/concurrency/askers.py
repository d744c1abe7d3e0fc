"""Processes that ask one store at once; started by :mod:`tests.concurrency.test_many_questions`."""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mistique_core import Mistique
from mistique_core.diagnostics import DiagnosticResult, diagnose
from mistique_core.modeldb.recorded_answer import Question, answer_and_record

PROCESSES, QUESTIONS = 8, 25
ROWS = 3_000
BUSY_SECONDS = 60.0


def frame(model: int) -> pd.DataFrame:
    """Return what one of four models predicted."""
    rng = np.random.default_rng(model)
    truth = np.random.default_rng(99).integers(0, 3, ROWS)
    guess = np.where(rng.random(ROWS) < 0.8, truth, rng.integers(0, 3, ROWS))
    return pd.DataFrame({"truth": truth, "guess": guess, "score": rng.normal(size=ROWS).round(6)}).rename_axis("row_id")


def request(number: int) -> dict[str, Any]:
    """Return question `number` of 200: four techniques over four models, no two the same."""
    model = number % 4
    scores = f"p.m{model}.scores"
    kinds: list[dict[str, Any]] = [
        {"technique": "topk", "key": f"{scores}.score", "k": 3 + number},
        {"technique": "pointq", "keys": [f"{scores}.score"], "row_id": [number + 1000, number, 2999 - number]},
        {"technique": "confusion_matrix", "truth": f"{scores}.truth", "prediction": f"{scores}.guess",
         "where": [f"score>{number / 100 - 1}"]},
        {"technique": "col_diff", "key_a": f"{scores}.guess", "key_b": f"p.m{(model + 1) % 4}.scores.guess",
         "row_id": list(range(number, number + 500))},
    ]  # fmt: skip
    return kinds[number // 4 % 4]


def _ask(store: Mistique, asked: dict[str, Any]) -> DiagnosticResult:
    parameters = {name: value for name, value in asked.items() if name != "technique"}
    return diagnose(store, asked["technique"], parameters)


def _member(location: str, url: str, folder: Path, first: int) -> None:
    report: dict[str, Any] = {"recorded": {}, "error": None}
    try:
        with Mistique.open(location, url, busy_seconds=BUSY_SECONDS) as store:
            for number in range(first, PROCESSES * QUESTIONS, PROCESSES):
                asked = request(number)
                question = Question(asked["technique"], asked, str(number))
                recorded = answer_and_record(store.catalogue, question, lambda asked=asked: _ask(store, asked))  # type: ignore[misc]
                report["recorded"][number] = recorded.query_id
    except BaseException:
        report["error"] = traceback.format_exc()
    (folder / f"report-{first}.json").write_text(json.dumps(report))


def serve() -> None:
    """Fork all processes and wait for them."""
    location, url, folder = sys.argv[1:]
    children = []
    for first in range(PROCESSES):
        child = os.fork()
        if not child:
            _member(location, url, Path(folder), first)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
