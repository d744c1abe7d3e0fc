"""The compiled kernels, or ``None`` where they were not built or are switched off.

They are built on installation where there is a C compiler. Each caller has the same in NumPy, which gives the
same bits in more passes over the values. ``MISTIQUE_KERNELS=off`` switches them off.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from mistique_core.native.compiled import load_compiled

Buffer = npt.NDArray[Any]


class Kernels(Protocol):
    """What ``_kernels.c`` defines; buffers are contiguous, and those that are filled come last."""

    def decimal_scan(
        self, values: Buffer, itemsize: int, scale: float, whole: Buffer
    ) -> tuple[float, float, tuple[int, ...]] | None:
        """Fill `whole` (float64) with ``values * scale`` where that is exact, else NaN.

        Returns
        -------
        tuple or None
            Smallest and largest of `whole`, and the bit patterns of the others, at most 16 and in order of
            occurrence; ``None`` where there are more, or no decimal at all.
        """

    def decimal_codes(
        self, values: Buffer, itemsize: int, whole: Buffer, base: float, top: float, patterns: Buffer, codes: Buffer,
        width: int,
    ) -> None:  # fmt: skip
        """Fill `codes`, `width` bytes each: ``whole - base``, or ``top`` and the place of a pattern (uint64)."""

    def decimal_sample(
        self, sample: Buffer, itemsize: int, scales: Buffer, most_bad: int, most_patterns: int
    ) -> tuple[int, float, float] | None:
        """Return the first of `scales` (float64) of which a sample's values are decimals.

        Of the values that are not, the first `most_bad` are looked at, and may have `most_patterns` different bit
        patterns, at most 16.

        Returns
        -------
        tuple or None
            Its place from 0, and the smallest and largest of the whole numbers; ``None`` if there is no such scale.
        """

    def swap_decimals(self, words: Buffer, itemsize: int, scale: float, most: int, swapped: Buffer) -> None:
        """Fill `swapped` with :func:`mistique_core.dedup.decimals.swap_decimals` of `words`."""

    def factorize(self, words: Buffer, itemsize: int, positions: Buffer, found: Buffer) -> int:
        """Fill `found` with the different words in order of occurrence, `positions` (uint16) with where each is.

        Returns
        -------
        int
            How many there are; -1 where `found` has no room for them.
        """

    def gather(self, text: Buffer, ends: Buffer, codes: Buffer, gathered: Buffer) -> None:
        """Fill `gathered` with the strings that `codes` (int64) name, which end at `ends` (int64) of `text`."""

    def distinct(self, text: Buffer, ends: Buffer, firsts: Buffer, codes: Buffer) -> int:
        """Number the different strings in order of occurrence.

        Parameters
        ----------
        text, ends
            String i has the bytes of `text` from ``ends[i]`` to ``ends[i + 1]`` (int64).
        firsts
            Filled with the first row of each (int32).
        codes
            Filled with the number of each row (int32).

        Returns
        -------
        int
            How many there are; -1 where `firsts` has no room for them, or `ends` do not ascend within `text`.
        """

    def interleave(self, pieces: list[Buffer], itemsize: int, out: Buffer) -> None:
        """Fill `out` with the first item of each piece, then the second of each, and so on."""

    def split_zeros(self, words: Buffer, itemsize: int, packed: Buffer, kept: Buffer) -> int:
        """Fill `packed` with a bit for each word that is not zero, the first highest, and `kept` with these words.

        Parameters
        ----------
        words
            Words of 2, 4 or 8 bytes.
        itemsize
            Their bytes.
        packed
            One bit a word, the last byte filled up with 0.
        kept
            As long as `words`.

        Returns
        -------
        int
            How many are not zero; what `kept` holds after them means nothing.
        """

    def split_digits(self, values: Buffer, packed: Buffer, rest: Buffer) -> int:
        """Fill `packed` with the two low digits of bytes, and `rest` with those from 3 on, less 3.

        Parameters
        ----------
        values
            Bytes.
        packed
            The smaller of each and 3, four to a byte, the first lowest.
        rest
            As long as `values`.

        Returns
        -------
        int
            How many are 3 or more; what `rest` holds after them means nothing.
        """

    def bin_codes(
        self,
        values: Buffer,
        before: Buffer,
        firsts: Buffer,
        seconds: Buffer | None,
        crowded: Buffer | None,
        edges: Buffer,
        codes: Buffer,
        shift: int,
        base: int,
        is_signed: bool,
    ) -> None:
        """Fill `codes` (uint8) with the bins of `values` (float32), by the tables of :mod:`.quantizers.bins`.

        Parameters
        ----------
        values
            Numbers without NaN.
        before, firsts, seconds, crowded
            Of each cell: edges below it (uint8), the first and the second edge in it (float32), whether it has more.
        edges
            All edges, float32.
        codes
            As many as values.
        shift, base, is_signed
            The cell of a number is its bit pattern, as an integer with or without a sign, shifted, less the base.
        """

    def add_errors(self, values: Buffer, codes: Buffer, levels: Buffer, skipped: Buffer, sums: Buffer) -> None:
        """Add the squared differences of values and their levels to `sums`, unit after unit.

        Parameters
        ----------
        values
            float32 (units, positions).
        codes
            uint8, as many.
        levels, skipped
            Of each of 256 codes: its level (float32), and whether its values count nothing (uint8).
        sums
            float32 (positions,).
        """

    def places_of(self, codes: Buffer, first: int, second: int, places: Buffer) -> int:
        """Fill `places` (int64, as many as codes) with the places of two bytes, and return how many there are."""


kernels: Kernels | None = load_compiled("_kernels")
