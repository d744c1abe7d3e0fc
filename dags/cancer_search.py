"""Search the hyperparameters of a workflow: trigger the DAG ``cancer_trees_search``, which maps a task to each trial.

Airflow looks for DAGs only in files in which both its own name and the word DAG stand, as here.
"""

from __future__ import annotations

from pathlib import Path

from operators import dags_from_yaml

globals().update(dags_from_yaml(Path(__file__).parent / "search"))
