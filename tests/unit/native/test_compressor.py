"""The compiled compressor of pages makes the frames that the package zstandard makes of NumPy's planes."""

import ctypes
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core.native.compressor import AS_THEY_ARE, PLANES, page_compressor
from mistique_core.native.zstandard_library import addresses_of
from mistique_core.partition import pages
from mistique_core.partition.pages import compress_pages, decompress_page, join_planes


def is_same_release() -> bool:
    """Whether hdf5plugin and the package zstandard hold the same release of Zstandard, as in the lock file."""
    address = (addresses_of(["ZSTD_versionNumber"]) or [0])[0]
    major, minor, patch = zstandard.ZSTD_VERSION
    return bool(address) and ctypes.CFUNCTYPE(ctypes.c_uint)(address)() == major * 10_000 + minor * 100 + patch


needs_compressor = pytest.mark.skipif(page_compressor is None, reason="it was not built (no C compiler)")
CHECKED = np.array([100, 3, 200, 1, 201, 1], np.int32).tobytes()
"""Zstandard's level 3, with sizes and checksums."""
DTYPES = ["|u1", "<u2", "<f4", "<f8", "<c16"]
ROWS = [1, 2, 7, 255, 256, 512, 1_000, 1_024, 4_096, 5_000, 16_384]


@st.composite
def codes_and_rows(draw: st.DrawFn) -> tuple[npt.NDArray[np.generic], int]:
    """Draw codes that compress well or not, and at most as many rows of a page."""
    rows = draw(st.sampled_from(ROWS))
    length = rows + draw(st.sampled_from([0, 1, rows, 3 * rows + 5, 10 * rows + rows // 2]))
    random = np.random.default_rng(draw(st.integers(0, 9)))
    kind = draw(st.sampled_from(["noise", "steps", "few"]))
    if kind == "noise":
        values = random.bytes(length * 16)
    else:
        numbers = np.arange(length) // 7 if kind == "steps" else random.integers(0, 5, length)
        values = np.repeat(numbers.astype("<u8"), 2).tobytes()
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    return np.frombuffer(values, dtype)[:length], rows


@needs_compressor
@pytest.mark.skipif(not is_same_release(), reason="hdf5plugin and zstandard hold different releases of Zstandard")
@settings(deadline=None, max_examples=300)
@given(codes_and_rows(), st.sampled_from([1, 3, 9]))
def test_the_frames_are_those_of_the_package(drawn: tuple[npt.NDArray[np.generic], int], level: int) -> None:
    """Byte for byte: of every width, whether planes are as long as a window or not, where the last page is short."""
    codes, rows = drawn
    ours = compress_pages(codes, rows, level)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pages, "page_compressor", None)
        assert compress_pages(codes, rows, level) == ours


@needs_compressor
@settings(deadline=None, max_examples=50)
@given(codes_and_rows())
def test_pages_come_back(drawn: tuple[npt.NDArray[np.generic], int]) -> None:
    """By the package's own decompressor and NumPy, with zeros after the last row."""
    codes, rows = drawn
    size = rows * codes.dtype.itemsize
    frames = compress_pages(codes, rows, 3)
    raw = b"".join(decompress_page(frame, size) for frame in frames)
    found = np.empty(rows * len(frames), codes.dtype)
    if codes.dtype.itemsize == 1:
        found[:] = np.frombuffer(raw, codes.dtype)
    else:
        join_planes(raw, found, len(frames))
    assert found[: len(codes)].tobytes() == codes.tobytes()
    assert not found[len(codes) :].view(np.uint8).any()


@needs_compressor
def test_many_pages_are_made_in_several_batches() -> None:
    """More bytes of frames than are made at once, from several threads."""
    data = np.frombuffer(np.random.default_rng(3).bytes(3_000_000), np.uint8)
    expected = [data[start : start + 10_000].tobytes() for start in range(0, len(data), 10_000)]

    def check(_: int) -> bool:
        assert page_compressor is not None
        frames = page_compressor.compress(data, 1, 10_000, CHECKED, AS_THEY_ARE)
        return frames is not None and [decompress_page(frame, 10_000) for frame in frames] == expected

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(check, range(12)))


@needs_compressor
@pytest.mark.parametrize(
    ("itemsize", "page_bytes", "parameters", "mode"),
    [
        (1, (1 << 24) + 1, CHECKED, AS_THEY_ARE),  # longer than any page
        (1, 0, CHECKED, AS_THEY_ARE),
        (3, 4_096, CHECKED, PLANES),  # items that do not fill the page
        (0, 4_096, CHECKED, PLANES),
        (1, 4_096, CHECKED[:7], AS_THEY_ARE),  # half a pair
        (1, 4_096, CHECKED * 9, AS_THEY_ARE),  # more than there are
        (1, 4_096, np.array([4_711, 1], np.int32).tobytes(), AS_THEY_ARE),  # no such parameter
        (1, 4_096, np.array([101, 99], np.int32).tobytes(), AS_THEY_ARE),  # no such window
        (1, 4_096, CHECKED, 3),
    ],
)
def test_what_it_cannot_do_is_left_to_the_package(itemsize: int, page_bytes: int, parameters: bytes, mode: int) -> None:
    assert page_compressor is not None
    assert page_compressor.compress(np.zeros(12_288, np.uint8), itemsize, page_bytes, parameters, mode) is None
    frames = page_compressor.compress(np.zeros(12_288, np.uint8), 1, 4_096, CHECKED, AS_THEY_ARE)
    assert frames is not None
    assert len(frames) == 3


def test_it_can_be_switched_off() -> None:
    program = "from mistique_core.native.compressor import page_compressor; print(page_compressor)"
    environment = {**os.environ, "MISTIQUE_KERNELS": "off"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "None"
