"""The compiled reader of pages, or ``None`` where it was not built, has no Zstandard or is switched off.

It calls the Zstandard library that hdf5plugin brings for HDF5, through the addresses of four of its functions. Where
one of them is not to be had, or with ``MISTIQUE_KERNELS=off``, :mod:`mistique_core.partition` does the same with
NumPy and the package zstandard.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from mistique_core.native.compiled import load_compiled

Buffer = npt.NDArray[Any]
Frame = bytes | memoryview
Piece = tuple[int, int, int]
Job = tuple[bytes, int, bytes, Buffer, Buffer | None]
ChunkRows = tuple[int, bytes, bytes, bytes]
ColumnRows = tuple[Buffer, Buffer | None, list[ChunkRows]]

_FUNCTIONS = ("ZSTD_createDCtx", "ZSTD_decompressDCtx", "ZSTD_getFrameContentSize", "ZSTD_findFrameCompressedSize")


class PageKernels(Protocol):
    """What ``_pages.c`` defines. ``spec`` is what :func:`mistique_core.partition.page_spec.page_spec` returned."""

    def use_zstd(self, create: int, decompress: int, content: int, extent: int) -> None:
        """Take the addresses of :data:`_FUNCTIONS`."""

    def decode(self, spec: bytes, frames: list[Frame] | list[Piece], out: Buffer, descriptor: int) -> bool:
        """Fill `out` with the values of a whole chunk.

        Parameters
        ----------
        spec
            How it is encoded.
        frames
            That of its table, if it has one, and those of its pages: their bytes, which the caller has compared with
            their checksums; or (offset, size, checksum or -1) in an open file.
        out
            Contiguous array.
        descriptor
            The open file; -1 for bytes.

        Returns
        -------
        bool
            Whether every frame is whole and every code means a value; else `out` holds anything.
        """

    def points(self, jobs: list[Job], frames: list[Frame] | list[Piece], descriptor: int) -> int:
        """Fill in the values at some rows of many chunks.

        Parameters
        ----------
        jobs
            For each chunk its spec, the number of its first frame, its cuts (int64 triples: page of its frames, from 0
            and after that of the table; row in the page; place to fill), what is filled with values, and what is
            filled with the sums of the codes before each row in its page (int64), if they are wanted.
        frames
            Of all chunks, one after the other, as in :meth:`decode`.
        descriptor
            The open file; -1 for bytes.

        Returns
        -------
        int
            -1, or the number of the first job of which a frame or code is damaged.
        """

    def rows(self, columns: list[ColumnRows]) -> int:
        """Fill in the values at some rows of many columns whose chunks are read from open files.

        Parameters
        ----------
        columns
            For each what is filled with values; what is filled with the sums of the codes before each row in its page
            (int64), if they are wanted; and of each chunk that holds a row the descriptor, the two items of
            :attr:`~mistique_core.partition.ChunkLocation.for_rows`, and its cuts: at most 64 int64 pairs of a row in it
            and the place to fill, a page's one after the other.

        Returns
        -------
        int
            How many bytes were read, of each page once; -1 where a frame or code is damaged.
        """

    def spans(self, columns: list[ColumnRows]) -> int:
        """As :meth:`rows` for chunks of plain bytes.

        The cuts are int64 triples: first byte, number of bytes, place of the first one. There are no sums.
        """


page_kernels: PageKernels | None = load_compiled("_pages", _FUNCTIONS)
