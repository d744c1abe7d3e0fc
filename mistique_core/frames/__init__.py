"""pandas frames to and from canonical arrays; pure functions over values."""

from mistique_core.frames.decode import decode_column, join_blocks, take_rows
from mistique_core.frames.encode import EncodedColumn, encode_column
from mistique_core.frames.lazy_frame import ColumnSource, LazyFrame
from mistique_core.frames.logical_type import LogicalType, pandas_dtype
from mistique_core.frames.object_identity import TextCache
from mistique_core.frames.row_id import ROW_ID, check_row_id, split_row_id
from mistique_core.frames.row_index import RowIndex
from mistique_core.frames.source_row_id import checked_frames, stream_with_row_ids, with_row_id

__all__ = [
    "ROW_ID",
    "ColumnSource",
    "EncodedColumn",
    "LazyFrame",
    "LogicalType",
    "RowIndex",
    "TextCache",
    "check_row_id",
    "checked_frames",
    "decode_column",
    "encode_column",
    "join_blocks",
    "pandas_dtype",
    "split_row_id",
    "stream_with_row_ids",
    "take_rows",
    "with_row_id",
]
