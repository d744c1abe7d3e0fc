"""Network dissection: how well the strongest activations of a unit overlap with a concept (thesis Algorithm 2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import InvalidInputError

_BLOCK_VALUES = 1 << 23


def thresholds(maps: npt.NDArray[Any], alpha: float) -> npt.NDArray[np.float64]:
    """Return the value that a share `alpha` of each unit's activations reaches: T_k = percentile(D_k, 1 - alpha).

    Parameters
    ----------
    maps
        (rows, height, width, units). NaN is left out.
    alpha
        Share above the threshold, above 0, at most 1.

    Returns
    -------
    numpy.ndarray
        (units,) float64, linear between neighbouring values; NaN for a unit without values.
    """
    found = np.full(maps.shape[-1], np.nan)
    for unit in range(maps.shape[-1]):
        values = maps[..., unit].ravel()
        values = values[~np.isnan(values)]
        if values.size:
            found[unit] = np.quantile(values.astype(np.float64), 1 - alpha)
    return found


def overlaps(
    maps: npt.NDArray[Any], masks: npt.NDArray[Any], limits: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the intersection over union of each unit's strong activations with each concept, over all images.

    Maps are brought to the size of the masks by bilinear interpolation first (cell centres aligned, edges repeated).
    Cells of at least the threshold count. A unit whose threshold is its smallest value, as that of a unit that is
    mostly silent, would count everywhere: its cells count above the threshold only.

    Parameters
    ----------
    maps
        (rows, height, width, units); NaN never counts.
    masks
        (rows, height, width, concepts), at least as large as the maps; not 0, and not NaN, where the concept is.
    limits
        (units,) what :func:`thresholds` returned.

    Returns
    -------
    numpy.ndarray
        (units, concepts) float64, 0 to 1; NaN where neither occurs anywhere.

    Raises
    ------
    InvalidInputError
        If the shapes do not fit.
    """
    if len(maps) != len(masks):
        raise InvalidInputError(f"{len(maps)} images have maps, but {len(masks)} have masks; give one a row")
    if any(small > large for small, large in zip(maps.shape[1:3], masks.shape[1:3], strict=True)):
        raise InvalidInputError(
            f"masks of {masks.shape[1]} x {masks.shape[2]} are smaller than maps of {maps.shape[1]} x {maps.shape[2]}; "
            "give masks of the images' size"
        )
    units, concepts = maps.shape[-1], masks.shape[-1]
    common, active = np.zeros((units, concepts)), np.zeros(units)
    present = np.zeros(concepts)
    strict = limits <= smallest(maps)
    step = max(1, _BLOCK_VALUES // max(1, int(np.prod(masks.shape[1:3])) * (units + concepts)))
    for start in range(0, len(maps), step):
        large = upsample(maps[start : start + step], masks.shape[1], masks.shape[2]).reshape(-1, units)
        with np.errstate(invalid="ignore"):
            strong = (np.where(strict, large > limits, large >= limits)).astype(np.float32)
        block = masks[start : start + step].reshape(-1, concepts)
        labels = ((block != 0) & (block == block)).astype(np.float32)
        common += strong.T @ labels
        active += strong.sum(axis=0, dtype=np.float64)
        present += labels.sum(axis=0, dtype=np.float64)
    union = active[:, None] + present[None, :] - common
    found = np.full(common.shape, np.nan)
    np.divide(common, union, out=found, where=union > 0)
    return found


def smallest(maps: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the smallest value of each unit, (units,); infinite for one without values."""
    low = np.full(maps.shape[-1], np.inf)
    for row in maps:
        low = np.fmin(low, np.fmin.reduce(row.reshape(-1, maps.shape[-1]), axis=0))
    return np.asarray(low, dtype=np.float64)


def upsample(maps: npt.NDArray[Any], height: int, width: int) -> npt.NDArray[np.float64]:
    """Return maps (rows, h, w, units) as (rows, height, width, units), by bilinear interpolation."""
    values = maps.astype(np.float64)
    if maps.shape[1:3] == (height, width):
        return values
    rows, columns = _weights(maps.shape[1], height), _weights(maps.shape[2], width)
    return np.asarray(np.einsum("yh,nhwu,xw->nyxu", rows, values, columns, optimize=True))


def _weights(small: int, large: int) -> npt.NDArray[np.float64]:
    """Return (large, small): how much each old cell counts for each new one, whose centres lie evenly over them."""
    places = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, small - 1)
    found = np.zeros((large, small))
    np.add.at(found, (np.arange(large), low), 1 - (places - low))
    np.add.at(found, (np.arange(large), high), places - low)
    return found
