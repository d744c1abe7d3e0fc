"""Systems that store activations behind the same few calls: the peers that ours is measured against.

A system gets one float32 array ``(rows, height, width, units)`` or ``(rows, units)`` a layer and keeps each
below one folder. Its reader answers: one example of a layer, one unit of a layer, a whole layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import h5py
import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from numpy.typing import NDArray

from benchmarks.vgg16 import SHAPES

Values = NDArray[np.float32]
_CHUNK_BYTES = 1 << 20
_ROW_GROUP = 100


class Reader(Protocol):
    """Answers questions about the layers that it was opened for."""

    def example(self, layer: int, row: int) -> Values:
        """Return one example, ``(height, width, units)`` or ``(units,)``."""

    def unit(self, layer: int, unit: int) -> Values:
        """Return one unit of all examples, ``(rows, height, width)`` or ``(rows,)``."""

    def layer(self, layer: int) -> Values:
        """Return everything."""

    def close(self) -> None:
        """Let go of what is open."""


class System:
    """One way to store activations, below `folder`.

    Attributes
    ----------
    label, how
        Name, and what exactly it does, for the report.
    """

    label: ClassVar[str]
    how: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def start(self) -> None:
        """Get ready to write; not part of the measured time."""

    def write(self, layer: int, values: Values) -> None:
        """Store one layer."""
        raise NotImplementedError

    def finish(self) -> None:
        """End writing; part of the measured time."""

    def reader(self, layers: Sequence[int]) -> Reader:
        """Open what was written of `layers`."""
        raise NotImplementedError

    def stored_bytes(self) -> int:
        """Return the bytes of all files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


def _chunk(values: Values) -> tuple[int, ...]:
    """Return chunks of whole examples, about a mebibyte of float32 each."""
    rows = _CHUNK_BYTES // max(1, values[:1].nbytes)
    return (max(1, min(len(values), rows)), *values.shape[1:])


class Hdf5Gzip(System):
    """One HDF5 file a layer."""

    label = "hdf5 gzip"
    how = "h5py, float32 as logged, chunks of whole examples (1 MiB), gzip level 4, read without the chunk cache"

    def write(self, layer: int, values: Values) -> None:
        with h5py.File(self.folder / f"{layer}.h5", "w") as file:
            file.create_dataset("values", data=values, chunks=_chunk(values), compression="gzip")

    def reader(self, layers: Sequence[int]) -> Reader:
        return _Hdf5Reader({layer: h5py.File(self.folder / f"{layer}.h5", rdcc_nbytes=0) for layer in layers})


class Hdf5GzipUnitsFirst(Hdf5Gzip):
    """The same with the axes in the order in which gzip needs fewer bytes."""

    label = "hdf5 gzip, units first"
    how = "as hdf5 gzip, transposed to (units, rows, height, width) before writing, chunks of whole units"

    def write(self, layer: int, values: Values) -> None:
        super().write(layer, np.ascontiguousarray(np.moveaxis(values, -1, 0)))

    def reader(self, layers: Sequence[int]) -> Reader:
        raise NotImplementedError("measured for its bytes only")


class _ArrayReader:
    """Reads arrays that are sliced like NumPy's."""

    def __init__(self, arrays: dict[int, Any]) -> None:
        self._arrays = arrays

    def example(self, layer: int, row: int) -> Values:
        return np.asarray(self._arrays[layer][row])

    def unit(self, layer: int, unit: int) -> Values:
        return np.asarray(self._arrays[layer][..., unit])

    def layer(self, layer: int) -> Values:
        return np.asarray(self._arrays[layer][...])

    def close(self) -> None:
        self._arrays.clear()


class _Hdf5Reader(_ArrayReader):
    def __init__(self, files: dict[int, h5py.File]) -> None:
        super().__init__({layer: file["values"] for layer, file in files.items()})
        self._files = files

    def close(self) -> None:
        super().close()
        for file in self._files.values():
            file.close()


class Zarr(System):
    """One Zarr array (format 3) a layer."""

    label = "zarr v3 zstd"
    how = "zarr, float32 as logged, chunks of whole examples (1 MiB), default codec (zstd)"

    def write(self, layer: int, values: Values) -> None:
        array = zarr.create_array(
            self.folder / str(layer), shape=values.shape, chunks=_chunk(values), dtype=values.dtype, zarr_format=3
        )
        array[...] = values

    def reader(self, layers: Sequence[int]) -> Reader:
        return _ArrayReader({layer: zarr.open_array(self.folder / str(layer), mode="r") for layer in layers})


def _table(values: Values) -> pa.Table:
    """Return one column of fixed-size lists, a list an example."""
    flat = pa.array(values.reshape(-1))
    return pa.table({"values": pa.FixedSizeListArray.from_arrays(flat, values[:1].size)})


def _examples(column: Any, layer: int) -> Values:
    """Return a column of fixed-size lists in the shape of the layer."""
    combined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    chunks = combined.chunks if isinstance(combined, pa.ChunkedArray) else [combined]
    flat = np.concatenate([chunk.flatten().to_numpy() for chunk in chunks]) if chunks else np.empty(0, np.float32)
    return np.asarray(flat.reshape(-1, *SHAPES[layer]))


class _TableReader:
    """Reads a table with a list an example; a unit costs reading the whole layer."""

    def __init__(self, tables: dict[int, Any]) -> None:
        self._tables = tables

    def example(self, layer: int, row: int) -> Values:
        raise NotImplementedError

    def unit(self, layer: int, unit: int) -> Values:
        return np.ascontiguousarray(self.layer(layer)[..., unit])

    def layer(self, layer: int) -> Values:
        raise NotImplementedError

    def close(self) -> None:
        self._tables.clear()


class Parquet(System):
    """One Parquet file a layer, one list an example."""

    label = "parquet zstd"
    how = f"pyarrow, a fixed-size list of float32 an example, zstd, row groups of {_ROW_GROUP} examples"

    def write(self, layer: int, values: Values) -> None:
        pq.write_table(_table(values), self._path(layer), compression="zstd", row_group_size=_ROW_GROUP)

    def _path(self, layer: int) -> Path:
        return self.folder / f"{layer}.parquet"

    def reader(self, layers: Sequence[int]) -> Reader:
        return _ParquetReader({layer: pq.ParquetFile(self._path(layer)) for layer in layers})


class _ParquetReader(_TableReader):
    def example(self, layer: int, row: int) -> Values:
        group = self._tables[layer].read_row_group(row // _ROW_GROUP)
        return np.asarray(_examples(group.column(0).slice(row % _ROW_GROUP, 1), layer)[0])

    def layer(self, layer: int) -> Values:
        return _examples(self._tables[layer].read().column(0), layer)

    def close(self) -> None:
        for file in self._tables.values():
            file.close()
        super().close()


class Lance(System):
    """One Lance data set a layer, one list an example."""

    label = "lance"
    how = "lance.write_dataset with defaults, a fixed-size list of float32 an example"

    def write(self, layer: int, values: Values) -> None:
        lance.write_dataset(_table(values), str(self.folder / str(layer)))

    def reader(self, layers: Sequence[int]) -> Reader:
        return _LanceReader({layer: lance.dataset(str(self.folder / str(layer))) for layer in layers})


class _LanceReader(_TableReader):
    def example(self, layer: int, row: int) -> Values:
        return np.asarray(_examples(self._tables[layer].take([row]).column(0), layer)[0])

    def layer(self, layer: int) -> Values:
        return _examples(self._tables[layer].to_table().column(0), layer)


PEERS: tuple[type[System], ...] = (Hdf5Gzip, Hdf5GzipUnitsFirst, Parquet, Zarr, Lance)
