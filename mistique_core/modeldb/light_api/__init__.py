"""The Light API of ModelDB: tell it about runs of any environment, by values or by files (thesis 4.4.2)."""

from mistique_core.modeldb.light_api.export import to_document, to_yaml
from mistique_core.modeldb.light_api.import_file import ImportedFile, import_file
from mistique_core.modeldb.light_api.light_run import LightRun, start
from mistique_core.modeldb.light_api.read import read_light_file
from mistique_core.modeldb.light_api.text import LightFileError
from mistique_core.modeldb.light_api.values import Dataset, LightFile, Metric, Model, ModelConfig, ModelMetrics

__all__ = [
    "Dataset",
    "ImportedFile",
    "LightFile",
    "LightFileError",
    "LightRun",
    "Metric",
    "Model",
    "ModelConfig",
    "ModelMetrics",
    "import_file",
    "read_light_file",
    "start",
    "to_document",
    "to_yaml",
]
