"""PNG files of small arrays, as addresses that hold them; no image library is needed."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR = 0, 2


def png(image: npt.NDArray[np.uint8]) -> bytes:
    """Return the file of an image, uint8 of shape (height, width, 1 or 3)."""
    height, width, channels = image.shape
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOUR if channels == 3 else _GREY, 0, 0, 0)
    rows = np.zeros((height, 1 + width * channels), dtype=np.uint8)  # a zero before each row: no filter
    rows[:, 1:] = np.ascontiguousarray(image).reshape(height, -1)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_part(name, data) for name, data in parts)


def png_address(image: npt.NDArray[Any]) -> str:
    """Return ``data:image/png;base64,...`` of an image as of :func:`png`."""
    return f"data:image/png;base64,{base64.b64encode(png(image)).decode()}"


def _part(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
