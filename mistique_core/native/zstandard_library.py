"""Functions of the Zstandard library that hdf5plugin brings for HDF5, for compiled code to call."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path


def addresses_of(names: Sequence[str]) -> list[int] | None:
    """Return the addresses of functions; the library stays loaded.

    Parameters
    ----------
    names
        As in ``zstd.h``.

    Returns
    -------
    list of int or None
        ``None`` where the library or one of the functions is not to be had.
    """
    plugin = find_spec("hdf5plugin")
    for folder in () if plugin is None else plugin.submodule_search_locations or ():
        for path in Path(folder, "plugins").glob("libh5zstd.*"):
            try:
                library = ctypes.CDLL(str(path))
                functions = [getattr(library, name) for name in names]
            except (OSError, AttributeError):
                continue
            return [ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions]
    return None
