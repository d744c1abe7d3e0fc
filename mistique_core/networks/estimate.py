"""What a capture will take, estimated from a sample before it begins, and refused where it cannot fit."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from mistique_core.engine.unit_stream import UnitCodec
from mistique_core.errors import InvalidInputError, StorageError
from mistique_core.partition import encode_chunk
from mistique_core.planner.plan import format_bytes

if TYPE_CHECKING:
    from rich.table import Table

Array = npt.NDArray[Any]
_LEAST_ROWS = 16
_SPARE = 1.05


@dataclass(frozen=True)
class LayerEstimate:
    """Estimated bytes of one layer.

    Attributes
    ----------
    name, label, scheme
        The layer.
    shape
        Of one row.
    logical_bytes, stored_bytes
        Of its values, and what it will add to the store unless some of it is stored already.
    """

    name: str
    label: str
    scheme: str
    shape: tuple[int, ...]
    logical_bytes: int
    stored_bytes: int


def estimate_stored(codec: UnitCodec, sample: Array, rows: int, zstd_level: int) -> int:
    """Return the bytes that so many rows will take, by encoding a few.

    Parameters
    ----------
    codec
        How the layer is cut and quantized.
    sample
        Rows of the layer.
    rows
        Rows of the capture.
    zstd_level
        Level of the store.
    """
    few = sample[: max(_LEAST_ROWS, min(codec.groups.block_rows, 2 * _LEAST_ROWS))]
    encoded = codec.encode(0, few)
    size = sum(encode_chunk(address, array, zstd_level).stored_bytes for address, array in encoded.arrays.items())
    return round(size / len(few) * rows)


def table_of(layers: list[LayerEstimate]) -> Table:
    """Return estimates as a table for a terminal."""
    from rich.markup import escape
    from rich.table import Table

    made = Table(box=None, header_style="bold", pad_edge=False)
    for position, title in enumerate(("LAYER", "TYPE", "SHAPE", "SCHEME", "VALUES", "STORED")):
        made.add_column(title, justify="right" if position >= 4 else "left", overflow="fold")
    for item in layers:
        made.add_row(
            escape(item.name),
            escape(item.label),
            "x".join(map(str, item.shape)),
            escape(item.scheme),
            format_bytes(item.logical_bytes),
            f"about {format_bytes(item.stored_bytes)}",
        )
    return made


def check_disk(folder: Path | None, needed_bytes: int) -> None:
    """Refuse a capture that the disk cannot hold.

    Parameters
    ----------
    folder
        The store; ``None`` on object storage, which has no end.
    needed_bytes
        Estimate of what it will add.

    Raises
    ------
    StorageError
        If there is less space.
    """
    if folder is None:
        return
    free = shutil.disk_usage(folder).free
    if needed_bytes * _SPARE > free:
        raise StorageError(
            f"the capture needs about {format_bytes(needed_bytes)} and {folder} has {format_bytes(free)} left; choose "
            "fewer layers (layers=...), a coarser scheme such as 'pool(2)+float16', or another store"
        )


def check_memory(batch_bytes: int, batch_rows: int) -> None:
    """Refuse a capture whose batches do not fit into memory.

    Raises
    ------
    InvalidInputError
        If three batches need more than there is.
    """
    available = _available_bytes()
    if available is not None and 3 * batch_bytes > available:
        fitting = max(1, int(batch_rows * available / (3 * batch_bytes)))
        raise InvalidInputError(
            f"a batch of {batch_rows} rows takes {format_bytes(batch_bytes)} of activations, and three of them more "
            f"than the {format_bytes(available)} of memory that are free; give batch_rows={fitting} or less"
        )


def _available_bytes() -> int | None:
    try:
        facts: Mapping[str, str] = dict(
            line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line
        )
        return int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not on Linux
        return None
