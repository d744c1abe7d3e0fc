"""The compiled compressor of pages, or ``None`` where it was not built, has no Zstandard or is switched off.

As the reader (:mod:`mistique_core.native.pages`) it calls the Zstandard library that hdf5plugin brings. Where that is
not to be had, or with ``MISTIQUE_KERNELS=off``, :mod:`mistique_core.partition.pages` does the same with NumPy and the
package zstandard.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from mistique_core.native.compiled import load_compiled

_FUNCTIONS = (
    "ZSTD_createCCtx",
    "ZSTD_freeCCtx",
    "ZSTD_CCtx_setParameter",
    "ZSTD_CCtx_setPledgedSrcSize",
    "ZSTD_compress2",
    "ZSTD_compressStream2",
    "ZSTD_compressBound",
    "ZSTD_isError",
)

AS_THEY_ARE, PLANES, PLANES_APART = range(3)
"""How the bytes of a page become a frame: in their order; as byte planes; as byte planes, each in blocks of its own."""


class PageCompressor(Protocol):
    """What ``_compressor.c`` defines."""

    def use_zstd(self, *addresses: int) -> None:
        """Take the addresses of :data:`_FUNCTIONS`."""

    def compress(
        self, data: npt.NDArray[Any], itemsize: int, page_bytes: int, parameters: bytes, mode: int
    ) -> list[bytes] | None:
        """Return one frame for each page; the last page is filled up with zeros.

        Parameters
        ----------
        data
            Contiguous bytes of the codes.
        itemsize
            Bytes of a code, of which `page_bytes` and the bytes of `data` are multiples.
        page_bytes
            Bytes of a page.
        parameters
            int32 pairs: a parameter of Zstandard, by the number that it has in ``zstd.h``, and its value.
        mode
            One of the three above.

        Returns
        -------
        list of bytes or None
            ``None`` where it cannot be done here: a page is too long, or Zstandard refuses the parameters.
        """


page_compressor: PageCompressor | None = load_compiled("_compressor", _FUNCTIONS)
