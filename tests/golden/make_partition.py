"""Write the golden partition of the current format version: ``python tests/golden/make_partition.py``.

A golden file is never changed once it is committed: a new format version gets a new file.
"""

from pathlib import Path

import numpy as np

from mistique_core.dedup import chunk_hash
from mistique_core.partition import FORMAT_VERSION, build_partition, encode_chunk

HERE = Path(__file__).parent


def arrays() -> list[np.ndarray]:
    """Return arrays that between them use every encoding, several dtypes, two shapes and no rows."""
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


def build() -> bytes:
    """Return the bytes of the partition."""
    return build_partition([encode_chunk(chunk_hash(array), array, 3) for array in arrays()])[0]


if __name__ == "__main__":
    path = HERE / f"partition_v{FORMAT_VERSION}.h5"
    if path.exists():
        raise SystemExit(f"{path.name} is there already; a golden file is never rewritten")
    path.write_bytes(build())
