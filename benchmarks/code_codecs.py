"""How to store BOUNDED codes without loss: orders, packings and compressors, beside the codes' own entropy.

Run ``python -m benchmarks.code_codecs [--quick] [--json PATH] [--rows N]``. Every way is checked to give the codes
back. The weights and images are looked for in ``$MISTIQUE_BENCH_DATA``, else in ``../shared/data``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import blosc2
import numpy as np
import zstandard
from numpy.typing import NDArray

from benchmarks.activation_schemes import text_of
from benchmarks.data_folder import data_folder
from benchmarks.harness import Budget, Report, arguments, finish
from benchmarks.vgg16 import SHAPES, VGG16
from mistique_core.partition.digits import join_digits, split_digits
from mistique_core.quantizers import parse_scheme

Codes = NDArray[np.uint8]
_CHUNK_CODES = 1 << 17
_ESCAPE = 15
BUDGETS = (Budget("digits_bytes_over_entropy", "digits: bytes / order-0 entropy of the codes, <= 0.9", at_most=0.9),)


@dataclass(frozen=True)
class Way:
    """One way to store codes.

    Attributes
    ----------
    label
        For the report.
    pack, unpack
        Codes to byte arrays and, given the number of codes, back.
    compress, decompress
        Of each byte array.
    order
        Axes of ``(units, rows, pixels)`` in the order in which the codes are stored.
    """

    label: str
    pack: Callable[[Codes], list[Codes]]
    unpack: Callable[[list[Codes], int], Codes]
    compress: Callable[[Codes], bytes]
    decompress: Callable[[bytes], bytes]
    order: tuple[int, int, int] = (0, 1, 2)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=300, quick_rows=20)
    folder = data_folder("cifar10_10k.npz", "vgg16_cifar10")
    with np.load(folder / "cifar10_10k.npz") as data:
        images = data["images"][: options.rows]
    layers = VGG16(folder / "vgg16_cifar10").collect(images, tuple(SHAPES))
    codes = [_codes(values) for values in layers.values()]
    float32_bytes = sum(values.nbytes for values in layers.values())
    entropy = sum(map(_entropy_bytes, codes))
    report = Report("code_codecs", {"rows": options.rows, "float32_bytes": float32_bytes, "entropy_bytes": entropy})
    report.add("order-0 entropy of each unit's codes", ratio_to_float32=float32_bytes / entropy)
    for way in _ways():
        stored, encode_seconds, decode_seconds = _measure(way, codes)
        report.add(way.label, bytes_over_entropy=stored / entropy, ratio_to_float32=float32_bytes / stored,
                   encode_mb_s=float32_bytes / encode_seconds / 1e6,
                   decode_mb_s=float32_bytes / decode_seconds / 1e6)  # fmt: skip
    found = {row["what"]: row for row in report.rows}
    report.ratios["digits_bytes_over_entropy"] = found[_DIGITS]["bytes_over_entropy"]
    report.ratios["bytes_plain_over_digits"] = (
        found[_PLAIN]["bytes_over_entropy"] / found[_DIGITS]["bytes_over_entropy"]
    )
    report.ratios["encode_seconds_plain_over_digits"] = found[_DIGITS]["encode_mb_s"] / found[_PLAIN]["encode_mb_s"]
    finish(report, BUDGETS, options.json)


def _codes(values: NDArray[np.float32]) -> Codes:
    """Return the codes of a layer (units, rows, pixels) as bytes, with the layer's default step."""
    block = np.moveaxis(values, -1, 0)
    quantizer = parse_scheme(text_of(1.0, block.shape))
    assert quantizer is not None
    codes = quantizer.fit(block).encode(block).parts["codes"]
    return codes.view(np.uint8).reshape(*block.shape[:2], -1)


def _entropy_bytes(codes: Codes) -> float:
    total = 0.0
    for unit in codes:
        counts = np.bincount(unit.reshape(-1), minlength=256)
        shares = counts[counts > 0] / unit.size
        total -= float((shares * np.log2(shares)).sum()) * unit.size / 8
    return total


def _measure(way: Way, layers: list[Codes]) -> tuple[int, float, float]:
    """Return stored bytes, and CPU seconds of encoding and of decoding (medians of three), of all layers."""
    flat = [np.ascontiguousarray(codes.transpose(way.order)).reshape(-1) for codes in layers]
    chunks = [codes[start : start + _CHUNK_CODES] for codes in flat for start in range(0, codes.size, _CHUNK_CODES)]
    encode_seconds, decode_seconds = [], []
    for _ in range(3):
        start = time.process_time()
        stored = [[way.compress(part) for part in way.pack(chunk)] for chunk in chunks]
        middle = time.process_time()
        for chunk, parts in zip(chunks, stored, strict=True):
            way.unpack([np.frombuffer(way.decompress(part), np.uint8) for part in parts], chunk.size)
        decode_seconds.append(time.process_time() - middle)
        encode_seconds.append(middle - start)
    for chunk, parts in zip(chunks, stored, strict=True):
        back = way.unpack([np.frombuffer(way.decompress(part), np.uint8) for part in parts], chunk.size)
        if not np.array_equal(back, chunk):
            raise RuntimeError(f"{way.label} did not give the codes back")
    total = sum(len(part) for parts in stored for part in parts)
    return total, statistics.median(encode_seconds), statistics.median(decode_seconds)


_PLAIN = "a byte a code, zstd 1"
_DIGITS = "two bits, the rest in two bits too, zstd 1"


def _ways() -> list[Way]:
    one, zstd = zstandard.ZstdDecompressor().decompress, _zstd(1)
    fast = _zstd(1, strategy=zstandard.STRATEGY_DFAST, min_match=7)
    lazy = _zstd(1, strategy=zstandard.STRATEGY_LAZY2, min_match=7)
    shuffled, plain = (blosc2.Filter.BITSHUFFLE,), (blosc2.Filter.NOFILTER,)
    return [
        Way(_PLAIN, _alone, _first, zstd, one),
        Way("a byte a code, zstd 3", _alone, _first, _zstd(3), one),
        Way("a byte a code, zstd 9", _alone, _first, _zstd(9), one),
        Way("a byte a code, zstd lazy2, matches of 7", _alone, _first, lazy, one),
        Way("the same as zstd 1, (units, pixels, rows)", _alone, _first, zstd, one, (0, 2, 1)),
        Way("the same as zstd 1, (rows, pixels, units)", _alone, _first, zstd, one, (1, 2, 0)),
        Way("a byte a code, lz4", _alone, _first, _blosc(blosc2.Codec.LZ4, plain), blosc2.decompress2),
        Way("bit shuffle, lz4", _alone, _first, _blosc(blosc2.Codec.LZ4, shuffled), blosc2.decompress2),
        Way("bit shuffle, zstd 1", _alone, _first, _blosc(blosc2.Codec.ZSTD, shuffled), blosc2.decompress2),
        Way("left difference, zstd 1", _difference, _sum, zstd, one),
        Way("bitmap of zeros and the others, zstd 1", _bitmap, _from_bitmap, zstd, one),
        Way("four bits and an escape, zstd 1", _nibbles, _from_nibbles, zstd, one),
        Way("two bits and a rest, zstd 1", _digits, _from_digits, zstd, one),
        Way(_DIGITS, _digits_twice, _from_digits_twice, zstd, one),
        Way("the same, zstd dfast, matches of 7", _digits_twice, _from_digits_twice, fast, one),
        Way("the same, zstd lazy2, matches of 7", _digits_twice, _from_digits_twice, lazy, one),
        Way("the same, zstd 9", _digits_twice, _from_digits_twice, _zstd(9), one),
    ]


def _zstd(level: int, **parameters: int) -> Callable[[Codes], bytes]:
    chosen = zstandard.ZstdCompressionParameters.from_level(level, **parameters)
    compressor = zstandard.ZstdCompressor(compression_params=chosen)
    return lambda array: compressor.compress(array.data)


def _blosc(codec: blosc2.Codec, filters: tuple[Any, ...]) -> Callable[[Codes], bytes]:
    return lambda array: blosc2.compress2(
        array, codec=codec, clevel=1, typesize=1, nthreads=1, filters=list(filters), filters_meta=[0] * len(filters)
    )


def _alone(codes: Codes) -> list[Codes]:
    return [codes]


def _first(parts: list[Codes], size: int) -> Codes:
    return parts[0]


def _difference(codes: Codes) -> list[Codes]:
    return [np.diff(codes, prepend=np.uint8(0))]


def _sum(parts: list[Codes], size: int) -> Codes:
    return np.cumsum(parts[0], dtype=np.uint8)


def _bitmap(codes: Codes) -> list[Codes]:
    return [np.packbits(codes != 0), codes[codes != 0] - np.uint8(1)]


def _from_bitmap(parts: list[Codes], size: int) -> Codes:
    codes = np.zeros(size, np.uint8)
    codes[np.unpackbits(parts[0], count=size).view(np.bool_)] = parts[1] + np.uint8(1)
    return codes


def _nibbles(codes: Codes) -> list[Codes]:
    low = np.zeros(codes.size + codes.size % 2, np.uint8)
    np.minimum(codes, _ESCAPE, out=low[: codes.size])
    return [low[::2] | low[1::2] << 4, codes.take(np.flatnonzero(codes >= _ESCAPE)) - np.uint8(_ESCAPE)]


def _from_nibbles(parts: list[Codes], size: int) -> Codes:
    codes = np.stack([parts[0] & 15, parts[0] >> 4], axis=-1).reshape(-1)[:size]
    codes[np.flatnonzero(codes == _ESCAPE)] = parts[1] + np.uint8(_ESCAPE)
    return codes


def _digits(codes: Codes) -> list[Codes]:
    return list(split_digits(codes))


def _from_digits(parts: list[Codes], size: int) -> Codes:
    return join_digits(parts[0], parts[1], size)


def _digits_twice(codes: Codes) -> list[Codes]:
    low, rest = split_digits(codes)
    return [np.asarray([rest.size], "<u4").view(np.uint8), low, *split_digits(rest)]


def _from_digits_twice(parts: list[Codes], size: int) -> Codes:
    rest = int(parts[0].view("<u4")[0])
    return join_digits(parts[1], join_digits(parts[2], parts[3], rest), size)


if __name__ == "__main__":
    main()
