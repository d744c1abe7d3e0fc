"""What a capture decides when it begins, kept so that an interrupted one, or another task, goes on with the same."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from mistique_core.engine.unit_stream import UnitCodec
from mistique_core.networks.forward import CallSeconds


@dataclass(frozen=True)
class CaptureState:
    """Fitted schemes and measured times.

    Attributes
    ----------
    codecs
        Tensor -> how it is cut and quantized.
    shapes
        Tensor -> shape of one row.
    seconds
        Call -> what it takes.
    stored, starts
        Tensors that are stored, and those that the pass begins with: whoever goes on does the same, whatever the
        store holds by then.
    origin
        Those of the starts that are lossy copies, and their schemes.
    dependent
        Tensors whose rows depend on the other rows of their batch.
    began_at
        When the capture began, in Unix seconds: before anything of the network ran.
    """

    codecs: Mapping[str, UnitCodec]
    shapes: Mapping[str, tuple[int, ...]]
    seconds: Mapping[str, CallSeconds]
    stored: tuple[str, ...]
    starts: tuple[str, ...]
    origin: Mapping[str, str]
    dependent: frozenset[str]
    began_at: float

    def to_bytes(self) -> bytes:
        """Return the state as compressed JSON."""
        document = {
            "codecs": {name: base64.b64encode(codec.to_bytes()).decode() for name, codec in self.codecs.items()},
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "seconds": {name: [item.row, item.call] for name, item in self.seconds.items()},
            "stored": list(self.stored),
            "starts": list(self.starts),
            "origin": dict(self.origin),
            "dependent": sorted(self.dependent),
            "began_at": self.began_at,
        }
        return zlib.compress(json.dumps(document).encode())

    @classmethod
    def from_bytes(cls, data: bytes) -> CaptureState:
        """Return what :meth:`to_bytes` described."""
        document = json.loads(zlib.decompress(data))
        return cls(
            {name: UnitCodec.from_bytes(base64.b64decode(text)) for name, text in document["codecs"].items()},
            {name: tuple(shape) for name, shape in document["shapes"].items()},
            {name: CallSeconds(*values) for name, values in document["seconds"].items()},
            tuple(document["stored"]),
            tuple(document["starts"]),
            document["origin"],
            frozenset(document["dependent"]),
            document["began_at"],
        )
