"""A second reader of partitions of format version 2, from the documented formulas: h5py and NumPy only."""

import functools
import io
import json
import operator
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 (registers the zstd filter)
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def read_all(data: bytes) -> dict[str, Array]:
    """Return address in hex -> array, of every chunk."""
    with h5py.File(io.BytesIO(data), "r") as file:
        assert file.attrs["mistique_format"] == 2
        group = file["chunks"]
        return {name: read_chunk(group, name) for name in group if not name.endswith(".table")}


def read_chunk(group: h5py.Group, name: str) -> Array:
    """Return the array of one chunk."""
    dataset = group[name]
    codes = dataset[()]
    if "codec" not in dataset.attrs:
        return codes
    document = json.loads(bytes(dataset.attrs["codec"]))
    transform, dtype = document["transform"], np.dtype(document["dtype"])
    assert np.dtype(transform["dtype"]) == codes.dtype
    if "bits" in transform:
        codes = bits_of(codes, transform["bits"])[: document["shape"][0]]
    table = group[name + ".table"][()] if name + ".table" in group else None
    if transform["kind"] == "decimal":
        return decimal(transform, codes, dtype)
    if transform["kind"] == "offset":
        return offset(transform, codes, dtype)
    if transform["kind"] == "dictionary":
        return table[codes]
    if transform["kind"] == "digits":
        return digits(transform, codes, table, dtype, tuple(document["shape"]))
    if transform["kind"] == "sparse":
        return sparse(codes, table, dtype, tuple(document["shape"]))
    if transform["kind"] == "delta":
        words = codes if table is None else table[codes]
        return delta(read_chunk(group, transform["delta"]), words, transform.get("scale", 1))
    if transform["kind"] == "plain":
        return codes.view(dtype)
    raise AssertionError(f"unknown transform {transform['kind']}")


def bits_of(packed: Array, bits: int) -> Array:
    """Return the codes of bytes, the lowest bits first."""
    ones = np.unpackbits(packed, bitorder="little").reshape(-1, bits)
    return np.packbits(ones, axis=1, bitorder="little").reshape(-1)


def decimal(transform: dict[str, Any], codes: Array, dtype: np.dtype) -> Array:
    """(code + base) / scale in float64, then rounded to the dtype; codes from `top` on name bit patterns."""
    with np.errstate(over="ignore"):
        values = ((codes.astype("f8") + transform.get("base", 0)) / transform.get("scale", 1)).astype(dtype)
    if "top" in transform:
        patterns = np.array(transform["exceptions"], f"u{dtype.itemsize}").view(dtype)
        for row in np.flatnonzero(codes >= transform["top"]):
            values[row] = patterns[int(codes[row]) - transform["top"]]
    return values


def offset(transform: dict[str, Any], codes: Array, dtype: np.dtype) -> Array:
    """Code + base, exactly."""
    return np.array([int(code) + transform.get("base", 0) for code in codes], dtype)


def sparse(codes: Array, table: Array | None, dtype: np.dtype, shape: tuple[int, ...]) -> Array:
    """One bit a value, the highest bit of a byte first; the values whose bit is set, in order; the others are zero."""
    values = np.zeros(int(np.prod(shape)), dtype)
    following = iter([] if table is None else table)
    for place in range(values.size):
        if codes[place // 8] >> (7 - place % 8) & 1:
            values[place] = next(following)
    return values.reshape(shape)


def digits(
    transform: dict[str, Any], codes: Array, table: Array | None, dtype: np.dtype, shape: tuple[int, ...]
) -> Array:
    """Digits of two bits; where the digit is 3, one more digit; where that is 3 too, a byte."""
    size = int(np.prod(shape))
    values = unpack(codes, size).astype("i8")
    count = int((values == 3).sum())
    further = np.empty(0, "u1") if table is None else table
    rest = unpack(further[: -(-count // 4)], count).astype("i8")
    rest[rest == 3] += further[-(-count // 4) :]
    values[values == 3] += rest
    if transform.get("base", 0):
        values = np.where(values % 2, -(values + 1) // 2, values // 2)
    return values.astype("u1" if not transform.get("base", 0) else "i1").view(dtype).reshape(shape)


def unpack(packed: Array, size: int) -> Array:
    """Return the digits of bytes, the lowest two bits first."""
    return np.stack([packed >> shift & 3 for shift in (0, 2, 4, 6)], axis=1).reshape(-1)[:size]


def delta(base: Array, codes: Array, scale: int) -> Array:
    """Return the chunk that differs from `base` by `codes`, with Python's integers."""
    width = base.dtype.itemsize
    bits = 8 * width
    mask, top = (1 << bits) - 1, 1 << (bits - 1)

    def signed(word: int) -> int:
        return word - (mask + 1) if word & top else word

    def swap(word: int) -> int:
        if base.dtype.kind != "f":
            return word
        return (
            exchange(word, base.dtype, scale) if scale and width > 2 else (-word & mask) | top if word & top else word
        )

    start = [swap(int(word)) for word in base.reshape(-1).view(f"u{width}")]
    used = functools.reduce(operator.or_, start, 0)
    zeros = (used & -used).bit_length() - 1 if used else 0
    words = []
    for word, code in zip(start, codes.reshape(-1).tolist(), strict=True):
        short = (signed(word) >> zeros ^ word << (bits - zeros)) & mask if zeros else word
        short = (short + (code >> 1 ^ -(code & 1))) & mask
        if zeros:
            high = signed(short << zeros & mask) >> zeros
            low = ((short ^ high) & mask) >> (bits - zeros)
            short = (high << zeros | low) & mask
        words.append(swap(short))
    return np.array(words, f"u{width}").view(base.dtype).reshape(base.shape)


def exchange(word: int, dtype: np.dtype, scale: int) -> int:
    """Exchange the bits of a decimal with the whole number of steps that it stands for."""
    width = dtype.itemsize
    bits, most = 8 * width, {4: 1 << 22, 8: 1 << 50}[width]

    def of_steps(steps: int) -> int:
        return int(np.array(steps / scale, "f8").astype(dtype).view(f"u{width}"))

    steps = word - (1 << bits) if word >> (bits - 1) else word
    if -most < steps < most:
        return of_steps(steps)
    value = float(np.array(word, f"u{width}").view(dtype))
    if np.isfinite(value) and abs(value * scale) < most:
        steps = round(value * scale)
        if abs(steps) < most and of_steps(steps) == word:
            return steps & ((1 << bits) - 1)
    return word
