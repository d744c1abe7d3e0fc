"""A small store whose records the targets ask for: two DAGs, of which one may not be read, and their answers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mistique_core import Mistique
from mistique_core.catalogue.entities import RunKey
from mistique_core.modeldb.queries import record_query
from mistique_core.workflows import EvaluateStage, ReadCsvStage

READABLE, HIDDEN = "train", "hidden_dag"
ANSWER = {"columns": ["row_id", "price"], "rows": [[39, 6.5], [38, 6.3]], "row_count": 2, "truncated": False}
HIDDEN_WORDS = ("hidden_dag", "hidden_project", "hidden_model")


def recorded_store(folder: str) -> Mistique:
    """Return an opened store of a few runs.

    Parameters
    ----------
    folder
        An empty folder.
    """
    path = Path(folder)
    csv = path / "homes.csv"
    rows = range(40)
    frame = pd.DataFrame({"rooms": rows, "prediction": [n / 7 for n in rows], "price": [n / 6 for n in rows]})
    frame.to_csv(csv, index=False)
    store = Mistique.open(path / "store", cache_bytes=1 << 20)
    models = ((READABLE, "homes", "linear"), (READABLE, "homes", "tree"), (HIDDEN, *HIDDEN_WORDS[1:]))
    for dag, project, model in models:
        with store.run(project, model, key=RunKey("airflow", dag, f"{model}_run")) as run:
            read = run.stage("read", ReadCsvStage(str(csv)))
            run.stage("evaluate", EvaluateStage(label="price", metrics=["r2"]), {"predictions": read.outputs[""]})
        record_query(
            store.catalogue,
            technique="topk",
            request={"key": f"{project}.{model}.read.price", "k": 2},
            dag_id=dag,
            run_id=f"{model}_run",
            answer={**ANSWER, "sentence": f"The largest of {model}."},
            figure='{"data": [], "layout": {}}',
            seconds=0.1,
        )
    return store
