"""Deltas against similar chunks: bytes saved, what the index finds of it, and what it costs.

Run ``python -m benchmarks.store_similarity [--quick] [--json PATH] [--rows N]``. Bytes are those of the
store's own lossless encoding. Peers in the same run: datasketch's own ``update_batch`` for signatures,
other forms of a delta, and an exhaustive search that encodes every chunk against every base. Times are
of one core's work, whatever else the machine does.
"""

from __future__ import annotations

import itertools
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from unittest.mock import patch

import datasketch
import numpy as np

from benchmarks.harness import Budget, Report, arguments, finish, seconds
from benchmarks.similar_columns import Column, columns, credit_predictions
from mistique_core.dedup import chunk_hash, similarity
from mistique_core.dedup.bands import band_keys, banding
from mistique_core.dedup.delta import apply_delta, delta_scale, make_delta
from mistique_core.dedup.delta_choice import LEAST_SAVED_SHARE, DeltaChoice, NewChunk, choose_deltas
from mistique_core.dedup.similarity import PERMUTATIONS, jaccard, sampled_rows, signature, worth_trying
from mistique_core.dedup.words import signed, swap_float_order, to_words
from mistique_core.partition import EncodedChunk, encode_chunk, encode_delta

LEVEL = 3
UNRELATED = ("table", "look alike")
BUDGETS = (
    Budget("bytes_without_over_with", "all columns: bytes without deltas / with", at_least=1.1),
    Budget("similar_without_over_with", "similar columns only: bytes without deltas / with", at_least=1.2),
    Budget("found_over_best", "bytes saved / by exhaustive search, >= 0.9", at_least=0.9),
    Budget("false_candidates_per_100", "deltas encoded in vain, of 100 chunks, <= 5", at_most=5),
    Budget("signature_ms", "signature of 65,536 values: ms, <= 0.25", at_most=0.25),
    Budget("datasketch_ms_over_ours", "the same by datasketch's update_batch: ms / ours", at_least=4),
    Budget("search_over_encoding", "choosing deltas, all columns: s / s of encoding, <= 1", at_most=1),
    Budget("search_over_encoding_unrelated", "the same where nothing is similar, <= 0.25", at_most=0.25),
    Budget("index_bytes_per_chunk", "index of a chunk in SQLite: bytes, < 300", at_most=300),
)


@dataclass
class Chunks:
    """All chunks, encoded on their own, and the sizes of deltas as they become known.

    Attributes
    ----------
    columns
        The column of each chunk.
    new
        The chunks, in the order in which they are written.
    whole
        Address -> the chunk encoded on its own.
    encode_seconds
        Processor seconds of encoding them all.
    """

    columns: list[Column]
    new: list[NewChunk]
    whole: dict[bytes, EncodedChunk]
    encode_seconds: float
    _sizes: dict[tuple[int, int], int] = field(default_factory=dict)

    @classmethod
    def of(cls, made: Sequence[Column]) -> Chunks:
        """Encode the blocks of `made`, each different one once."""
        different: dict[bytes, tuple[Column, np.ndarray]] = {}
        for column in made:
            for block in column.blocks():
                different.setdefault(chunk_hash(block), (column, block))
        encoded: list[EncodedChunk] = []

        def encode() -> None:
            encoded[:] = [encode_chunk(address, block, LEVEL) for address, (_, block) in different.items()]

        spent = cpu_seconds(encode, 3)
        new = [NewChunk(item.address, different[item.address][1], item.stored_bytes) for item in encoded]
        return cls([column for column, _ in different.values()], new, {item.address: item for item in encoded}, spent)

    def encode(self, item: NewChunk, base: bytes, delta: np.ndarray, scale: int) -> EncodedChunk:
        """Return a delta as the store would keep it."""
        return encode_delta(self.whole[item.address], item.array, base, delta, scale, LEVEL)

    def delta_bytes(self, base: int, chunk: int) -> int:
        """Return the encoded bytes of one chunk as a delta against another."""
        if (base, chunk) not in self._sizes:
            values, item = self.new[base], self.new[chunk]
            scale = delta_scale(values.array, item.array)
            delta = make_delta(values.array, item.array, scale)
            assert delta is not None
            self._sizes[base, chunk] = self.encode(item, values.address, delta, scale).stored_bytes
        return self._sizes[base, chunk]

    def fill(self) -> None:
        """Encode every chunk against every earlier one of its dtype and length."""
        arrays = [item.array for item in self.new]
        pairs = [
            (base, chunk)
            for base, chunk in itertools.combinations(range(len(arrays)), 2)
            if arrays[base].dtype == arrays[chunk].dtype and arrays[base].shape == arrays[chunk].shape
        ]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda pair: self.delta_bytes(*pair), pairs))

    def exhaustive(self, one_deep: bool) -> dict[int, int]:
        """Return chunk -> bytes saved by its best earlier base, of whole chunks only if `one_deep`."""
        saved: dict[int, int] = {}
        for chunk, item in enumerate(self.new):
            known = (base for base in range(chunk) if not (one_deep and base in saved) and (base, chunk) in self._sizes)
            least = min((self._sizes[base, chunk] for base in known), default=item.encoded_bytes)
            if least <= (1 - LEAST_SAVED_SHARE) * item.encoded_bytes:
                saved[chunk] = item.encoded_bytes - least
        return saved


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=65_536, quick_rows=16_384)
    train_rows = 3_000 if options.quick else 15_000
    report = Report("store_similarity", {"rows": options.rows, "train_rows": train_rows, "banding": banding(0.5)})
    made = columns(options.rows, train_rows)
    chunks = Chunks.of(made)
    chosen = savings(report, chunks, made)
    search(report, chunks, chosen)
    variants(report, chunks)
    forms(report, chunks, chosen)
    for part in (signatures, recall, index):
        part(report)
    if not options.quick:
        credit(report, train_rows)
        imports(report)
    # A signature costs the same for short chunks, so that on less data the search only seems to take longer.
    budgets = [budget for budget in BUDGETS if not (options.quick and budget.ratio.startswith("search_"))]
    finish(report, budgets, options.json)


def cpu_seconds(action: Callable[[], object], repeats: int) -> float:
    """Return the median processor seconds of `repeats` calls."""
    samples = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        samples.append(time.process_time() - start)
    return statistics.median(samples)


def choose(chunks: Chunks) -> DeltaChoice[EncodedChunk]:
    """Choose deltas for all chunks in one batch, with an empty store."""
    return choose_deltas(chunks.new, lambda keys: (), lambda address: None, chunks.encode)


def savings(report: Report, chunks: Chunks, made: Sequence[Column]) -> DeltaChoice[EncodedChunk]:
    """Measure bytes with and without deltas, by family, and check that every chunk comes back."""
    choice = choose(chunks)
    arrays = {item.address: item.array for item in chunks.new}
    for item in chunks.new:
        if (delta := choice.deltas.get(item.address)) is not None:
            values = make_delta(arrays[delta.base], item.array, delta.scale)
            assert values is not None
            assert apply_delta(arrays[delta.base], values, delta.scale).tobytes() == item.array.tobytes()
    without: dict[str, int] = {}
    with_: dict[str, int] = {}
    counts: dict[str, list[int]] = {}
    for column, item in zip(chunks.columns, chunks.new, strict=True):
        delta = choice.deltas.get(item.address)
        stored = item.encoded_bytes if delta is None else delta.encoded.stored_bytes
        without[column.family] = without.get(column.family, 0) + item.encoded_bytes
        with_[column.family] = with_.get(column.family, 0) + stored
        count = counts.setdefault(column.family, [0, 0, 0])
        for place, counted in enumerate((True, worth_trying(item.array, item.encoded_bytes), delta is not None)):
            count[place] += counted
    for family, (number, tried, deltas) in counts.items():
        report.add(family, chunks=number, worth_trying=tried, deltas=deltas, bytes_without=without[family],
                   bytes_with=with_[family], without_over_with=without[family] / with_[family])  # fmt: skip
    similar = [family for family in without if family not in UNRELATED]
    report.ratios["bytes_without_over_with"] = sum(without.values()) / sum(with_.values())
    report.ratios["similar_without_over_with"] = sum(without[f] for f in similar) / sum(with_[f] for f in similar)
    for dtype in ("f4", "f8"):
        family = f"predictions <{dtype}"
        report.ratios[f"predictions_{dtype}_without_over_with"] = without[family] / with_[family]
    report.ratios["false_candidates_per_100"] = 100 * (choice.tried - len(choice.deltas)) / len(chunks.new)
    for what, key, families in (("all", "search_over_encoding", set(without)),
                                ("unrelated", "search_over_encoding_unrelated", set(UNRELATED))):  # fmt: skip
        part = Chunks.of([column for column in made if column.family in families])
        spent = cpu_seconds(lambda part=part: choose(part), 3)
        report.add(f"seconds of {what} chunks", chunks=len(part.new), encoding=part.encode_seconds, choosing=spent)
        report.ratios[key] = spent / part.encode_seconds
    return choice


def search(report: Report, chunks: Chunks, choice: DeltaChoice[EncodedChunk]) -> None:
    """Compare what the index found with an exhaustive search, with and without the limit of one base."""
    spent = seconds(chunks.fill)
    sizes = {item.address: item.encoded_bytes for item in chunks.new}
    found = sum(sizes[address] - delta.encoded.stored_bytes for address, delta in choice.deltas.items())
    best, deep = chunks.exhaustive(True), chunks.exhaustive(False)
    below = sum(
        saved for chunk, saved in best.items()
        if not worth_trying(chunks.new[chunk].array, chunks.new[chunk].encoded_bytes)
    )  # fmt: skip
    report.add("bytes saved", found=found, best_one_deep=sum(best.values()), best_any_depth=sum(deep.values()),
               of_it_not_worth_trying=below, deltas=len(choice.deltas), best_deltas=len(best))  # fmt: skip
    report.add("exhaustive search", seconds=spent, deltas_encoded=len(chunks._sizes), ours_encoded=choice.tried)
    report.ratios["found_over_best"] = found / sum(best.values())
    report.ratios["found_over_best_any_depth"] = found / sum(deep.values())


def variants(report: Report, chunks: Chunks) -> None:
    """Compare what the index finds as built with what it would find if built otherwise."""

    def find(what: str, bands: tuple[int, int] = banding(0.5), by_jaccard: bool = False) -> None:
        signed_ = [
            signature(item.array) if worth_trying(item.array, item.encoded_bytes) else None for item in chunks.new
        ]
        keys = [
            set() if values is None else {(band, *values[band * bands[1] :][: bands[1]]) for band in range(bands[0])}
            for values in signed_
        ]
        whole: list[int] = []
        saved = vain = 0
        for chunk, item in enumerate(chunks.new):
            known = [base for base in whole if keys[base] & keys[chunk] and (base, chunk) in chunks._sizes]
            if by_jaccard:
                base = max(known, key=lambda one: np.count_nonzero(signed_[one] == signed_[chunk]), default=None)
            else:
                base = max(known, key=lambda one: len(keys[one] & keys[chunk]), default=None)
            least = item.encoded_bytes if base is None else chunks._sizes[base, chunk]
            if least <= (1 - LEAST_SAVED_SHARE) * item.encoded_bytes:
                saved += item.encoded_bytes - least
            else:
                whole.append(chunk)
                vain += base is not None
        report.add(f"index {what}", bytes_saved=saved, in_vain=vain)

    find("as built")
    find("ranked by estimated similarity", by_jaccard=True)
    for shape in ((4, 4), (7, 3), (8, 4)):
        find(f"of {shape[0]} bands of {shape[1]}", shape)
    for name, value, what in (
        ("_LEAST_STEPS", 0, "without finer steps for narrow columns"),
        ("_DOMINATING_SHARE", 1.0, "with dominating values"),
        ("_KEPT_MANTISSA_BITS", 0, "with 0 bits of the mantissa"),
        ("_KEPT_MANTISSA_BITS", 2, "with 2 bits of the mantissa"),
    ):
        with patch.object(similarity, name, value):
            find(what)


def forms(report: Report, chunks: Chunks, choice: DeltaChoice[EncodedChunk]) -> None:
    """Compare forms of a delta over all deltas found, each encoded by the store."""
    arrays = {item.address: item.array for item in chunks.new}
    items = {item.address: item for item in chunks.new}

    def folded(difference: np.ndarray) -> np.ndarray:
        sign = signed(difference) >> (8 * difference.dtype.itemsize - 1)
        return (difference << difference.dtype.type(1)) ^ sign.view(difference.dtype)

    def ordered(array: np.ndarray) -> np.ndarray:
        return swap_float_order(to_words(array)) if array.dtype.kind == "f" else to_words(array)

    made: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray | None]] = {
        "exclusive or of the bits": lambda base, array: to_words(base) ^ to_words(array),
        "difference of the bits": lambda base, array: to_words(array) - to_words(base),
        "difference in the floats' order, folded": lambda base, array: folded(ordered(array) - ordered(base)),
        "the same, low zero bits moved": make_delta,
        "ours: decimals by their digits": lambda base, array: make_delta(base, array, delta_scale(base, array)),
    }
    for name, form in made.items():
        total = 0
        for address, delta in choice.deltas.items():
            values = form(arrays[delta.base], arrays[address])
            assert values is not None
            total += chunks.encode(items[address], delta.base, values, 0).stored_bytes
        report.add(f"form of a delta: {name}", bytes=total)
        report.ratios["xor_bytes_over_ours"] = report.ratios.get("xor_bytes_over_ours", float(total))
    report.ratios["xor_bytes_over_ours"] /= total


def credit(report: Report, train_rows: int) -> None:
    """Measure the predictions of real models for real clients, where the data is there."""
    made = credit_predictions(train_rows)
    if not made:
        report.add("probabilities of default of 30,000 clients", skipped="the data is not there")
        return
    chunks = Chunks.of(made)
    choice = choose(chunks)
    without = sum(item.encoded_bytes for item in chunks.new)
    with_ = sum(
        choice.deltas[item.address].encoded.stored_bytes if item.address in choice.deltas else item.encoded_bytes
        for item in chunks.new
    )
    report.add("probabilities of default of 30,000 clients", chunks=len(chunks.new), deltas=len(choice.deltas),
               bytes_without=without, bytes_with=with_, without_over_with=without / with_)  # fmt: skip
    report.ratios["credit_without_over_with"] = without / with_


def signatures(report: Report) -> None:
    """Measure milliseconds of a chunk of 65,536 values, and of datasketch on the same items."""
    random = np.random.default_rng(3)
    floats = random.lognormal(8, 0.7, 65_536)
    near = floats * (1 + 1e-3 * random.normal(size=65_536))
    rows = sampled_rows(65_536).tolist()

    def naive(values: np.ndarray, sample: Sequence[int]) -> None:
        sketch = datasketch.MinHash(num_perm=PERMUTATIONS)
        sketch.update_batch([b"%d:%a" % (row, value) for row, value in zip(sample, values[sample], strict=True)])

    for values in (floats, floats.astype("<f4"), floats.astype("<i8")):
        ours = cpu_seconds(lambda v=values: signature(v), 101) * 1e3
        keys = cpu_seconds(lambda v=values: band_keys(signature(v)), 101) * 1e3 - ours
        peer = cpu_seconds(lambda v=values: naive(v, rows), 11) * 1e3
        report.add(f"signature of 65,536 {values.dtype.name}: ms", ours=ours, band_keys=keys, datasketch=peer)
        report.ratios.setdefault("signature_ms", ours)
        report.ratios.setdefault("datasketch_ms_over_ours", peer / ours)
    all_rows = range(65_536)
    report.add("datasketch on all 65,536 values: ms", datasketch=cpu_seconds(lambda: naive(floats, all_rows), 3) * 1e3)
    for name, base, array in (("doubles", floats, near), ("decimals", floats.round(2), near.round(2))):
        scale = delta_scale(base, array)
        delta = make_delta(base, array, scale)
        assert delta is not None
        report.add(
            f"65,536 {name}: ms",
            choose_scale=cpu_seconds(lambda b=base, a=array: delta_scale(b, a), 51) * 1e3,
            make_delta=cpu_seconds(lambda b=base, a=array, s=scale: make_delta(b, a, s), 51) * 1e3,
            apply_delta=cpu_seconds(lambda b=base, d=delta, s=scale: apply_delta(b, d, s), 51) * 1e3,
            encode=cpu_seconds(lambda a=array: encode_chunk(bytes(32), a, LEVEL), 11) * 1e3,
        )


def recall(report: Report) -> None:
    """Measure how often a pair of known similarity shares a key, and how far the estimate is off."""
    random = np.random.default_rng(4)
    bands, width = banding(0.5)
    for known in (0.2, 0.3, 0.5, 0.8, 0.95):
        found, off = 0, []
        for _ in range(400):
            first = random.integers(0, 2**62, 1024)
            second = first.copy()
            second[random.permutation(1024)[round(2048 * known / (1 + known)) :]] += 1
            a, b = signature(first), signature(second)
            assert a is not None
            assert b is not None
            found += bool(set(band_keys(a)) & set(band_keys(b)))
            off.append(abs(jaccard(a, b) - known))
        formula = 1 - (1 - known**width) ** bands
        report.add(f"pairs of Jaccard similarity {known}", share_found=found / 400, formula=formula,
                   mean_error_of_estimate=float(np.mean(off)))  # fmt: skip
        report.ratios[f"recall_at_{known}"] = found / 400


def index(report: Report) -> None:
    """Measure the bytes of an index of 20,000 chunks in SQLite, as rows (key, chunk)."""
    chunks = 20_000
    random = np.random.default_rng(6)
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE band (key INTEGER, chunk INTEGER, PRIMARY KEY (key, chunk)) WITHOUT ROWID")
        rows = ((int(key), chunk) for chunk in range(chunks) for key in random.integers(0, 2**63, banding(0.5)[0]))
        connection.executemany("INSERT INTO band VALUES (?, ?)", rows)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    report.add("index in SQLite, 20,000 chunks", bytes=pages * page_bytes, rows=chunks * banding(0.5)[0])
    report.ratios["index_bytes_per_chunk"] = pages * page_bytes / chunks


def imports(report: Report) -> None:
    """Measure what importing datasketch costs a process, with and without scikit-learn in it."""
    code = (
        "import sys, time, numpy{}\nstart = time.perf_counter()\nimport datasketch\nprint(time.perf_counter() - start)"
    )
    for what, before in (("NumPy", ""), ("NumPy and scikit-learn", ", sklearn.ensemble")):
        spent = [
            float(subprocess.run([sys.executable, "-c", code.format(before)], capture_output=True, check=True).stdout)
            for _ in range(3)
        ]
        report.add(f"import of datasketch after {what}: seconds", seconds=statistics.median(spent))


if __name__ == "__main__":
    main()
