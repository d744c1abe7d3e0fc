"""Systems that store tables behind the same few calls: ours, and the peers it is measured against.

A system gets one frame a stage and keeps each in a form of its own below one folder. Its reader then
answers three questions: one column, some rows of all columns, a whole frame.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import h5py
import lance
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import zarr

from mistique_core import Mistique

CHUNK_ROWS = 65_536
PROJECT, MODEL = "zillow", "pipeline"
Rows = npt.NDArray[np.int64]


class Reader(Protocol):
    """Answers questions about the stages that it was opened for; rows are positions from 0."""

    def column(self, stage: str, name: str) -> Any:
        """Return all values of one column."""

    def rows(self, stage: str, rows: Rows) -> pd.DataFrame:
        """Return `rows` of all columns, in that order."""

    def frame(self, stage: str) -> pd.DataFrame:
        """Return everything."""

    def close(self) -> None:
        """Let go of what is open."""


class System:
    """One way to store tables, below `folder`.

    Attributes
    ----------
    label, how
        Name, and what exactly it does, for the report.
    is_durable
        Whether a write has reached the disk when it returns.
    """

    label: ClassVar[str]
    how: ClassVar[str]
    is_durable: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self) -> None:
        """Get ready to write into a new folder; not part of the measured time."""
        self.folder.mkdir(parents=True)

    def begin(self) -> None:
        """Begin writing; part of the measured time."""

    def write(self, stage: str, frame: pd.DataFrame) -> None:
        """Store one frame."""
        raise NotImplementedError

    def finish(self) -> None:
        """End writing; part of the measured time."""

    def reader(self, stages: Sequence[str]) -> Reader:
        """Open what was written of `stages`."""
        raise NotImplementedError

    def stored_bytes(self) -> int:
        """Return the bytes of all files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


class Ours(System):
    """The store, through its public interface, in one run."""

    label = "mistique"
    how = (
        "one run, log_frame a stage, close; every partition is fsynced and every stage is a transaction (SQLite, "
        "synchronous=FULL); bytes include the catalogue; read with cache_bytes=0; opened: store.prefetch of all stages"
    )
    is_durable = True
    settings: ClassVar[dict[str, Any]] = {"cache_bytes": 0}

    def start(self) -> None:
        super().start()
        self._store = Mistique.open(self.folder)

    def begin(self) -> None:
        self._run = self._store.run(PROJECT, MODEL)

    def write(self, stage: str, frame: pd.DataFrame) -> None:
        self._run.log_frame(stage, frame)

    def finish(self) -> None:
        self._run.finish()
        self._store.close()

    def reader(self, stages: Sequence[str]) -> Reader:
        store = Mistique.open(self.folder, **self.settings)
        if len(stages) > 1:  # opened for many reads; a cold read has one stage
            self.prepare(store, stages)
        return OurReader(store)

    def prepare(self, store: Mistique, stages: Sequence[str]) -> None:
        """Look up what opening their files has told the peers."""
        store.prefetch([f"{PROJECT}.{MODEL}.{stage}" for stage in stages])


class OursSession(Ours):
    """The same through a session, which makes all stages of one process durable and visible together."""

    label = "mistique, session"
    how = (
        "one run, log_frame of a session a stage, the session's end, close; everything is fsynced and visible, in one "
        "transaction, when the session has ended"
    )

    def begin(self) -> None:
        super().begin()
        self._session = self._store.session()

    def write(self, stage: str, frame: pd.DataFrame) -> None:
        self._session.log_frame(self._run, stage, frame)

    def finish(self) -> None:
        with self._session:
            pass
        super().finish()


class OursApart(Ours):
    """The same for frames that share no memory, as if each had been made in a process of its own."""

    label = "mistique, frames apart"
    how = "as mistique, but no two frames share memory, not even the strings of their text columns"


class OursCached(Ours):
    """The same with decoded chunks kept in memory between reads."""

    label = "mistique, cache on"
    how = "as mistique; decoded chunks stay in memory (default cache_bytes) from one read to the next"
    settings: ClassVar[dict[str, Any]] = {}


class OursUnprepared(Ours):
    """The same when nothing was looked up before a question."""

    label = "mistique, nothing prefetched"
    how = "as mistique; each question about a column that is new looks up where its chunks lie"

    def prepare(self, store: Mistique, stages: Sequence[str]) -> None:
        pass


class OurReader:
    """Reads an opened store."""

    def __init__(self, store: Mistique) -> None:
        self.store = store

    def _get(self, key: str, **selection: Any) -> pd.DataFrame:
        return self.store.get_intermediates(f"{PROJECT}.{MODEL}.{key}", strategy="read", **selection).to_pandas()

    def column(self, stage: str, name: str) -> Any:
        return self._get(f"{stage}.{name}")[name]

    def rows(self, stage: str, rows: Rows) -> pd.DataFrame:
        return self._get(stage, row_id=rows)

    def frame(self, stage: str) -> pd.DataFrame:
        return self._get(stage)

    def close(self) -> None:
        self.store.close()


class Parquet(System):
    """One Parquet file a stage."""

    label = "parquet zstd"
    how = "pyarrow.parquet.write_table(compression='zstd'), default level and row groups"
    options: ClassVar[dict[str, Any]] = {}

    def write(self, stage: str, frame: pd.DataFrame) -> None:
        pq.write_table(pa.Table.from_pandas(frame), self.path(stage), compression="zstd", **self.options)

    def path(self, stage: str) -> Path:
        """Return the file of a stage."""
        return self.folder / f"{stage}.parquet"

    def reader(self, stages: Sequence[str]) -> Reader:
        return ParquetReader({stage: pq.ParquetFile(self.path(stage), pre_buffer=True) for stage in stages})


class ParquetLevel3(Parquet):
    """The same at Zstandard level 3."""

    label = "parquet zstd, level 3"
    how = "as parquet zstd with compression_level=3"
    options: ClassVar[dict[str, Any]] = {"compression_level": 3}


class ParquetCdc(Parquet):
    """The same with pages cut by content."""

    label = "parquet zstd, content-defined chunking"
    how = "as parquet zstd with use_content_defined_chunking=True; its bytes are also counted in 64 KiB blocks"
    options: ClassVar[dict[str, Any]] = {"use_content_defined_chunking": True}


class ParquetReader:
    """Reads opened Parquet files; rows are taken from the row groups that hold them."""

    def __init__(self, files: dict[str, pq.ParquetFile]) -> None:
        self.files = files

    def column(self, stage: str, name: str) -> Any:
        return self.files[stage].read(columns=[name]).column(name).to_pandas()

    def rows(self, stage: str, rows: Rows) -> pd.DataFrame:
        file = self.files[stage]
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        ends = np.cumsum(sizes)
        group = np.searchsorted(ends, rows, side="right")
        needed, place = np.unique(group, return_inverse=True)
        starts = np.concatenate([[0], np.cumsum(np.asarray(sizes)[needed])])[place]
        table = file.read_row_groups(needed.tolist())
        return table.take(starts + rows - (ends - sizes)[group]).to_pandas()

    def frame(self, stage: str) -> pd.DataFrame:
        return self.files[stage].read().to_pandas()

    def close(self) -> None:
        for file in self.files.values():
            file.close()


class Hdf5(System):
    """One HDF5 file a stage, one data set a column."""

    label = "hdf5 gzip"
    how = (
        f"h5py, one data set a column, chunks of {CHUNK_ROWS} rows, shuffle and gzip level 4; text as fixed-length "
        "bytes; read without the cache of decoded chunks"
    )

    def write(self, stage: str, frame: pd.DataFrame) -> None:
        with h5py.File(self.folder / f"{stage}.h5", "w") as file:
            for name, column in frame.items():
                values = column.fillna("").to_numpy().astype("S") if is_text(column) else column.to_numpy()
                chunks = (min(CHUNK_ROWS, len(values)),)
                file.create_dataset(str(name), data=values, chunks=chunks, shuffle=True, compression="gzip")

    def reader(self, stages: Sequence[str]) -> Reader:
        return Hdf5Reader({stage: h5py.File(self.folder / f"{stage}.h5", rdcc_nbytes=0) for stage in stages})


class ArrayReader:
    """Reads one array a column; `files` maps a stage to its arrays by name."""

    def __init__(self, files: dict[str, Any]) -> None:
        self.files = files

    def _values(self, array: Any) -> Any:
        raise NotImplementedError

    def _take(self, array: Any, rows: Rows) -> Any:
        raise NotImplementedError

    def column(self, stage: str, name: str) -> Any:
        return self._values(self.files[stage][name])

    def rows(self, stage: str, rows: Rows) -> pd.DataFrame:
        order = np.argsort(rows)
        back = np.argsort(order)
        data = {name: self._take(array, rows[order])[back] for name, array in self.files[stage].items()}
        return pd.DataFrame(data)

    def frame(self, stage: str) -> pd.DataFrame:
        return pd.DataFrame({name: self._values(array) for name, array in self.files[stage].items()}, copy=False)

    def close(self) -> None:
        self.files.clear()


class Hdf5Reader(ArrayReader):
    """Reads opened HDF5 files; rows by a sorted list."""

    def __init__(self, files: dict[str, h5py.File]) -> None:
        super().__init__({stage: {name: file[name] for name in file} for stage, file in files.items()})
        self._open = files

    def _values(self, array: Any) -> Any:
        return _objects(array[()])

    def _take(self, array: Any, rows: Rows) -> Any:
        return _objects(array[rows])

    def close(self) -> None:
        super().close()
        for file in self._open.values():
            file.close()


def _objects(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return fixed-length bytes as strings, NaN for empty ones; other values as they are."""
    if values.dtype.kind != "S":
        return values
    objects = np.char.decode(values, "utf-8").astype(object)
    objects[values == b""] = np.nan
    return objects


class Zarr(System):
    """One Zarr group (format 3) a stage, one array a column."""

    label = "zarr v3"
    how = (
        f"zarr, one array a column, chunks of {CHUNK_ROWS} rows, default codec (zstd); text as variable-length strings"
    )

    def write(self, stage: str, frame: pd.DataFrame) -> None:
        group = zarr.open_group(self.folder / stage, mode="w", zarr_format=3)
        for name, column in frame.items():
            text = is_text(column)
            array = group.create_array(
                str(name), shape=len(column), chunks=min(CHUNK_ROWS, len(column)), dtype=str if text else column.dtype
            )
            array[:] = column.fillna("").to_numpy().astype(array.dtype) if text else column.to_numpy()

    def reader(self, stages: Sequence[str]) -> Reader:
        groups = {stage: zarr.open_group(self.folder / stage, mode="r") for stage in stages}
        return ZarrReader({stage: dict(group.arrays()) for stage, group in groups.items()})


class ZarrReader(ArrayReader):
    """Reads opened Zarr arrays; rows by orthogonal selection."""

    def _values(self, array: Any) -> Any:
        return _from_zarr(array[:])

    def _take(self, array: Any, rows: Rows) -> Any:
        return _from_zarr(array.oindex[rows])


def _from_zarr(values: Any) -> npt.NDArray[Any]:
    if values.dtype.kind not in "TO":
        return np.asarray(values)
    objects = np.asarray(values).astype(object)
    objects[objects == ""] = np.nan
    return objects


class Lance(System):
    """One Lance data set a stage."""

    label = "lance"
    how = "lance.write_dataset with defaults"

    def write(self, stage: str, frame: pd.DataFrame) -> None:
        lance.write_dataset(pa.Table.from_pandas(frame), str(self.folder / stage))

    def reader(self, stages: Sequence[str]) -> Reader:
        return LanceReader({stage: lance.dataset(str(self.folder / stage)) for stage in stages})


class LanceReader:
    """Reads opened Lance data sets; rows by ``take``."""

    def __init__(self, files: dict[str, Any]) -> None:
        self.files = files

    def column(self, stage: str, name: str) -> Any:
        return self.files[stage].to_table(columns=[name]).column(name).to_pandas()

    def rows(self, stage: str, rows: Rows) -> pd.DataFrame:
        return self.files[stage].take(rows).to_pandas().drop(columns="row_id", errors="ignore")

    def frame(self, stage: str) -> pd.DataFrame:
        return self.files[stage].to_table().to_pandas().drop(columns="row_id", errors="ignore")

    def close(self) -> None:
        self.files.clear()


def is_text(column: pd.Series[Any]) -> bool:
    """Return whether a column holds strings."""
    return not isinstance(column.dtype, np.dtype) or column.dtype == object


def sync_tree(folder: Path) -> None:
    """Wait until all files and folders below `folder` are on the disk."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
