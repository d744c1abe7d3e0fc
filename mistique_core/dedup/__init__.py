"""Content addressing for exact deduplication."""

from mistique_core.dedup.checksum import memory_checksum
from mistique_core.dedup.hashing import bytes_hash, chunk_hash, column_hash, frame_hash, json_hash

__all__ = ["bytes_hash", "chunk_hash", "column_hash", "frame_hash", "json_hash", "memory_checksum"]
