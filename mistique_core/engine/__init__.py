"""The only place where bytes and SQL meet: writing, reading, running and re-running."""

from mistique_core.engine.frame_reader import FrameReader
from mistique_core.engine.stage_place import StagePlace
from mistique_core.engine.stage_runner import StageOutcome, StageRunner

__all__ = ["FrameReader", "StageOutcome", "StagePlace", "StageRunner"]
