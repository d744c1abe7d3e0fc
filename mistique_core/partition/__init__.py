"""The partition file format and the encodings of its chunks."""

from mistique_core.partition.encoding import Codec, EncodedChunk, decode_chunk, encode_chunk, encode_delta
from mistique_core.partition.hdf5 import FORMAT_VERSION, PartitionBuilder, build_partition, read_columns, scan_partition
from mistique_core.partition.location import (
    ChunkLocation,
    check_frames,
    decode_location,
    pack_extents,
    unpack_extents,
    unpack_pages,
)
from mistique_core.partition.transform import Transform
from mistique_core.partition.zone import Zone, may_match, zone_of

__all__ = [
    "FORMAT_VERSION",
    "ChunkLocation",
    "Codec",
    "EncodedChunk",
    "PartitionBuilder",
    "Transform",
    "Zone",
    "build_partition",
    "check_frames",
    "decode_chunk",
    "decode_location",
    "encode_chunk",
    "encode_delta",
    "may_match",
    "pack_extents",
    "read_columns",
    "scan_partition",
    "unpack_extents",
    "unpack_pages",
    "zone_of",
]
