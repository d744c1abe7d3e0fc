"""MLflow's own client on a folder, without the usage data that it would send."""

import os
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from mlflow import MlflowClient


def file_client(folder: Path) -> MlflowClient:
    """Return a client of a file store; the environment must allow these (``MLFLOW_ALLOW_FILE_STORE``)."""
    return MlflowClient(tracking_uri=folder.as_uri())
