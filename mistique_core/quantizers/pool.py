"""POOL: maps summarised by the averages or largest values of their cells, which another scheme may then store."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import CorruptPartitionError, InvalidInputError, did_you_mean
from mistique_core.quantizers.arguments import is_integer, parse_integer
from mistique_core.quantizers.bounded import FittedBounded
from mistique_core.quantizers.pooling import pool_maps, pooled_shape
from mistique_core.quantizers.quantizer import Bounds, Encoded, FittedQuantizer, Quantizer
from mistique_core.quantizers.sampling import every_nth_row
from mistique_core.quantizers.stored import part
from mistique_core.quantizers.value_layout import ValueLayout

WHOLE_MAP = "S"
HOWS = ("avg", "max")


@dataclass(frozen=True)
class Pool(Quantizer):
    """Each map in cells of `sigma` by `sigma` values, one value for each cell (thesis section 5.4.1, POOL_QT).

    Attributes
    ----------
    sigma
        Length of a cell along each axis of the map, at least 2; ``None`` for the whole map, written ``S``.
    how
        ``avg`` or ``max``.
    then
        The scheme that stores the pooled maps; ``None`` to store them as they are.
    """

    sigma: int | None = 2
    how: str = "avg"
    then: Quantizer | None = None

    def __post_init__(self) -> None:
        if self.sigma is not None and not (is_integer(self.sigma) and self.sigma >= 2):
            raise InvalidInputError(f"pool({self.sigma!r}): give a whole number from 2, or S for the whole map")
        if self.how not in HOWS:
            raise InvalidInputError(f"a map cannot be pooled by {self.how!r}; {did_you_mean(self.how, HOWS)}")
        if isinstance(self.then, Pool):
            raise InvalidInputError(f"{self.text()} pools twice; give one pool with a larger sigma")

    @classmethod
    def from_arguments(cls, arguments: list[str]) -> Pool:
        """Return the scheme that is written ``pool(arguments)``."""
        if len(arguments) > 2:
            raise InvalidInputError(f"pool({', '.join(arguments)}): give a sigma, and avg or max, such as pool(2, max)")
        sigma: int | None = 2
        if arguments:
            sigma = None if arguments[0] in ("s", "S") else parse_integer("pool", arguments[0])
        return cls(sigma, arguments[1] if len(arguments) == 2 else "avg")

    def text(self) -> str:
        """Return ``pool(SIGMA)`` or ``pool(SIGMA, max)``, with ``+SCHEME`` if another one follows."""
        sigma = WHOLE_MAP if self.sigma is None else self.sigma
        own = f"pool({sigma})" if self.how == "avg" else f"pool({sigma}, {self.how})"
        return own if self.then is None else f"{own}+{self.then.text()}"

    def fit(self, sample: npt.NDArray[Any]) -> FittedPool:
        """Fit the following scheme, if any, to pooled maps of the sample.

        Raises
        ------
        InvalidInputError
            If the values are no maps, or the following scheme cannot store the pooled ones.
        """
        layout = ValueLayout.of(sample, self.text())
        if not layout.map_shape:
            raise InvalidInputError(
                f"{self.text()} pools maps, but these values are plain numbers; use 'float16' or 'bounded(0.25)'"
            )
        if self.then is None:
            return FittedPool(self, layout, None)
        seen = every_nth_row(layout.check(sample, self.text()))
        pooled, _ = pool_maps(seen, self.sigma, average=self.how == "avg")
        then = self.then.fit(pooled)
        # Of pooled maps no distances are bounded, so that nothing would ask for a sketch.
        return FittedPool(self, layout, then.without_sketch() if isinstance(then, FittedBounded) else then)


class FittedPool(FittedQuantizer):
    """Pooling, and the fitted scheme that follows.

    Without one, part ``values`` holds the pooled maps in the dtype of the values; otherwise the parts are those of
    that scheme. The error counts from the exact average or largest value of a cell: half the distance of
    neighbouring values of the dtype for averages, 0 for largest values, plus that of the following scheme.
    A cell with NaN is NaN, and the average of infinities of both signs too.

    Parameters
    ----------
    scheme
        The scheme.
    layout
        Layout of the values before pooling.
    then
        The following scheme, fitted to pooled maps.
    """

    scheme: Pool

    def __init__(self, scheme: Pool, layout: ValueLayout, then: FittedQuantizer | None) -> None:
        super().__init__(scheme, layout)
        self._then = then
        self._pooled = ValueLayout(layout.units, pooled_shape(layout.map_shape, scheme.sigma), layout.dtype)

    @classmethod
    def load(cls, config: Mapping[str, Any], layout: ValueLayout, then: FittedQuantizer | None) -> FittedPool:
        """Return what :meth:`config` describes, followed by a scheme that was loaded already."""
        sigma = config.get("sigma")
        if not (sigma == WHOLE_MAP or (is_integer(sigma))) or not layout.map_shape:
            raise CorruptPartitionError(f"stored pooling has sigma={sigma!r} for {layout}; run 'mistique check'")
        try:
            scheme = Pool(None if sigma == WHOLE_MAP else sigma, config["how"], None if then is None else then.scheme)
        except (KeyError, TypeError, InvalidInputError) as error:
            raise CorruptPartitionError(f"stored pooling is damaged ({error}); run 'mistique check'") from error
        loaded = cls(scheme, layout, then)
        if then is not None and then.layout != loaded._pooled:
            raise CorruptPartitionError(
                f"{scheme.text()} is stored with a scheme for {then.layout}; run 'mistique check'"
            )
        return loaded

    def parameters(self) -> dict[str, Any]:
        """Return name, sigma, how, and the document of the following scheme."""
        return {
            "name": "pool",
            "sigma": WHOLE_MAP if self.scheme.sigma is None else self.scheme.sigma,
            "how": self.scheme.how,
            "then": None if self._then is None else self._then.config(),
        }

    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """Return the tables of the following scheme."""
        return {} if self._then is None else self._then.tables()

    @property
    def decoded_map_shape(self) -> tuple[int, ...]:
        """Shape of a pooled map, of one value along each axis where the whole map is pooled."""
        return self._pooled.map_shape

    @property
    def decoded_dtype(self) -> np.dtype[Any]:
        """Dtype that the following scheme decodes to."""
        return self.dtype if self._then is None else self._then.decoded_dtype

    @property
    def summary(self) -> str:
        """For example ``mean of 2x2 cells``."""
        sigma = self.scheme.sigma
        cells = "the whole map" if sigma is None else "x".join([str(sigma)] * len(self.map_shape)) + " cells"
        what = f"{'mean' if self.scheme.how == 'avg' else 'maximum'} of {cells}"
        following = None if self._then is None else self._then.summary
        return what if following is None else following.replace("value", what, 1)

    def encode(self, values: npt.NDArray[Any]) -> Encoded:
        """Pool, then encode by the following scheme; see the class."""
        block = self.layout.check(values, self.scheme.text())
        pooled, error = pool_maps(block, self.scheme.sigma, average=self.scheme.how == "avg")
        return self._encode(pooled, error)

    def encode_pooled(self, values: npt.NDArray[Any], error: float) -> Encoded:
        """Encode maps that were pooled already, as by the program that computed them.

        Parameters
        ----------
        values
            Shape ``(units, rows, *decoded_map_shape)``, any memory layout.
        error
            No value is further than this from the exact average or largest value of its cell.
        """
        return self._encode(np.ascontiguousarray(self._pooled.check(values, self.scheme.text())), error)

    def _encode(self, pooled: npt.NDArray[Any], error: float) -> Encoded:
        if self._then is None:
            return Encoded({"values": pooled}, error)
        encoded = self._then.encode(pooled)
        if self.decoded_dtype == np.bool_:
            return encoded
        # Margins are about the pooled values as they were rounded, which of averages are not the exact ones.
        margins = encoded.margins if self.scheme.how == "max" else {}
        return Encoded(encoded.parts, encoded.max_abs_error + error, margins)

    def bounds(
        self,
        parts: dict[str, npt.NDArray[Any]],
        rows: int,
        max_abs_error: float = math.inf,
        units: Sequence[int] | None = None,
    ) -> Bounds:
        """Return bounds of the averages or largest values of the cells."""
        if self._then is not None and (self.scheme.how == "max" or self.decoded_dtype == np.bool_):
            return self._then.bounds(parts, rows, max_abs_error, units)
        return super().bounds(parts, rows, max_abs_error if self.scheme.how == "avg" else 0.0, units)

    def near_values(self, parts: dict[str, npt.NDArray[Any]], rows: int) -> npt.NDArray[Any]:
        """Return what the following scheme has."""
        if self._then is not None and self.scheme.how == "max":
            return self._then.near_values(parts, rows)
        return self.decode(parts, rows)

    def summarize(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the averages or largest values of the cells, as the following scheme summarizes them."""
        block = self.layout.check(values, self.scheme.text())
        pooled, _ = pool_maps(block, self.scheme.sigma, average=self.scheme.how == "avg")
        return pooled if self._then is None else self._then.summarize(pooled)

    def decode(self, parts: dict[str, npt.NDArray[Any]], rows: int) -> npt.NDArray[Any]:
        """Return the pooled maps, decoded by the following scheme."""
        if self._then is not None:
            return self._then.decode(parts, rows)
        return part(parts, "values", self.dtype, self._pooled.shape(rows))
