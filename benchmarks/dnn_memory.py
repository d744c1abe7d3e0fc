"""Peak memory of logging VGG16, in a process of its own: run ``python -m benchmarks.dnn_memory ROWS``."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.dnn_workload import batch_bytes, capture, images, needed_files, network, new_store

ROOT = Path(__file__).resolve().parents[1]
ALLOWED_BATCHES = 3
ALLOWED_BESIDES_BYTES = 500_000_000


def measured_in_new_process(rows: int) -> dict[str, int]:
    """Return what :func:`measure` finds in a new process."""
    command = [sys.executable, "-m", "benchmarks.dnn_memory", str(rows)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(rows: int) -> dict[str, int]:
    """Log all layers of so many images, and return the bytes of memory before, at most, and allowed.

    Before means with TensorFlow, the network and the images loaded, after a prediction of one row.
    """
    folder = needed_files()
    model, inputs = network(folder), images(folder, rows)
    model.predict(inputs[:1], verbose=0)
    before = memory_bytes("VmRSS")
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="dnn-memory-") as name, new_store(Path(name) / "store") as store:
        capture(store, model, inputs)
    allowed = ALLOWED_BATCHES * batch_bytes(model) + ALLOWED_BESIDES_BYTES
    return {"before_bytes": before, "peak_bytes": memory_bytes("VmHWM"), "allowed_bytes": allowed}


def memory_bytes(field: str) -> int:
    """Return ``VmRSS`` (resident now) or ``VmHWM`` (at most so far) of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/self/status has no {field}")


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
