"""Edit what people add to the record: annotations, tags, life stages, descriptions, metadata; and delete runs."""

from mistique_core.modeldb.edit.annotation_records import AnnotationRecord, Fragment
from mistique_core.modeldb.edit.annotations import Annotations
from mistique_core.modeldb.edit.deletion import RunDeletion, delete_runs
from mistique_core.modeldb.edit.life_stages import LifeChange, LifeStage, LifeStages
from mistique_core.modeldb.edit.metadata import Metadata
from mistique_core.modeldb.edit.projects import Projects
from mistique_core.modeldb.edit.tags import Tags

__all__ = [
    "AnnotationRecord",
    "Annotations",
    "Fragment",
    "LifeChange",
    "LifeStage",
    "LifeStages",
    "Metadata",
    "Projects",
    "RunDeletion",
    "Tags",
    "delete_runs",
]
