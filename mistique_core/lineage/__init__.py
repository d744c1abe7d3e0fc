"""Identity of code and of stages, for reuse by lineage."""

from mistique_core.lineage.code import code_hash, imported_packages, library_versions
from mistique_core.lineage.fingerprint import stage_code_hash, stage_fingerprint, stage_identity

__all__ = [
    "code_hash",
    "imported_packages",
    "library_versions",
    "stage_code_hash",
    "stage_fingerprint",
    "stage_identity",
]
