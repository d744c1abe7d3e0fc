"""The contract of a stage whose inputs and outputs are arrays of units, such as a layer of a network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mistique_core.errors import InvalidInputError
from mistique_core.model.need import Need
from mistique_core.model.stage import Stage, StageResult

if TYPE_CHECKING:
    import numpy.typing as npt

ArrayFunction = Callable[[Mapping[str, "npt.NDArray[Any]"]], Mapping[str, "npt.NDArray[Any]"]]
PoolFunction = Callable[["npt.NDArray[Any]"], "tuple[npt.NDArray[Any], float] | None"]


class ArrayStage(Stage):
    """Makes arrays of shape ``(rows, *map_shape, units)`` from such arrays, row by row.

    Inputs and outputs carry no row ids: row i of every output comes from row i of every input. It is not run by a
    task as other stages are, but recorded by whatever runs the whole network, and re-run from that record.

    Attributes
    ----------
    batch_rows
        Rows of a forward pass when it was recorded, in batches of which a re-run gives the same bits; ``None`` if that
        is not known.
    """

    row_wise = True
    batch_rows: int | None = None

    @abstractmethod
    def prepare(self, learned: Mapping[str, Any]) -> ArrayFunction:
        """Return what computes the outputs of some rows.

        Parameters
        ----------
        learned
            The fitted objects of the recorded execution, by the names of :attr:`Stage.learns`.

        Returns
        -------
        callable
            Takes input name -> array, returns output name -> array; may be called from one thread at a time.
        """

    def needs(self, output: str, inputs: Collection[str]) -> Mapping[str, Need]:
        """See :class:`Stage`: the wanted rows of each input, as they were, not as a lossy scheme stored them."""
        return dict.fromkeys(inputs, Need.EXACT)

    def pooling(self, output: str, scheme: Any, shape: Sequence[int]) -> PoolFunction | None:
        """Return what pools an output before it is quantized, where whoever recorded it did so.

        Parameters
        ----------
        output
            Its name.
        scheme
            The :class:`mistique_core.quantizers.Quantizer` that it is stored by.
        shape
            Of one row, units last.

        Returns
        -------
        callable or None
            Takes rows ``(n, *shape)``, returns them pooled and a bound of the rounding error, or ``None`` where a value
            is not finite; ``None`` where the scheme alone summarizes.
        """
        return None

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Refuse: frames are not arrays."""
        raise InvalidInputError(f"{self.label()} works on arrays, not on frames; log its network instead")
