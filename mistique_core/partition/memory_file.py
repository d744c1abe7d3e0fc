"""An HDF5 file in memory, kept there by HDF5 itself: one behind a Python object calls Python back for every page."""

from __future__ import annotations

import ctypes
import io
from collections.abc import Callable
from functools import cache
from itertools import count

import h5py

_NUMBERS = count()
_GROWS_BY = 64 * 1024  # HDF5 clears what it adds: a small file must not pay for a large one
_VERSION = (h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)


class MemoryFile:
    """A new file, whose pages lie in the order in which they are written.

    Attributes
    ----------
    file
        Open for writing.
    """

    def __init__(self) -> None:
        creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
        creation.set_obj_track_times(False)
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        access.set_libver_bounds(*_VERSION)
        self._buffer: io.BytesIO | None = None
        if not _keeps_order(access):
            self._buffer = io.BytesIO()
            access.set_fileobj_driver(h5py.h5fd.fileobj_driver, self._buffer)
        name = f"partition {next(_NUMBERS)}".encode()  # HDF5 refuses to open two of one name
        self.file = h5py.File(h5py.h5f.create(name, h5py.h5f.ACC_TRUNC, creation, access))

    def finish(self) -> bytes:
        """Return the bytes of the file, and close it."""
        if self._buffer is not None:
            self.file.close()
            return self._buffer.getvalue()
        self.file.flush()
        data = bytes(self.file.id.get_file_image())
        self.file.close()
        return data


def _keeps_order(access: h5py.h5p.PropFAID) -> bool:
    """Let HDF5 keep the file, and return whether it then writes one page after the other.

    By itself it sets aside blocks for small pages, and fills what is left of one with pages that come later.
    """
    setter = _small_block_setter()
    if setter is None or setter(access.id, 0) < 0:
        return False
    access.set_fapl_core(_GROWS_BY, False)
    return True


@cache
def _small_block_setter() -> Callable[[int, int], int] | None:
    """Return a function of the HDF5 library which h5py has no call for; ``None`` where it is not to be had.

    It takes the lock that h5py holds in every call, for HDF5 must not be in two threads at once: without it, a thread
    that was writing pages met errors, or the process ended.
    """
    try:
        from h5py._objects import phil

        function = ctypes.CDLL(h5py.h5p.__file__).H5Pset_small_data_block_size
    except (ImportError, OSError, AttributeError):
        return None
    function.argtypes, function.restype = [ctypes.c_int64, ctypes.c_uint64], ctypes.c_int

    def set_size(properties: int, size: int) -> int:
        with phil:
            return int(function(properties, size))

    return set_size
