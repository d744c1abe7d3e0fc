"""What logging a network did, in numbers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from mistique_core.model import IntermediateRef
from mistique_core.planner.plan import format_bytes, format_seconds
from mistique_core.store.report_text import as_text

if TYPE_CHECKING:
    from rich.table import Table

State = Literal["stored", "reused", "pending"]


@dataclass(frozen=True)
class LayerReport:
    """One logged layer.

    Attributes
    ----------
    name, label
        The intermediate, and the class of its layer.
    scheme
        Text of its scheme, or ``lossless``.
    state
        ``stored``; ``reused``, if it was known already and neither computed nor stored; ``pending``, if other row
        blocks of it are still missing.
    shape
        Of one row.
    logical_bytes, stored_bytes
        Bytes of its values, and bytes that it added to the store.
    seconds
        Of the forward pass through it.
    """

    name: str
    label: str
    scheme: str
    state: State
    shape: tuple[int, ...]
    logical_bytes: int
    stored_bytes: int
    seconds: float


@dataclass(frozen=True)
class NetworkReport:
    """What logging a network did; its text is a table.

    Attributes
    ----------
    project, model, version
        The model version.
    layers
        In the network's order.
    rows, blocks
        Rows of the input, and row blocks that this call has stored.
    input_bytes, weight_bytes
        Bytes that the input and the weights added to the store, as far as they were new.
    seconds
        Wall time.
    origin
        Tensors that were read from lossy copies to begin with, and their schemes: what was made from them is not
        exactly what the network gives. Empty if everything is exact.
    output
        Reference of the last of these layers; ``None`` while row blocks are missing.
    """

    project: str
    model: str
    version: int
    layers: tuple[LayerReport, ...]
    rows: int
    blocks: int
    input_bytes: int
    weight_bytes: int
    seconds: float
    origin: tuple[tuple[str, str], ...] = ()
    output: IntermediateRef | None = None

    @property
    def stored_bytes(self) -> int:
        """Bytes that all layers added to the store."""
        return sum(layer.stored_bytes for layer in self.layers)

    @property
    def logical_bytes(self) -> int:
        """Bytes of the values of all layers."""
        return sum(layer.logical_bytes for layer in self.layers)

    @property
    def is_complete(self) -> bool:
        """Whether the layers can be asked for now: no row block is missing."""
        return all(layer.state != "pending" for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values, lists in place of tuples."""
        fields = {**asdict(self), "stored_bytes": self.stored_bytes, "logical_bytes": self.logical_bytes}
        fields["output"] = None if self.output is None else self.output.to_json()
        plain: dict[str, Any] = json.loads(json.dumps(fields))
        return plain

    def table(self) -> Table:
        """Return the layers as a table for a terminal."""
        from rich.markup import escape
        from rich.table import Table

        made = Table(box=None, header_style="bold", pad_edge=False)
        for position, title in enumerate(("LAYER", "TYPE", "SHAPE", "SCHEME", "STATE", "TIME", "BYTES", "ADDED")):
            made.add_column(title, justify="right" if position >= 5 else "left", overflow="fold")
        for layer in self.layers:
            made.add_row(
                escape(layer.name),
                escape(layer.label),
                "x".join(map(str, layer.shape)),
                escape(layer.scheme),
                layer.state,
                format_seconds(layer.seconds),
                format_bytes(layer.logical_bytes),
                format_bytes(layer.stored_bytes),
            )
        return made

    def summary(self) -> str:
        """Return what was done in one line."""
        reused = sum(layer.state == "reused" for layer in self.layers)
        note = ""
        if self.origin:
            note = "; computed from lossy copies of " + ", ".join(f"{name} ({scheme})" for name, scheme in self.origin)
        return (
            f"{self.project}.{self.model}@{self.version}: {len(self.layers)} layers, {reused} reused, "
            f"{self.rows} rows, {format_seconds(self.seconds)}, {format_bytes(self.logical_bytes)} logged, "
            f"{format_bytes(self.stored_bytes)} added{note}"
        )

    def __str__(self) -> str:
        return as_text(self.table(), self.summary())
