"""Rates, errors and sizes of the lossy schemes, beside plain NumPy.

Run ``python -m benchmarks.store_quantizers [--quick] [--json PATH] [--rows N]``. The values are generated
(seed fixed): one layer of 64 units with maps of 16 x 16, normal with a scale for each unit, cut off at zero, and
one column of a table. Rates are GB of float32 a second of one core's processor time, which other programs on the
machine move less than wall time: read when encoding, produced when decoding (four bytes a value for bool too).
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import zstandard

from benchmarks.harness import Budget, Report, arguments, finish
from mistique_core.quantizers import Encoded, FittedQuantizer, parse_scheme

UNITS = 64
SIDE = 16
ZSTD_LEVEL = 3
SEARCHED_VALUES = 1 << 20
SCHEMES = (
    "float16",
    "kbit(8)",
    "kbit(3)",
    "bounded(0.25)",
    "bounded(0.5)",
    "threshold(99.5%)",
    "pool(2)",
    "pool(S)",
    "pool(2, max)",
    "pool(2)+float16",
    "pool(2)+bounded(0.25)",
)
BUDGETS = (
    Budget("kbit_decode_gb_s", "decode kbit(8): GB/s of float32 a core, >= 2", at_least=2),
    Budget("kbit_encode_over_searchsorted", "encode kbit(8): over np.searchsorted, >= 4", at_least=4),
    Budget("bounded_encode_gb_s", "encode bounded(0.25): GB/s of float32 a core, >= 1.2", at_least=1.2),
    Budget("slowest_fit_seconds", "slowest fit: seconds, <= 0.1", at_most=0.1),
    Budget("largest_error_over_bound", "largest error over its stated bound, <= 1", at_most=1),
)


@dataclass(frozen=True)
class Measured:
    """One scheme on one block: rates in GB/s, and what it encoded to."""

    fitted: FittedQuantizer
    encoded: Encoded
    encode_rate: float
    decode_rate: float


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=1000, quick_rows=400)
    sizes = {"units": UNITS, "rows": options.rows, "map_shape": [SIDE, SIDE], "seed": 1}
    report = Report("store_quantizers", sizes)
    report.ratios["slowest_fit_seconds"] = report.ratios["largest_error_over_bound"] = 0.0
    layer = activations(options.rows)
    measured = {scheme: measure(report, "layer", scheme, layer) for scheme in SCHEMES}
    side_by_side = np.moveaxis(np.ascontiguousarray(np.moveaxis(layer, 0, -1)), -1, 0)
    for scheme in ("float16", "kbit(8)", "bounded(0.25)", "threshold(99.5%)", "pool(2)"):
        measure(report, "layer, units side by side", scheme, side_by_side)
    column = np.random.default_rng(2).normal(1000, 5, size=(1, layer.size // 4)).astype(np.float32)
    for scheme in ("float16", "kbit(8)", "bounded(0.25)"):
        measure(report, "column around 1000", scheme, column)
        measure(report, "column around 0, float64", scheme, column.astype(np.float64) - 1000)
    peers(report, layer, side_by_side, measured)
    finish(report, BUDGETS, options.json)


def activations(rows: int) -> np.ndarray:
    """Return a layer, shape ``(UNITS, rows, SIDE, SIDE)``, float32; about half of it is zero."""
    random = np.random.default_rng(1)
    values = random.standard_normal((UNITS, rows, SIDE, SIDE), np.float32)
    values *= random.lognormal(0, 0.7, (UNITS, 1, 1, 1)).astype(np.float32)
    return np.maximum(values, 0, out=values)


def measure(report: Report, what: str, scheme: str, values: np.ndarray) -> Measured:
    """Fit, encode and decode one block, and report rates, error and size."""
    quantizer = parse_scheme(scheme)
    assert quantizer is not None
    rows = values.shape[1]
    fit_seconds = statistics.median(processor_seconds(lambda: quantizer.fit(values)) for _ in range(3))
    fitted = quantizer.fit(values)
    encoded = fitted.encode(values)
    decoded = fitted.decode(encoded.parts, rows)
    encode_rate = rate(values.size, lambda: fitted.encode(values))
    # Parts that are the values already are handed out as they are.
    copied = not any(np.shares_memory(decoded, part) for part in encoded.parts.values())
    decode_rate = rate(decoded.size, lambda: fitted.decode(encoded.parts, rows)) if copied else math.inf
    numbers = {}
    if decoded.shape == values.shape and decoded.dtype == values.dtype:
        largest, squares = 0.0, []
        for unit, back in zip(values.astype(np.float64), decoded, strict=True):
            errors = back - unit
            largest = max(largest, float(np.abs(errors).max()))
            squares.append(np.mean(np.square(errors)) / unit.var())
        numbers = {"max_error": largest, "rms_error_deviations": float(np.sqrt(np.mean(squares)))}
        report.ratios["largest_error_over_bound"] = max(
            report.ratios["largest_error_over_bound"], largest / encoded.max_abs_error
        )
    numbers["stated_error"] = encoded.max_abs_error
    report.ratios["slowest_fit_seconds"] = max(report.ratios["slowest_fit_seconds"], fit_seconds)
    report.add(
        f"{what}: {scheme}",
        encode_gb_s=encode_rate,
        decode_gb_s=decode_rate if copied else "no copy",
        fit_ms=fit_seconds * 1e3,
        bits_a_value=bits(encoded, values.size),
        **numbers,
    )
    return Measured(fitted, encoded, encode_rate, decode_rate)


def rate(values: int, action: Callable[[], object]) -> float:
    """Return GB of float32 a second of processor time, the median of five calls."""
    return values * 4 / 1e9 / statistics.median(processor_seconds(action) for _ in range(5))


def processor_seconds(action: Callable[[], object]) -> float:
    """Return the processor time of one call; everything here runs in one thread."""
    start = time.process_time()
    action()
    return time.process_time() - start


def bits(encoded: Encoded, values: int) -> float:
    """Return the bits a logged value takes after zstd."""
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    return sum(len(compressor.compress(part.data)) for part in encoded.parts.values()) * 8 / values


def peers(report: Report, layer: np.ndarray, side_by_side: np.ndarray, measured: dict[str, Measured]) -> None:
    """Compare with what one would write in NumPy, both in turn, so that other programs slow down both."""
    rows = layer.shape[1]
    few = layer[:, : max(1, SEARCHED_VALUES // (layer.size // rows))]
    edges, levels = (measured["kbit(8)"].fitted.tables()[name] for name in ("edges", "levels"))
    codes = measured["kbit(8)"].encoded.parts["codes"]
    steps = measured["bounded(0.25)"].fitted.tables()["steps"].reshape(-1, 1, 1, 1)
    limits = measured["threshold(99.5%)"].fitted.tables()["limits"].reshape(-1, 1, 1, 1)
    stepped, halves = measured["bounded(0.25)"].encoded.parts["codes"], measured["float16"].encoded.parts["values"]
    cells = layer.reshape(UNITS, rows, SIDE // 2, 2, SIDE // 2, 2)

    def encode(scheme: str, values: np.ndarray = layer) -> Callable[[], object]:
        return lambda: measured[scheme].fitted.encode(values)

    def decode(scheme: str) -> Callable[[], object]:
        return lambda: measured[scheme].fitted.decode(measured[scheme].encoded.parts, rows)

    pairs: dict[str, tuple[np.ndarray, Callable[[], object], Callable[[], object]]] = {
        "kbit_encode_over_searchsorted": (few, encode("kbit(8)", few), lambda: np.searchsorted(edges, few)),
        "kbit_decode_over_take": (layer, decode("kbit(8)"), lambda: np.take(levels, codes)),
        "bounded_encode_over_rint": (
            layer,
            encode("bounded(0.25)"),
            lambda: np.clip(np.rint(layer / steps), -127, 127).astype(np.int8),
        ),
        "bounded_decode_over_multiply": (layer, decode("bounded(0.25)"), lambda: stepped.astype(np.float32) * steps),
        "threshold_encode_over_packbits": (
            layer,
            encode("threshold(99.5%)"),
            lambda: np.packbits((layer > limits).reshape(UNITS, -1), axis=1),
        ),
        "float16_encode_over_astype": (layer, encode("float16"), lambda: layer.astype(np.float16)),
        "float16_decode_over_astype": (layer, decode("float16"), lambda: halves.astype(np.float32)),
        "pool_encode_over_mean": (layer, encode("pool(2)"), lambda: cells.mean(axis=(3, 5))),
        "side_by_side_encode_over_transpose": (
            layer,
            encode("bounded(0.25)", side_by_side),
            lambda: np.ascontiguousarray(side_by_side),
        ),
    }
    for name, (values, ours, theirs) in pairs.items():
        times = [(processor_seconds(ours), processor_seconds(theirs)) for _ in range(6)][1:]
        report.ratios[name] = statistics.median(other / own for own, other in times)
        own, other = (values.size * 4 / 1e9 / statistics.median(column) for column in zip(*times, strict=True))
        report.add(f"beside NumPy: {name}", ours_gb_s=own, numpy_gb_s=other, ratio=report.ratios[name])
    for name in ("kbit", "bounded"):
        scheme = {"kbit": "kbit(8)", "bounded": "bounded(0.25)"}[name]
        report.ratios[f"{name}_encode_gb_s"] = measured[scheme].encode_rate
        report.ratios[f"{name}_decode_gb_s"] = measured[scheme].decode_rate


if __name__ == "__main__":
    main()
