"""Peers that store the layers of a network: gzip'd HDF5 (the thesis's STORE_ALL), Zarr, ZFP and SZ3.

Each gets one layer as it was logged, float32 ``(rows, ..., units)``, and answers with the bytes that it takes.
"""

from __future__ import annotations

import io
import math
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

Values = NDArray[np.float32]
_CHUNK_BYTES = 1 << 20
_CHUNK_VALUES = 1 << 20
GZIP_LEVEL = 4


def hdf5_gzip(values: Values, *, chunks: tuple[int, ...] | bool | None = None) -> int:
    """Return the bytes of an HDF5 file with one gzip'd data set.

    Parameters
    ----------
    values
        What is stored.
    chunks
        Default whole examples, about a mebibyte; ``True`` lets h5py choose.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        chosen = whole_rows(values) if chunks is None else chunks
        file.create_dataset("values", data=values, chunks=chosen, compression="gzip", compression_opts=GZIP_LEVEL)
    return buffer.getbuffer().nbytes


def hdf5_gzip_units_first(values: Values) -> int:
    """Return the same for the units as the first axis, in chunks of whole units: fewer bytes."""
    return hdf5_gzip(np.ascontiguousarray(np.moveaxis(values, -1, 0)))


def zarr_blosc(values: Values) -> int:
    """Return the bytes of a Zarr array, format 3, Blosc with zarr's defaults (zstd 5 and a shuffle)."""
    store = MemoryStore()
    array = zarr.create_array(
        store,
        shape=values.shape,
        chunks=whole_rows(values),
        dtype=values.dtype,
        compressors=BloscCodec(),
        zarr_format=3,
    )
    array[...] = values
    return sum(len(item) for item in store._store_dict.values())


def zfp(values: Values, step: float | None) -> int:
    """Return the bytes of ZFP in accuracy mode, of all values as one line; exact where there is no step."""
    if step is None:
        return hdf5_gzip(values)
    return _bounded(values, step, hdf5plugin.Zfp(accuracy=step / 2), is_flat=True)


def sz3(values: Values, step: float | None) -> int:
    """Return the bytes of SZ3 with an absolute error, of maps in their shape; gzip where there is no step."""
    if step is None:
        return hdf5_gzip(values)
    return _bounded(values, step, hdf5plugin.SZ3(absolute=step / 2), is_flat=False)


def step_of_scheme(scheme: str) -> float | None:
    """Return the step of ``bounded(E)`` in standard deviations, ``None`` for what is kept exactly.

    Raises
    ------
    ValueError
        If the scheme is neither.
    """
    text = scheme.strip().lower()
    if text == "lossless":
        return None
    if text.startswith("bounded(") and text.endswith(")"):
        return float(text.removeprefix("bounded(").removesuffix(")"))
    raise ValueError(f"scheme {scheme!r} has no bound that a peer could be given")


def whole_rows(values: NDArray[Any]) -> tuple[int, ...]:
    """Return chunks of whole rows, about a mebibyte each."""
    rows = _CHUNK_BYTES // max(1, values[:1].nbytes)
    return (max(1, min(len(values), rows)), *values.shape[1:])


def _bounded(values: Values, step: float, filters: Any, *, is_flat: bool) -> int:
    """Encode values over their unit's standard deviation, and check that the bound of half a step holds."""
    units_first = np.moveaxis(values, -1, 0).astype(np.float32)
    deviations = units_first.reshape(len(units_first), -1).std(axis=1, dtype=np.float64)
    shape = (-1,) + (1,) * (units_first.ndim - 1)
    scaled = units_first / np.where(deviations > 0, deviations, 1).astype(np.float32).reshape(shape)
    array = np.ascontiguousarray(scaled.reshape(-1) if is_flat else scaled)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("values", data=array, chunks=_chunks(array.shape), **filters)
    with h5py.File(buffer, "r") as file:
        worst = float(np.abs(file["values"][()].astype(np.float64) - array).max())
    if not worst <= step / 2 * 1.0001:
        raise RuntimeError(f"{type(filters).__name__} was off by {worst}, more than {step / 2}")
    return buffer.getbuffer().nbytes


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return chunks of whole leading rows, about a million values each."""
    return (max(1, min(shape[0], _CHUNK_VALUES // math.prod(shape[1:]))), *shape[1:])
