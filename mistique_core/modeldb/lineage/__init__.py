"""Lineage: where data frames and models come from, and what was made of them."""

from mistique_core.modeldb.lineage.lineage import Lineage
from mistique_core.modeldb.lineage.records import (
    Ancestor,
    CommonAncestor,
    FrameAncestry,
    ModelAncestry,
    OriginalFeatures,
    PipelineStep,
    SourceColumn,
)

__all__ = [
    "Ancestor",
    "CommonAncestor",
    "FrameAncestry",
    "Lineage",
    "ModelAncestry",
    "OriginalFeatures",
    "PipelineStep",
    "SourceColumn",
]
