"""Value types that every layer shares."""

from mistique_core.model.array_stage import ArrayFunction, ArrayStage, PoolFunction
from mistique_core.model.block_share import BlockShare
from mistique_core.model.event import FrameEntity, StageEvent, StageKind, TransformerEntity
from mistique_core.model.fit_facts import FitFacts
from mistique_core.model.key import ALL_COLUMNS, IntermediateKey
from mistique_core.model.need import Need
from mistique_core.model.ref import FittedRef, IntermediateRef, Ref
from mistique_core.model.report import LogReport
from mistique_core.model.stage import Stage, StageResult

__all__ = [
    "ALL_COLUMNS",
    "ArrayFunction",
    "ArrayStage",
    "BlockShare",
    "FitFacts",
    "FittedRef",
    "FrameEntity",
    "IntermediateKey",
    "IntermediateRef",
    "LogReport",
    "Need",
    "PoolFunction",
    "Ref",
    "Stage",
    "StageEvent",
    "StageKind",
    "StageResult",
    "TransformerEntity",
]
