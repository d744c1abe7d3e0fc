"""NetDissect: which concept does each unit detect? (thesis Algorithm 2; Table 5.2, many columns, many rows)"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.features import Aligned, read_features
from mistique_core.diagnostics.reading import Keys, RowIds, Where
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.concept_overlap import overlaps, thresholds
from mistique_core.diagnostics.wording import of_all
from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


@checked
def netdissect(
    store: Mistique,
    keys: Keys,
    masks: Keys | npt.NDArray[Any],
    *,
    alpha: float = 0.005,
    iou: float = 0.04,
    row_id: RowIds | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
) -> DiagnosticResult:
    """Return, for each unit, how well its strongest activations overlap with each concept, and the best one.

    The threshold of a unit is the value that a share `alpha` of its stored activations over all these rows reaches.
    Maps are enlarged to the masks by bilinear interpolation, made 0 or 1 by the threshold, and compared with the masks
    of all images at once: intersection over union. Where the threshold is the unit's smallest value, only cells
    above it count; NaN never counts. A unit that is nowhere strong, and a concept that is nowhere, have NaN.

    Parameters
    ----------
    store
        An open store.
    keys
        Key of a layer whose values are maps, or of some of its units.
    masks
        Key of an intermediate of maps, one unit a concept: not 0 where the concept is. Or, from Python, an array of
        them, (rows, height, width) or (rows, height, width, concepts), whose rows are those of `row_id`.
    alpha
        Share of activations above the threshold, above 0, at most 1.
    iou
        Smallest overlap for which a unit counts as a detector of its best concept.
    row_id, where
        Only these row ids; only rows for which predicates hold.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row a unit, best first: ``concept``, ``iou``, ``threshold``, ``detects``. ``arrays`` has ``iou`` (units,
        concepts) in the order of ``units`` and ``concepts``, and ``row_id`` of the images.

    Raises
    ------
    InvalidInputError
        If an argument is malformed, a key holds no maps, or an array comes without its row ids.
    NotFoundError
        If a key or a row id does not exist.
    """
    if isinstance(masks, np.ndarray):
        if row_id is None or where:
            raise InvalidInputError(
                "masks as an array need row_id, one a row of theirs, and no where; give row_id=[...]"
            )
        ids = np.atleast_1d(np.asarray(row_id, dtype=np.int64))
        found = read_features(store, [keys], row_id=ids, strategy=strategy)
        labels, concepts = _labels(masks, len(ids))
    else:
        found = read_features(store, [keys, masks], row_id=row_id, where=where, strategy=strategy)
        labels, concepts = found.features[1].values, found.features[1].names
    _check_maps(found)
    layer = found.features[0]
    if not len(layer.row_id):
        raise InvalidInputError("no row has both maps and masks; log both under the same row ids")
    limits = thresholds(layer.values, alpha)
    scores = overlaps(layer.values, labels, limits)
    best = np.argmax(np.nan_to_num(scores, nan=-1.0), axis=1)
    top = scores[np.arange(len(scores)), best]
    table = pd.DataFrame(
        {
            "concept": np.asarray(concepts, dtype=object)[best],
            "iou": top,
            "threshold": limits,
            "detects": np.nan_to_num(top, nan=-1.0) >= iou,
        },
        index=pd.Index(layer.names, name="unit"),
    )
    table["concept"] = table["concept"].where(~np.isnan(top))
    order = np.argsort(-np.nan_to_num(top, nan=-1.0), kind="stable")
    arrays = {
        ROW_ID: layer.row_id,
        "iou": scores,
        "units": np.asarray(layer.names),
        "concepts": np.asarray([str(name) for name in concepts]),
    }
    facts = {"alpha": alpha, "iou": iou, "images": len(layer.row_id), "detectors": int(table["detects"].sum())}
    table = table.iloc[order]
    return DiagnosticResult(
        "netdissect", table, _sentence(table, iou), found.plan, facts, arrays, max_abs_error=found.max_abs_error
    )


def _labels(masks: npt.NDArray[Any], rows: int) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    labels = masks[..., None] if masks.ndim == 3 else masks
    if labels.ndim != 4 or len(labels) != rows:
        raise InvalidInputError(
            f"masks of shape {masks.shape} do not fit {rows} rows; give (rows, height, width) or (rows, height, width, "
            "concepts)"
        )
    return labels, tuple(map(str, range(labels.shape[-1])))


def _check_maps(found: Aligned) -> None:
    for features in found.features:
        if features.values.ndim != 4:
            raise InvalidInputError(
                f"{features.names[0]!r} holds no maps of height and width; name a layer whose units have maps"
            )


def _sentence(table: pd.DataFrame, iou: float) -> str:
    told = f"{of_all(int(table['detects'].sum()), len(table), 'units')} detect a concept (IoU of at least {iou:g})"
    top = table.iloc[0]
    if pd.isna(top["iou"]):
        return f"{told}."
    return f"{told}; best is unit {table.index[0]} for {top['concept']} (IoU {top['iou']:.3f})."
