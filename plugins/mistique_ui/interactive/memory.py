"""Large arrays go back to the operating system when they are let go."""

from __future__ import annotations

import ctypes
import logging

log = logging.getLogger(__name__)

LARGE_BYTES = 1024 * 1024
"""Allocations of this size or more are mappings of their own."""
_M_MMAP_THRESHOLD = -3


def return_large_arrays() -> bool:
    """Have the C library map every large allocation by itself, so that freeing it shrinks the process.

    By itself glibc raises the bound to the size of the largest mapping that was freed, up to 32 MB. Then columns of
    millions of rows are taken from the heap of whichever thread reads them, between small objects that stay, and a web
    server of several threads keeps the room of each.

    Returns
    -------
    bool
        Whether the C library has such a bound.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError) as error:
        log.debug("the C library has no mallopt (%s): memory of large arrays may stay with the web server", error)
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES))
