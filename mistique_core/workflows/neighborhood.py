"""Which neighborhood a home lies in, from its coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.workflows.column_views import with_columns
from mistique_core.workflows.inputs import require_numbers
from mistique_core.workflows.learning import LearningStage

_METHODS = ("grid", "kmeans")
_ROWS_AT_ONCE = 4_096
_MOST_BINS = 30_000

Floats = npt.NDArray[np.float64]


class NeighborhoodStage(LearningStage):
    """Add an int32 column with the number of a home's neighborhood, -1 where a coordinate is missing.

    Parameters
    ----------
    method
        ``grid`` cuts the range of both coordinates into equal parts; ``kmeans`` takes the nearest of learned centres.
    bins
        Parts of each coordinate, 1 to 30,000, for ``grid``; number of centres for ``kmeans``.
    latitude, longitude
        Columns with the coordinates.
    output
        Name of the new column.
    seed
        Seed of ``kmeans``.
    fit_on
        Input to learn from; default ``train`` where there is one.
    """

    learns = ("neighborhoods",)

    def __init__(
        self,
        method: str = "grid",
        bins: int = 40,
        latitude: str = "latitude",
        longitude: str = "longitude",
        output: str = "neighborhood",
        seed: int = 0,
        fit_on: str | None = None,
    ) -> None:
        super().__init__(fit_on)
        if method not in _METHODS:
            raise InvalidInputError(f"method={method!r} is unknown; pass one of {', '.join(_METHODS)}")
        if isinstance(bins, bool) or not isinstance(bins, int) or not 1 <= bins <= _MOST_BINS:
            raise InvalidInputError(f"bins={bins!r} is no number of parts; pass an integer from 1 to {_MOST_BINS:,}")
        self.method = method
        self.bins = bins
        self.latitude = latitude
        self.longitude = longitude
        self.output = output
        self.seed = seed

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {
            "method": self.method,
            "bins": self.bins,
            "latitude": self.latitude,
            "longitude": self.longitude,
            "output": self.output,
            "seed": self.seed,
            "fit_on": self.fit_on,
        }

    def packages(self) -> tuple[str, ...]:
        """See :class:`Stage`."""
        return ("numpy", "pandas", "sklearn") if self.method == "kmeans" else ("numpy", "pandas")

    def learn(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Return the smallest and largest coordinates, or the centres.

        Raises
        ------
        InvalidInputError
            If no home has both coordinates.
        """
        places = self._places(frame)
        known = places[~np.isnan(places).any(axis=1)]
        if not len(known):
            raise InvalidInputError(f"no row has both {self.latitude!r} and {self.longitude!r}; pass rows that have")
        if self.method == "grid":
            return {"low": known.min(axis=0).tolist(), "high": known.max(axis=0).tolist()}
        from sklearn.cluster import KMeans

        clusters = min(self.bins, len(np.unique(known, axis=0)))
        centres = KMeans(clusters, n_init=1, random_state=self.seed).fit(known).cluster_centers_
        return {"centres": centres.tolist()}

    def apply(self, frame: pd.DataFrame, learned: Any) -> pd.DataFrame:
        """See :class:`LearningStage`."""
        places = self._places(frame)
        known = ~np.isnan(places).any(axis=1)
        numbers = np.full(len(frame), -1, np.int32)
        number = self._cells if self.method == "grid" else _nearest
        numbers[known] = number(places[known], learned)
        return with_columns(frame, {self.output: numbers}, what="neighborhood")

    def _places(self, frame: pd.DataFrame) -> Floats:
        names = (self.latitude, self.longitude)
        return np.column_stack([require_numbers(frame, name, "coordinate") for name in names])

    def _cells(self, places: Floats, learned: Any) -> npt.NDArray[np.int64]:
        low, high = np.array(learned["low"]), np.array(learned["high"])
        width = np.where(high > low, high - low, 1.0)
        cells = np.clip(np.floor((places - low) / width * self.bins), 0, self.bins - 1).astype(np.int64)
        numbers: npt.NDArray[np.int64] = cells[:, 0] * self.bins + cells[:, 1]
        return numbers


def _nearest(places: Floats, learned: Any) -> npt.NDArray[np.int64]:
    """Return the number of the nearest centre; each row's distances are added up by itself, whatever the others are."""
    centres = np.array(learned["centres"])
    found = np.empty(len(places), np.int64)
    for start in range(0, len(places), _ROWS_AT_ONCE):
        part = places[start : start + _ROWS_AT_ONCE]
        north = (part[:, :1] - centres[:, 0]) ** 2
        east = (part[:, 1:] - centres[:, 1]) ** 2
        found[start : start + _ROWS_AT_ONCE] = np.argmin(north + east, axis=1)
    return found
