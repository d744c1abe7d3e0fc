"""A process of a test ends with it, also when it fails."""

import subprocess
import sys

import pytest

from tests.child_process import child_process

LONG = "print('up', flush=True); import time; time.sleep(600)"


def started(fails: bool) -> subprocess.Popen[str]:
    """Return a process that runs until the block around it ends, or is left by an error."""
    with child_process([sys.executable, "-c", LONG], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        if fails:
            raise LookupError(process)
        return process


def test_it_ends_with_the_block() -> None:
    assert started(fails=False).returncode == -9


def test_it_ends_when_the_block_fails() -> None:
    with pytest.raises(LookupError) as caught:
        started(fails=True)
    assert caught.value.args[0].returncode == -9
