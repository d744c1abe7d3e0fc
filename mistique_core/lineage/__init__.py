"""Identity of code and of stages, for reuse by lineage."""

from mistique_core.lineage.code import code_hash, library_versions
from mistique_core.lineage.fingerprint import stage_code_hash, stage_fingerprint

__all__ = ["code_hash", "library_versions", "stage_code_hash", "stage_fingerprint"]
