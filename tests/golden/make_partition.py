"""Write the golden partition of the current format version: ``python tests/golden/make_partition.py``.

A golden file is never changed once it is committed: a new format version gets a new file.
"""

from pathlib import Path

import numpy as np

from mistique_core.dedup import chunk_hash
from mistique_core.dedup.delta import make_delta
from mistique_core.partition import FORMAT_VERSION, EncodedChunk, build_partition, encode_chunk, encode_delta

HERE = Path(__file__).parent
SCALES = (1, 10, 100, 1_000, 10_000, 1_000_000)
COLUMNS = [
    {
        "address": "5a" * 32,
        "logical_type": '{"dtype":"float64","kind":"numeric"}',
        "rows": 400,
        "block_rows": 65536,
        "logical_bytes": 3200,
        "chunks": [["values", 0, "c3" * 32]],
        "categories": None,
    },
    {"address": "6b" * 32, "label": "Größe \U0001f3e0"},
]


def first_arrays() -> list[np.ndarray]:
    """Return the arrays of format version 1: every encoding of it, several dtypes, two shapes and no rows."""
    steps = np.arange(400)
    return [
        (steps * 0.37).round(2),
        (steps % 7).astype("u1"),
        (steps * steps * 2_654_435_761 % 251).astype("u1")[:40],
        (steps % 5 - 2).astype("i8"),
        np.stack([steps / 3, -steps / 7], axis=1).astype("f4"),
        np.array([0x7FF0000000000ABC, 0x8000000000000000], "u8").view("f8"),
        np.empty(0, "u1"),
    ]


def decimals() -> list[np.ndarray]:
    """Return decimals of every scale, of floats of every width, with and without values that are none."""
    steps = np.arange(200) * 37 % 211
    made = []
    for scale in SCALES:
        values = (steps * 13 - 1_000) / scale
        made += [values, np.where(steps % 6, values, np.nan), (steps / scale).astype("f4")]
    others = np.array([0x7FF0000000000ABC, 0xFFF8000000000001, 0x7FF0000000000000, 0x8000000000000000], "u8").view("f8")
    made.append(np.where(steps % 5, steps / 100, np.concatenate([others, [1 / 3]])[steps // 5 % 5]))
    made.append(np.where(steps % 7, steps * 1e9 + 4_294_967_296 * steps, -np.inf))
    made += [
        (steps / 10).astype("f2"),
        steps * steps * 7_919 / 100,
        np.where(steps % 6, steps * steps * 7_919 / 100, np.nan),
    ]
    return made


def integers() -> list[np.ndarray]:
    """Return integers of every width, of a small and of a large range."""
    steps = np.arange(150) * 89 % 157
    made = [steps.astype(f"{kind}{width}") for kind in "iu" for width in (1, 2, 4, 8)]
    made += [steps * 300 - 10**15, np.uint64(2**64 - 1) - (steps * 70_000).astype("u8"), (steps - 70).astype("i2")]
    made += [
        (steps.astype("u8") * np.uint64(0x9E3779B97F4A7C15)).astype(f"u{width}").view(f"i{width}")
        for width in (2, 4, 8)
    ]
    return made


def few() -> list[np.ndarray]:
    """Return few different values of several dtypes: tables with codes of one and of two bytes."""
    steps = np.arange(1_500)
    special = np.array([0.1 + 0.2, -0.0, np.inf, 5e-324, 1e22, np.nan])
    return [
        np.sqrt(steps % 5)[:300],
        np.sqrt(steps % 300 + 0.3),
        special[steps % 6],
        special[steps % 5].astype("f4"),
        (steps % 4 * 3_000_000_007).astype("i8"),
        np.sqrt(steps % 40 + 2).astype("f4"),
        np.sqrt(steps % 50 + 2).astype("f2"),
        np.array([0x3C00, 0x7C01, 0x8000], "u2").view("f2")[steps % 3],
    ]


def packed() -> list[np.ndarray]:
    """Return values of which few bits are stored: flags and categories, of several pages, of odd lengths."""
    rows = np.arange(70_003)
    return [
        (rows * rows // 1_000 % 11 == 0).astype("u1"),
        (rows[:101] % 3).astype("u1"),
        (rows[:1_003] * 7 % 16).astype("u1"),
        np.where(rows[:303] % 4, 1_000.0, 1_003.0),
        np.where(rows[:305] % 5, 0.0, np.nan),
        np.sqrt(rows[:307] % 13 + 2),
        (rows[:309] // 7 % 2 * 5 - 10**9),
    ]


def pages() -> list[np.ndarray]:
    """Return arrays of several pages, the last one not full: planes of one, two, four and eight bytes."""
    rows = np.arange(20_001)
    text = b"".join(b"home %d of street %d;" % (row % 50, row // 400) for row in range(4_000))
    return [
        np.frombuffer(text, "u1")[:-1],
        (rows // 40 * 1.0),
        (rows // 3 * 17_000_000_000.0)[:8_200],
        (rows * 100_003 % 70_001).astype("i4")[:300].repeat(30)[:8_200],
        np.stack([rows, -rows], axis=1)[:9_001],
        np.stack([rows * 7, -rows, rows % 9], axis=1)[:9_001].astype("i4"),
        np.where(rows % 4_000, 0.25, 1 / (rows + 3.0)),
    ]


def tensors() -> list[np.ndarray]:
    """Return arrays of two and four dimensions, small codes among them, and empty ones."""
    cells = np.arange(5 * 20 * 8 * 8).reshape(5, 20, 8, 8)
    return [
        (cells[:2, :3, :2, :2] / 7).astype("f4"),
        (cells[:3, 0, :4, 0] / 3),
        (cells[:2, :2, :5, :3] * 1_000_003).astype("i8"),
        (cells * cells // 900 % 97 % 5).astype("u1"),
        ((cells // 7 % 2) * (cells // 3 % 60 == 0) * (cells % 250)).astype("u1"),
        ((cells * 31 % 101 % 7 - 3) * (cells // 9 % 2)).astype("i1"),
        np.zeros((70, 64), "u1"),
        (cells[:2, :2, :3, :3] % 200 - 100).astype("i1"),
        np.empty(0, "u1"),
        np.empty((0, 3), "f8"),
        np.empty((4, 0, 2, 2), "f4"),
    ]


def differences() -> list[tuple[np.ndarray, np.ndarray, int]]:
    """Return (chunk, what it is a difference to, scale)."""
    steps = np.arange(300)
    full, cents, ids = np.sqrt(steps + 0.7), (steps * 7919 % 9_973) / 100, steps * steps * 1_000_003
    nanoseconds = steps * 86_400_000_000_000
    return [
        (np.where(steps % 50, full, full + 1e-13), full, 0),
        (np.where(steps % 3, cents, cents + 0.01), cents, 100),
        (np.where(steps % 40, cents, np.nan).astype("f4"), cents.astype("f4"), 100),
        (np.where(steps % 9, full, -full).astype("f4"), full.astype("f4"), 0),
        (np.where(steps % 9, full, full * 2).astype("f2"), full.astype("f2"), 0),
        (full * (1 + steps * 1e-13), full, 0),
        ((full * (1 + steps * 1e-5)).astype("f4"), full.astype("f4"), 0),
        ((ids % 30_011).astype("i2"), (ids % 30_011 - steps * 7 % 501).astype("i2"), 0),
        (ids - steps % 3, ids, 0),
        (nanoseconds + 86_400_000_000_000, nanoseconds, 0),
        ((steps % 250).astype("u1")[::-1].copy(), (steps % 250).astype("u1"), 0),
        (np.where(steps % 11, full, 0.0).reshape(30, 10), full.reshape(30, 10), 0),
    ]


def arrays() -> list[np.ndarray]:
    """Return arrays that between them use everything that format version 2 has."""
    found = [*first_arrays(), *decimals(), *integers(), *few(), *packed(), *pages(), *tensors()]
    found += [array for pair in differences() for array in pair[:2]]
    return list({chunk_hash(array): array for array in found}.values())


def chunks() -> list[EncodedChunk]:
    """Return the encoded arrays."""
    made = {chunk_hash(array): encode_chunk(chunk_hash(array), array, 3) for array in arrays()}
    for array, base, scale in differences():
        delta = make_delta(base, array, scale)
        assert delta is not None
        address = chunk_hash(array)
        made[address] = encode_delta(made[address], array, chunk_hash(base), delta, scale, 3)
    return list(made.values())


def build() -> bytes:
    """Return the bytes of the partition."""
    return build_partition(chunks(), COLUMNS)[0]


if __name__ == "__main__":
    path = HERE / f"partition_v{FORMAT_VERSION}.h5"
    if path.exists():
        raise SystemExit(f"{path.name} is there already; a golden file is never rewritten")
    path.write_bytes(build())
