"""Chunks of 65,536 values by ours and by the codecs it was chosen from: bytes, encoding, decoding, one page.

Run ``python -m benchmarks.store_codecs [--quick] [--json PATH] [--rows N]``. One thread; every candidate
encodes and decodes the same arrays in the same process, and every answer is compared with the array.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import blosc2
import numpy as np
import numpy.typing as npt
import zstandard

from benchmarks.harness import Budget, Report, arguments, finish, median_seconds
from mistique_core.config import StoreConfig
from mistique_core.partition import Codec, EncodedChunk, Transform, decode_chunk, encode_chunk
from mistique_core.partition.encoding import PAGES, decode_pages, decode_table, decode_values
from mistique_core.partition.pages import compress_pages

Array = npt.NDArray[Any]

PAGE = 8_192
BUDGETS = (
    Budget("best_peer_bytes_over_ours", "bytes: each class's smallest peer / ours, geometric mean, >= 1", at_least=1),
    Budget("zstd_3_bytes_over_ours", "bytes: zstd-3 of the array / ours, geometric mean, >= 1.5", at_least=1.5),
    Budget("encode_ours_over_best_peer", "encode: our MB/s / that smallest peer's, >= 1", at_least=1),
    Budget("decode_ours_over_zstd_3", "decode: our MB/s / zstd-3's, >= 1", at_least=1),
    Budget("page_zstd_3_over_ours", "one page of 8,192 values: zstd-3's seconds / ours, >= 3", at_least=3),
)


def chunks(rows: int) -> dict[str, Array]:
    """Return one array for each class of column; fixed seed."""
    random = np.random.default_rng(7)
    words = ["a", "quiet", "street", "near", "the", "school", "with", "garden", "garage", "and", "large", "renovated"]
    texts = [" ".join(random.choice(words, int(count))) for count in random.integers(1, 7, rows // 4)]
    units = 16
    codes = np.clip(np.rint(random.normal(-3.2, 6, (units, rows // units))), 0, 127).astype("i1")
    pixels = random.normal(size=(units, rows // units // 64, 8, 8))
    for axis in (2, 3):
        pixels = pixels + np.roll(pixels, 1, axis)
    return {
        "whole-number floats": random.integers(0, 5_000, rows).astype("f8"),
        "cents": np.round(random.lognormal(5, 1, rows), 2),
        "few values": random.choice(np.round(random.normal(size=20), 6), rows),
        "categories": random.choice(4, rows, p=[0.6, 0.25, 0.1, 0.05]).astype("u1"),
        "one-hot": (random.random(rows) < 0.05).astype("f8"),
        "full-precision floats": random.normal(size=rows),
        "float32 predictions": random.normal(12, 0.05, rows).astype("f4"),
        "ids": 10_000_000 + random.integers(0, 3_000_000, rows),
        "row ids": np.arange(rows),
        "years with NaN": np.where(random.random(rows) < 0.05, np.nan, random.integers(1900, 2020, rows).astype("f8")),
        "text bytes": np.frombuffer("".join(texts).encode().ljust(rows)[:rows], "u1"),
        "text lengths": random.permutation(np.resize(np.array([len(text) for text in texts], "<i4"), rows)),
        "8-bit codes, uniform": random.integers(0, 256, (units, rows // units)).astype("u1"),
        "int8 codes, rectified": codes,
        "int8 codes, rectified maps": np.clip(np.rint(pixels - 1.5), 0, 127).astype("i1"),
        "codes of a step": (random.random((units, rows // units)) < 0.01).astype("u1"),
    }


@dataclass(frozen=True)
class Candidate:
    """A way of storing one array.

    Attributes
    ----------
    encode
        Array -> what is stored.
    size
        What is stored -> bytes.
    decode
        What is stored, array of the right dtype and shape -> the values.
    page
        The same -> the values of the first 8,192; the shortest way to them.
    """

    encode: Callable[[Array], Any]
    size: Callable[[Any], int]
    decode: Callable[[Any, Array], Array]
    page: Callable[[Any, Array], Array]


def whole_zstd(level: int, planes: bool) -> Candidate:
    """Return Zstandard of the whole array, or of its byte planes as one block sequence."""
    compressor, decompressor = zstandard.ZstdCompressor(level=level), zstandard.ZstdDecompressor()

    def encode(array: Array) -> bytes:
        data = array.reshape(-1).view("u1")
        if planes:
            data = np.ascontiguousarray(data.reshape(-1, array.dtype.itemsize).T).reshape(-1)
        return compressor.compress(data.data)

    def decode(stored: bytes, like: Array) -> Array:
        data = np.frombuffer(decompressor.decompress(stored), "u1")
        if planes:
            joined = np.empty((like.size, like.dtype.itemsize), "u1")
            for number, plane in enumerate(data.reshape(like.dtype.itemsize, -1)):
                joined[:, number] = plane
            data = joined.reshape(-1)
        return data.view(like.dtype).reshape(like.shape)

    return Candidate(encode, len, decode, lambda stored, like: decode(stored, like).reshape(-1)[:PAGE])


def paged_zstd(level: int) -> Candidate:
    """Return what HDF5's own filters make of pages of 8,192 values: byte planes, then one Zstandard frame."""
    one = whole_zstd(level, planes=True)

    def encode(array: Array) -> list[bytes]:
        flat = array.reshape(-1)
        return [one.encode(flat[start : start + PAGE]) for start in range(0, flat.size, PAGE)]

    def decode(stored: list[bytes], like: Array) -> Array:
        pages = [one.decode(page, np.empty(PAGE, like.dtype)) for page in stored]
        return np.concatenate(pages).reshape(like.shape)

    return Candidate(
        encode,
        lambda stored: sum(map(len, stored)),
        decode,
        lambda stored, like: one.decode(stored[0], np.empty(PAGE, like.dtype)),
    )


def blosc(codec: blosc2.Codec, level: int, shuffle: blosc2.Filter) -> Candidate:
    """Return Blosc2 with blocks of 64 KiB, one thread."""

    def encode(array: Array) -> blosc2.SChunk:
        settings = blosc2.CParams(codec=codec, clevel=level, typesize=array.dtype.itemsize, filters=[shuffle],
                                  filters_meta=[0], nthreads=1, blocksize=65_536)  # fmt: skip
        return blosc2.SChunk(
            chunksize=array.nbytes, data=array.reshape(-1), cparams=settings, dparams=blosc2.DParams(nthreads=1)
        )

    def part(stored: blosc2.SChunk, like: Array, size: int) -> Array:
        values = np.empty(size, like.dtype)
        stored.get_slice(0, size, values)
        return values

    return Candidate(
        encode,
        lambda stored: int(stored.cbytes),
        lambda stored, like: part(stored, like, like.size).reshape(like.shape),
        lambda stored, like: part(stored, like, min(PAGE, like.size)),
    )


def planes_only() -> Candidate:
    """Return our pages without a transform: one block a byte plane."""

    def encode(array: Array) -> list[bytes]:
        return compress_pages(array.reshape(-1), PAGE, StoreConfig.zstd_level)

    def decode(stored: list[bytes], like: Array) -> Array:
        return decode_pages(Codec(Transform("plain", like.dtype.str), PAGE), (PAGE,), stored)

    return Candidate(
        encode,
        lambda stored: sum(map(len, stored)),
        lambda stored, like: decode(stored, like)[: like.size].reshape(like.shape),
        lambda stored, like: decode(stored[:1], like),
    )


def ours() -> Candidate:
    """Return what the store writes: a transform, pages, one block a byte plane; without the content address."""

    def frames(stored: EncodedChunk) -> list[bytes]:
        return [*([] if stored.table is None else [stored.table]), *stored.pages]

    def decode(stored: EncodedChunk, like: Array) -> Array:
        return decode_chunk(frames(stored), PAGES, stored.codec, stored.dtype, stored.shape)

    def page(stored: EncodedChunk, like: Array) -> Array:
        if like.ndim > 1:
            return decode(stored, like).reshape(-1)[:PAGE]
        table = None if stored.table is None else decode_table(stored.codec, stored.dtype, stored.table)
        codes = decode_pages(stored.codec, stored.shape, stored.pages[: -(-PAGE // stored.codec.rows)])
        return decode_values(stored.codec, codes[:PAGE], stored.dtype, table)

    return Candidate(
        lambda array: encode_chunk(bytes(32), array, StoreConfig.zstd_level),
        lambda stored: stored.stored_bytes,
        decode,
        page,
    )


CANDIDATES = {
    "ours": ours(),
    "planes": planes_only(),
    "zstd-1": whole_zstd(1, planes=False),
    "zstd-3": whole_zstd(3, planes=False),
    "zstd-9": whole_zstd(9, planes=False),
    "shuffle+zstd-1": whole_zstd(1, planes=True),
    "shuffle+zstd-3": whole_zstd(3, planes=True),
    "pages shuffle+zstd-1": paged_zstd(1),
    "pages shuffle+zstd-3": paged_zstd(3),
    "blosc2 shuffle+zstd": blosc(blosc2.Codec.ZSTD, 3, blosc2.Filter.SHUFFLE),
    "blosc2 bitshuffle+zstd": blosc(blosc2.Codec.ZSTD, 3, blosc2.Filter.BITSHUFFLE),
    "blosc2 bitshuffle+lz4": blosc(blosc2.Codec.LZ4, 5, blosc2.Filter.BITSHUFFLE),
    "blosc2 lz4": blosc(blosc2.Codec.LZ4, 5, blosc2.Filter.NOFILTER),
}
PEERS = tuple(name for name in CANDIDATES if name not in ("ours", "planes"))


@dataclass(frozen=True)
class Measured:
    """What one candidate did with one array: bytes, and seconds to encode, decode and read a page."""

    size: int
    encode: float
    decode: float
    page: float


def measure(candidate: Candidate, array: Array, repeats: int) -> Measured:
    """Encode and decode; the answers must be the array, bit by bit."""
    stored = candidate.encode(array)
    if candidate.decode(stored, array).tobytes() != array.tobytes():
        raise RuntimeError(f"{array.dtype} {array.shape} came back as other values")
    if candidate.page(stored, array).tobytes() != array.reshape(-1)[:PAGE].tobytes():
        raise RuntimeError(f"the first values of {array.dtype} {array.shape} came back as others")
    return Measured(
        candidate.size(stored),
        median_seconds(lambda: candidate.encode(array), repeats),
        median_seconds(lambda: candidate.decode(stored, array), 2 * repeats),
        median_seconds(lambda: candidate.page(stored, array), 2 * repeats),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=65_536, quick_rows=65_536)
    report = Report("store_codecs", {"values": options.rows, "page": PAGE, "repeats": 3 if options.quick else 31})
    gc.freeze()  # the objects of all imports would be searched for garbage before each of some 600 measurements
    found: dict[str, dict[str, Measured]] = {}
    for name, array in chunks(options.rows).items():
        found[name] = {
            label: measure(candidate, array, report.sizes["repeats"]) for label, candidate in CANDIDATES.items()
        }
        add_rows(report, name, array, found[name])
    add_ratios(report, found)
    finish(report, BUDGETS, options.json)


def add_rows(report: Report, name: str, array: Array, found: dict[str, Measured]) -> None:
    """Add four rows for one class: bytes, MB/s twice, and microseconds of a page."""
    megabytes = array.nbytes / 1e6
    report.add(f"{name}: bytes", raw=array.nbytes, **{label: item.size for label, item in found.items()})
    report.add(f"{name}: encode MB/s", **{label: megabytes / item.encode for label, item in found.items()})
    report.add(f"{name}: decode MB/s", **{label: megabytes / item.decode for label, item in found.items()})
    report.add(f"{name}: one page, us", **{label: item.page * 1e6 for label, item in found.items()})


def add_ratios(report: Report, found: dict[str, dict[str, Measured]]) -> None:
    """Add the geometric means over the classes, against each class's smallest peer and against single peers."""
    best = {name: min((found[name][peer] for peer in PEERS), key=lambda item: item.size) for name in found}
    our = {name: items["ours"] for name, items in found.items()}
    report.ratios.update(
        best_peer_bytes_over_ours=_mean(best[name].size / our[name].size for name in found),
        encode_ours_over_best_peer=_mean(best[name].encode / our[name].encode for name in found),
        decode_ours_over_best_peer=_mean(best[name].decode / our[name].decode for name in found),
        page_best_peer_over_ours=_mean(best[name].page / our[name].page for name in found),
        planes_bytes_over_ours=_mean(found[name]["planes"].size / our[name].size for name in found),
        pages_shuffle_zstd_bytes_over_planes=_mean(
            min(items["pages shuffle+zstd-1"].size, items["pages shuffle+zstd-3"].size) / items["planes"].size
            for items in found.values()
        ),
    )
    for name in found:
        report.ratios[f"best_peer_bytes_over_ours: {name}"] = best[name].size / our[name].size
    for peer in PEERS:
        key = peer.replace(" ", "_").replace("-", "_").replace("+", "_")
        report.ratios[f"{key}_bytes_over_ours"] = _mean(found[name][peer].size / our[name].size for name in found)
        report.ratios[f"encode_ours_over_{key}"] = _mean(found[name][peer].encode / our[name].encode for name in found)
        report.ratios[f"decode_ours_over_{key}"] = _mean(found[name][peer].decode / our[name].decode for name in found)
        report.ratios[f"page_{key}_over_ours"] = _mean(found[name][peer].page / our[name].page for name in found)


def _mean(ratios: Any) -> float:
    logarithms = [math.log(ratio) for ratio in ratios]
    return math.exp(sum(logarithms) / len(logarithms))


if __name__ == "__main__":
    main()
