"""What large arrays took is given back, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
SCRIPT = """
import re, sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
from mistique_ui.interactive.memory import return_large_arrays

def resident():
    return int(re.findall(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[0]) / 1e3

if sys.argv[2] == "given back":
    assert return_large_arrays()
kept = []
def work():
    # Freeing a mapping raises the bound; small objects that stay hold the heap after that.
    np.ones(30_000_000 // 8)
    parts = []
    for _ in range(40):
        parts.append(np.ones(4_000_000 // 8))
        kept.append(np.ones(20_000))
    del parts
before = resident()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
    thread.join()
print(resident() - before - sum(item.nbytes for item in kept) / 1e6)
"""


def grown(how: str) -> float:
    """Return the MB that a process keeps beyond what it still refers to."""
    command = [sys.executable, "-c", SCRIPT, str(PLUGINS), how]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries have no such bound")
def test_large_arrays_leave_nothing_behind() -> None:
    assert grown("given back") < min(20, grown("as it is"))
