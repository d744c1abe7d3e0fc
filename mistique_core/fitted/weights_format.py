"""Weights of a layer: plain arrays, one after the other, after a JSON header that says what they are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import CorruptPartitionError, InvalidInputError

_LENGTH_BYTES = 8
_ITEM_BYTES = 4
_KINDS = "fiub"


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """The arrays that a layer has learned, in the layer's order.

    Attributes
    ----------
    arrays
        Numbers of any shape.
    """

    arrays: tuple[npt.NDArray[Any], ...]


class WeightsCodec:
    """Stores :class:`LayerWeights`; equal weights give equal bytes."""

    format = "weights"
    item = "<f4"

    def accepts(self, value: Any) -> bool:
        """See :class:`FittedCodec`."""
        return isinstance(value, LayerWeights)

    def dump(self, value: LayerWeights) -> bytes:
        """See :class:`FittedCodec`.

        Raises
        ------
        InvalidInputError
            If an array holds anything but numbers of NumPy's own types.
        """
        arrays = [np.ascontiguousarray(array).reshape(np.shape(array)) for array in value.arrays]
        for array in arrays:
            if array.dtype.kind not in _KINDS:
                raise InvalidInputError(
                    f"weights of dtype {array.dtype} cannot be stored; use a layer with float32 or float16 variables"
                )
        arrays = [array.astype(array.dtype.newbyteorder("<"), copy=False) for array in arrays]
        header = json.dumps([[array.dtype.str, list(array.shape)] for array in arrays]).encode()
        header += b" " * (-(len(header) + sum(array.nbytes for array in arrays)) % _ITEM_BYTES)
        return b"".join([len(header).to_bytes(_LENGTH_BYTES, "little"), header, *(a.tobytes() for a in arrays)])

    def load(self, data: bytes) -> LayerWeights:
        """See :class:`FittedCodec`.

        Raises
        ------
        CorruptPartitionError
            If the bytes are none of this format.
        """
        try:
            start = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
            arrays = []
            for name, shape in json.loads(data[_LENGTH_BYTES:start]):
                dtype = np.dtype(name)
                if dtype.kind not in _KINDS:
                    raise ValueError(f"dtype {name}")
                count = int(np.prod(shape, dtype=np.int64))
                arrays.append(np.frombuffer(data, dtype, count, start).reshape(shape))
                start += count * dtype.itemsize
            if start != len(data):
                raise ValueError(f"{len(data)} bytes in place of {start}")
        except (ValueError, TypeError) as error:
            raise CorruptPartitionError(f"stored weights are damaged ({error}); run 'mistique check'") from error
        return LayerWeights(tuple(arrays))
