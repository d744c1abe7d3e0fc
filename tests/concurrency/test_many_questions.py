"""200 questions from 8 processes at once: every answer right, none lost, every use of an intermediate counted."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mistique_core import Mistique
from mistique_core.catalogue.column_use import uses_of
from mistique_core.catalogue.intermediates import find_intermediate
from mistique_core.catalogue.tables import query, query_figure
from mistique_core.model import IntermediateKey
from mistique_core.modeldb.query_records import query_by_id
from tests.concurrency.askers import PROCESSES, QUESTIONS, frame, request

ROOT = Path(__file__).parents[2]
STUCK_SECONDS = 240


def expected_rows(number: int) -> list[list[Any]]:
    """Return the answer's rows as plain pandas finds them."""
    own, asked = frame(number % 4), request(number)
    if asked["technique"] == "topk":
        best = own["score"].sort_values(ascending=False, kind="stable").head(asked["k"])
        return [[row, value] for row, value in best.items()]
    if asked["technique"] == "pointq":
        return [[row, value] for row, value in own["score"].loc[asked["row_id"]].items()]
    if asked["technique"] == "confusion_matrix":
        kept = own[own["score"] > float(asked["where"][0].removeprefix("score>"))]
        counts = pd.crosstab(kept["truth"], kept["guess"])
        return [[str(label), *row] for label, row in zip(counts.index, counts.to_numpy().tolist(), strict=True)]
    rows = own.loc[asked["row_id"]]
    other = frame((number + 1) % 4).loc[rows.index]
    pairs = pd.DataFrame({"a": rows["guess"], "b": other["guess"]})
    pairs["gap"] = (pairs["a"] - pairs["b"]).abs()
    differing = pairs[pairs["gap"] > 0].sort_values("gap", ascending=False, kind="stable")
    return [[row, *values] for row, values in zip(differing.index, differing.to_numpy().tolist(), strict=True)]


def models_of(number: int) -> list[int]:
    return [number % 4] + ([(number + 1) % 4] if request(number)["technique"] == "col_diff" else [])


def test_all_answers_are_right_and_none_is_lost(catalogue_url: str, memory_path: Path) -> None:
    location, folder = memory_path / "store", memory_path / "reports"
    folder.mkdir()
    with Mistique.open(location, catalogue_url) as store:
        for model in range(4):
            store.log_frame("p", f"m{model}", "scores", frame(model))
    script = "from tests.concurrency.askers import serve; serve()"
    command = [sys.executable, "-c", script, str(location), catalogue_url, str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=STUCK_SECONDS)
    reports = [json.loads((folder / f"report-{first}.json").read_text()) for first in range(PROCESSES)]
    assert [report["error"] for report in reports if report["error"]] == []
    recorded = {int(number): query_id for report in reports for number, query_id in report["recorded"].items()}
    assert sorted(recorded) == list(range(PROCESSES * QUESTIONS))
    assert len(set(recorded.values())) == len(recorded)
    uses: Counter[int] = Counter(model for number in recorded for model in models_of(number))
    with Mistique.open(location, catalogue_url) as store, store.catalogue.read() as connection:
        for number, query_id in recorded.items():
            record = query_by_id(connection, query_id)
            assert record is not None
            assert record.answer is not None
            assert (record.answer["title"], record.request) == (str(number), request(number))
            shown = [[str(row[0]), *row[1:]] if record.technique == "confusion_matrix" else row
                     for row in record.answer["rows"]]  # fmt: skip
            assert shown == expected_rows(number)[:1_000], request(number)
        figures = connection.scalar(sa.select(sa.func.count()).select_from(query_figure))
        assert figures == sum(request(number)["technique"] != "pointq" for number in recorded)
        assert connection.scalar(sa.select(sa.func.count()).select_from(query)) == len(recorded)
        for model in range(4):
            found = find_intermediate(connection, IntermediateKey("p", f"m{model}", "scores"))
            assert uses_of(connection, [found.ref.id])[found.ref.id].queries == uses[model]
