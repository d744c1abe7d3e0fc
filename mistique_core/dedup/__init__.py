"""Content addressing for exact deduplication."""

from mistique_core.dedup.hashing import bytes_hash, chunk_hash, column_hash, frame_hash, json_hash

__all__ = ["bytes_hash", "chunk_hash", "column_hash", "frame_hash", "json_hash"]
