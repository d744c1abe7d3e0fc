"""Ways to store the layers of a network, each seen as what it takes and what it gives back."""

from __future__ import annotations

import io
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmarks.activation_schemes import decode_layer, encode_layers, lossless_bytes, text_of
from benchmarks.lossy_peers import Blosc2Truncated, LossyCodec, Sz3, Zfp
from benchmarks.vgg16 import SHAPES
from mistique_core.quantizers import Bounded, default_scheme, parse_scheme

Array = NDArray[Any]
DEFAULT, THESIS_DEFAULT, GZIP = "default", "POOL(2), float16", "gzip, float32"
WIDTHS = {layer: math.prod(shape) for layer, shape in SHAPES.items()}
_GZIP_CHUNK_BYTES = 1 << 20


class Way(ABC):
    """One way to store all layers.

    Attributes
    ----------
    label
        Its name in tables.
    family
        Its curve in the plot.
    exact
        Whether every value comes back as it was.
    """

    exact = False

    def __init__(self, label: str, family: str) -> None:
        self.label, self.family = label, family

    @abstractmethod
    def trip(self, layer: int, values: NDArray[np.float32]) -> tuple[int, Array]:
        """Return the stored bytes of a layer ``(rows, ..., units)``, and what comes back in the same order of axes."""


class Scheme(Way):
    """Schemes of ours, as chunks of a partition; the text of each layer's in `texts`."""

    def __init__(self, label: str, family: str, texts: Mapping[int, str]) -> None:
        super().__init__(label, family)
        self.texts = texts

    def trip(self, layer: int, values: NDArray[np.float32]) -> tuple[int, Array]:
        units_first = np.moveaxis(values, -1, 0)
        if parse_scheme(self.texts[layer]) is None:
            return lossless_bytes(units_first), values
        (slices,) = encode_layers([units_first], self.texts[layer], threads=2)
        return sum(item.stored_bytes for item in slices), np.moveaxis(decode_layer(slices), 0, -1)


class Peer(Way):
    """A lossy compressor over units that are divided by their standard deviations, as BOUNDED divides its steps."""

    def __init__(self, codec: LossyCodec) -> None:
        super().__init__(f"{codec.family} {codec.setting}", codec.family)
        self._codec = codec

    def trip(self, layer: int, values: NDArray[np.float32]) -> tuple[int, Array]:
        deviations = values.reshape(-1, values.shape[-1]).std(axis=0, dtype=np.float64)
        deviations = np.where(deviations > 0, deviations, 1).astype(np.float32)
        found = self._codec.round_trip(np.ascontiguousarray(np.moveaxis(values / deviations, -1, 0)))
        return found.stored_bytes, np.moveaxis(found.values, 0, -1) * deviations


class Gzip(Way):
    """float32 in HDF5 data sets with gzip, as the thesis stores everything."""

    exact = True

    def __init__(self) -> None:
        super().__init__(GZIP, "gzip")

    def trip(self, layer: int, values: NDArray[np.float32]) -> tuple[int, Array]:
        rows = max(1, min(len(values), _GZIP_CHUNK_BYTES // (values[0].size * 4)))
        with h5py.File(io.BytesIO(), "w") as file:
            data = file.create_dataset("values", data=values, chunks=(rows, *values.shape[1:]), compression="gzip")
            file.flush()
            return int(data.id.get_storage_size()), values


def default_texts(scale: float = 1) -> dict[int, str]:
    """Return the default scheme of each layer, its steps `scale` times as long."""
    texts = {layer: default_scheme(width, WIDTHS.values()) for layer, width in WIDTHS.items()}
    for layer, text in texts.items():
        scheme = parse_scheme(text)
        if isinstance(scheme, Bounded):
            texts[layer] = Bounded(scheme.deviations * scale).text()
    return texts


def one_text(text: str) -> dict[int, str]:
    """Return one scheme for all layers; where there are no maps, what follows POOL."""
    return {layer: text_of(text, (shape[-1], 1, *shape[:-1])) for layer, shape in SHAPES.items()}


def ways(quick: bool) -> list[Way]:
    """Return the thesis's schemes, ours and the peers, those of one family from coarse to fine."""
    ours: list[Way] = [
        Gzip(),
        Scheme("LP float16", "LP float16", one_text("float16")),
        Scheme("KBIT(8)", "KBIT", one_text("kbit(8)")),
        Scheme("KBIT(3)", "KBIT", one_text("kbit(3)")),
        Scheme("THRESHOLD(99.5 %)", "THRESHOLD", one_text("threshold(99.5%)")),
        Scheme(THESIS_DEFAULT, "POOL", one_text("pool(2)+float16")),
        Scheme("POOL(S), float16", "POOL", one_text("pool(s)+float16")),
        Scheme("POOL(S), BOUNDED(0.1)", "POOL", one_text("pool(s)+bounded(0.1)")),
    ]
    for step in ("0.25",) if quick else ("0.5", "0.25", "0.1"):
        ours.append(Scheme(f"BOUNDED({step})", "BOUNDED, one step", one_text(f"bounded({step})")))
    for scale in () if quick else (2.0, 0.5):
        ours.append(Scheme(f"default, steps x {scale:g}", DEFAULT, default_texts(scale)))
    ours.append(Scheme(DEFAULT, DEFAULT, default_texts()))
    peers = [Sz3(0.5), Zfp(2), Blosc2Truncated(4)] if quick else [
        Sz3(0.5), Zfp(4), Zfp(2), Blosc2Truncated(2), Blosc2Truncated(4),
    ]  # fmt: skip
    return [*ours, *(Peer(codec) for codec in peers)]
