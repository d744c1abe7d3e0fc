"""The Zillow workload: ten templates of pipelines in five variations each (thesis Table 5.3), from workflow files.

They read the competition's files in ``$MISTIQUE_ZILLOW_DIR``; where that is not set, the tables are generated.
Airflow looks for DAGs only in files in which both its own name and the word DAG stand, as here.
"""

from __future__ import annotations

from pathlib import Path

from operators import dags_from_yaml

globals().update(dags_from_yaml(Path(__file__).parent / "zillow", default_args={"retries": 0}))
