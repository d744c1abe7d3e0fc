"""Partition files of which HDF5 has nothing to say: valid files with false claims, made with h5py."""

from __future__ import annotations

import io
import json
from random import Random
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import zstandard

from benchmarks.fuzzing.mutation import mutate_value, odd_value

_ZSTD = hdf5plugin.Zstd.filter_id
_SIZES = (0, 1, 2, 7, 64, 300, 4_096, 65_536, 1 << 20, 1 << 27, (1 << 31) - 1, 1 << 33, 1 << 40, 1 << 62)
_DTYPES = ("u1", "i1", "<u2", "<u4", "<u8", "<i8", "<f2", "<f4", "<f8", ">f8", "?", "S9", "V16", "<c16")
_CLAIMED = (
    "<f8",
    "<i8",
    "|u1",
    "|b1",
    "<f2",
    "|O",
    "|V1000000000",
    "<U100000000",
    ">f8",
    "<c16",
    "<M8[ns]",
    "",
    7,
    None,
)


def forge(random: Random, data: bytes) -> bytes:
    """Return a file with one to three changed claims about its chunks, its columns or its version."""
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        for _ in range(random.choice((1, 1, 2, 3))):
            change = random.choice((_codec, _codec, _codec, _shape, _bomb, _columns, _version, _name, _table))
            if any(isinstance(file["chunks"].get(name), h5py.Dataset) for name in file["chunks"]):
                change(random, file)
    return buffer.getvalue()


def _chunk(random: Random, file: h5py.File) -> str:
    group = file["chunks"]
    return random.choice([name for name in sorted(group) if isinstance(group.get(name), h5py.Dataset)])


def _codec(random: Random, file: h5py.File) -> None:
    """Change what says how codes become values."""
    dataset = file["chunks"][_chunk(random, file)]
    if not isinstance(dataset, h5py.Dataset):
        return
    if "codec" not in dataset.attrs:
        document: Any = {"dtype": dataset.dtype.str, "transform": {"kind": "plain", "dtype": dataset.dtype.str}}
    else:
        try:
            document = json.loads(bytes(dataset.attrs["codec"]))
        except (TypeError, ValueError, RecursionError):
            return
    match random.randrange(5):
        case 0 if isinstance(document, dict):
            document = {**document, "dtype": random.choice(_CLAIMED)}
        case 1 if isinstance(document, dict):
            sizes = [random.choice((*_SIZES, -1, -7, 2.5, True)) for _ in range(random.choice((0, 1, 2, 3)))]
            document = {**document, "shape": sizes}
        case 2 if isinstance(document, dict) and isinstance(document.get("transform"), dict):
            numbers = {
                "base": random.choice((0, 1, -1, 2**63, -(2**70), 1.5)),
                "scale": random.choice((0, 1, 10, 10**6, 2**62, -1)),
                "top": random.choice((0, 1, 255, 2**40, -1, None)),
                "bits": random.choice((0, 1, 2, 3, 4, 8, 16)),
                "exceptions": random.choice(([], [0], [2**63], [2**70], [-1], ["x"], 5)),
                "kind": random.choice(("plain", "decimal", "offset", "dictionary", "digits", "sparse", "delta", "x")),
                "delta": random.choice(("ab" * 32, "AB" * 32, "", None, "cd" * 31)),
            }
            name = random.choice(sorted(numbers))
            document = {**document, "transform": {**document["transform"], name: numbers[name]}}
        case 3:
            _set(dataset, random.choice((b"", b"{", b"[" * 5_000, b"9" * 5_000, b"\xff\xfe", "text", 5, np.arange(3))))
            return
        case _:
            document = mutate_value(random, document)
    _set(dataset, json.dumps(document).encode("utf-8", "surrogatepass"))


def _set(dataset: h5py.Dataset, value: Any) -> None:
    if isinstance(value, bytes):
        value = np.array(value, f"S{max(len(value), 1)}")
    dataset.attrs["codec"] = value


def _shape(random: Random, file: h5py.File) -> None:
    """Put a dataset of another dtype or size, with or without pages, in place of a chunk."""
    name = _chunk(random, file)
    attributes = dict(file["chunks"][name].attrs) if isinstance(file["chunks"][name], h5py.Dataset) else {}
    del file["chunks"][name]
    shape = tuple(random.choice(_SIZES) for _ in range(random.choice((0, 1, 1, 1, 2))))
    dtype = np.dtype(random.choice(_DTYPES))
    # HDF5 itself makes no page of 4 GiB or more, and none that is larger than its dataset.
    pages = tuple(max(1, min(size, random.choice((1, 64, 4_096, 1 << 24)))) for size in shape)
    options: dict[str, Any] = {"chunks": pages} if shape and 0 not in shape and random.random() < 0.8 else {}
    if not options and np.prod(shape, dtype=float) > 1e6:
        options = {"chunks": tuple(min(size, 1_000) or 1 for size in shape)}
    if options and random.random() < 0.7:
        options |= {"compression": _ZSTD, "shuffle": dtype.itemsize > 1}
    try:
        made = file["chunks"].create_dataset(name, shape=shape, dtype=dtype, **options)
    except (ValueError, TypeError, OverflowError):
        return
    for attribute, value in attributes.items():
        made.attrs[attribute] = value


def _bomb(random: Random, file: h5py.File) -> None:
    """Put a page in place of a chunk that promises, and may really be, far more bytes than its frame has."""
    name = _chunk(random, file)
    del file["chunks"][name]
    size = random.choice((1 << 16, 1 << 20, 3 << 30))
    made = file["chunks"].create_dataset(name, shape=(size,), dtype="u1", chunks=(size,), compression=_ZSTD)
    made.id.write_direct_chunk((0,), bomb(size, honest=random.random() < 0.7), 0)
    kind, shape = random.choice(
        (("digits", [size * 4]), ("sparse", [size * 8]), ("decimal", [size]), ("plain", [size]))
    )
    dtype = "|u1" if kind in ("digits", "plain") else "<f8"
    document = {"dtype": dtype, "shape": shape, "transform": {"kind": kind, "dtype": "|u1"}}
    _set(made, json.dumps(document).encode())


def bomb(size: int, *, honest: bool) -> bytes:
    """Return a Zstandard frame of a few bytes that promises `size` bytes of zeros, and has them if it is honest.

    A block of the frame says in four bytes that one byte comes up to 128 KiB times.
    """
    magic = (0xFD2FB528).to_bytes(4, "little")
    # Content size of eight bytes, a checksum, no dictionary; then a window of 128 KiB.
    header = bytes([0b11_0_0_0_1_00, (17 - 10) << 3]) + size.to_bytes(8, "little")
    blocks = []
    left = size if honest else 1_000
    while left:
        piece = min(left, 1 << 17)
        left -= piece
        blocks.append(((piece << 3) | (1 << 1) | (not left)).to_bytes(3, "little") + b"\x00")
        if len(blocks) > 4_096 and left > (1 << 17):  # the first half GiB is enough to be noticed
            blocks.append(((1 << 17 << 3) | (1 << 1) | 1).to_bytes(3, "little") + b"\x00")
            break
    return magic + header + b"".join(blocks) + b"\x00" * 4


def _columns(random: Random, file: h5py.File) -> None:
    """Change the descriptions of columns, or make them a bomb."""
    if "columns" in file:
        del file["columns"]
    documents = mutate_value(random, [{"address": "ab", "rows": 3}])
    text = random.choice(
        (
            json.dumps(documents).encode("utf-8", "surrogatepass"),
            b"[" * 100_000,
            b'[{"a":' + b"9" * 5_000 + b"}]",
            b"[{}" + b",{}" * 2_000 + b"]",
            b"\xff",
            b"",
        )
    )
    packed = zstandard.ZstdCompressor(level=1, write_checksum=random.random() < 0.8).compress(text)
    if random.random() < 0.2:
        packed = bomb(1 << random.choice((20, 28, 29, 31, 40)), honest=False)
    value: Any = np.frombuffer(packed, np.uint8) if random.random() < 0.9 else odd_value(random)
    try:
        file.create_dataset("columns", data=value)
    except (TypeError, ValueError, OverflowError):
        return


def _version(random: Random, file: h5py.File) -> None:
    value = random.choice((1, 1, 2, 3, 0, -1, 2**40, "2", 2.0, np.arange(3), np.uint8(2)))
    file.attrs["mistique_format"] = value


def _name(random: Random, file: h5py.File) -> None:
    """Give a chunk another address, one that is none, or a second name."""
    group = file["chunks"]
    name = _chunk(random, file)
    other = random.choice(
        ("ab" * 32, "zz", "", "a" * 63, "../x", "ab" * 32 + ".table", ".table", name.upper(), "\U0001f3e0")
    )
    try:
        if random.random() < 0.5:
            group.move(name, other)
        elif random.random() < 0.5:
            group[other] = group[name]
        else:
            group[other] = random.choice(
                (h5py.SoftLink("/chunks"), h5py.SoftLink("/nowhere"), h5py.ExternalLink("/etc/passwd", "/x"))
            )
    except (ValueError, OSError, RuntimeError):
        return


def _table(random: Random, file: h5py.File) -> None:
    """Take a table away, or put another one in its place."""
    group = file["chunks"]
    tables = [name for name in group if name.endswith(".table")]
    if not tables:
        return
    name = random.choice(tables)
    del group[name]
    if random.random() < 0.8:
        size = random.choice((1, 2, 13, 300, 1 << 20))
        dtype = random.choice(_DTYPES)
        try:
            made = group.create_dataset(name, shape=(size,), dtype=dtype, chunks=(size,), compression=_ZSTD)
            made.id.write_direct_chunk((0,), bomb(size * np.dtype(dtype).itemsize, honest=True), 0)
        except (ValueError, TypeError):
            return
