"""The partition file format and the encodings of its chunks."""

from mistique_core.partition.encoding import EncodedChunk, decode_chunk, encode_chunk
from mistique_core.partition.hdf5 import FORMAT_VERSION, ChunkLocation, build_partition, scan_partition

__all__ = [
    "FORMAT_VERSION",
    "ChunkLocation",
    "EncodedChunk",
    "build_partition",
    "decode_chunk",
    "encode_chunk",
    "scan_partition",
]
