"""What other ways to keep every intermediate of every pipeline cost in bytes (thesis Fig. 5-8a and beyond).

All of them get the frames that the store holds, each frame of a different content once; what a way does not
deduplicate is counted as often as it was logged.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from benchmarks.block_dedup import BlockStore

SAMPLE_ROWS = 20_000
GZIP_LEVEL = 6
_COMPRESSOR = zstandard.ZstdCompressor(level=3)


@dataclass
class PeerBytes:
    """Bytes of each way, cumulative.

    Attributes
    ----------
    store_all
        One gzip'd CSV file an intermediate: the thesis's STORE_ALL. Of a long frame the first 20,000 rows are
        compressed and the bytes scaled by rows: gzip looks back 32 KiB only.
    parquet
        One Parquet file (zstd) an intermediate.
    whole_files
        Every different Parquet file once.
    distinct_columns
        Every different column once, its raw values compressed by Zstandard 3.
    """

    store_all: float = 0.0
    parquet: int = 0
    whole_files: int = 0
    distinct_columns: int = 0
    cut: BlockStore = field(default_factory=BlockStore)
    _frames: dict[bytes, tuple[float, int]] = field(default_factory=dict)
    _columns: set[bytes] = field(default_factory=set)

    def knows(self, address: bytes) -> bool:
        """Return whether a frame of this content was added."""
        return address in self._frames

    def add_again(self, address: bytes) -> None:
        """Count one more intermediate whose content was added."""
        csv, parquet = self._frames[address]
        self.store_all += csv
        self.parquet += parquet

    def add(self, address: bytes, frame: pd.DataFrame, columns: dict[str, bytes]) -> None:
        """Add an intermediate of a new content.

        Parameters
        ----------
        address
            Content address of the frame.
        frame
            Its values, index ``row_id``.
        columns
            Name -> content address of the column, ``row_id`` included.
        """
        table = pa.Table.from_pandas(frame.reset_index(), preserve_index=False)
        parquet = _parquet(table)
        self._frames[address] = _gzipped_csv_bytes(frame), len(parquet)
        self.whole_files += len(parquet)
        self.cut.add(_parquet(table, use_content_defined_chunking=True))
        for name, column in columns.items():
            if column not in self._columns:
                self._columns.add(column)
                self.distinct_columns += _column_bytes(frame.index if name == "row_id" else frame[name])
        self.add_again(address)


def _gzipped_csv_bytes(frame: pd.DataFrame) -> float:
    sample = frame.iloc[:SAMPLE_ROWS]
    if not len(sample):
        return 0.0
    packed = zlib.compress(sample.to_csv().encode(), GZIP_LEVEL)
    return len(packed) * len(frame) / len(sample)


def _parquet(table: pa.Table, **options: bool) -> bytes:
    target = io.BytesIO()
    pq.write_table(table, target, compression="zstd", **options)
    return target.getvalue()


def _column_bytes(values: pd.Series | pd.Index) -> int:
    """Return the compressed bytes of a column's values; of text, of its UTF-8 with a separator."""
    if pd.api.types.is_numeric_dtype(values.dtype) or values.dtype.kind in "mM":
        raw = np.ascontiguousarray(values.to_numpy()).tobytes()
    else:
        raw = "\0".join(values.fillna("\1").astype(str)).encode()
    return len(_COMPRESSOR.compress(raw))
