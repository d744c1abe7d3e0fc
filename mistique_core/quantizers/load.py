"""Returns a fitted quantizer from the document and the tables that were stored with the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from mistique_core.errors import CorruptPartitionError, InvalidInputError, did_you_mean
from mistique_core.quantizers.bounded import FittedBounded
from mistique_core.quantizers.kbit import FittedKBit
from mistique_core.quantizers.low_precision import NAMES, FittedLowPrecision
from mistique_core.quantizers.pool import FittedPool
from mistique_core.quantizers.quantizer import FORMAT_VERSION, FittedQuantizer
from mistique_core.quantizers.threshold import FittedThreshold
from mistique_core.quantizers.value_layout import ValueLayout

_FITTED: dict[str, type[FittedBounded | FittedKBit | FittedLowPrecision | FittedThreshold]] = {
    "bounded": FittedBounded,
    "kbit": FittedKBit,
    "threshold": FittedThreshold,
    **dict.fromkeys(NAMES, FittedLowPrecision),
}


def load_quantizer(config: Mapping[str, Any], tables: Mapping[str, npt.NDArray[Any]]) -> FittedQuantizer:
    """Return the quantizer whose ``config()`` and ``tables()`` were stored.

    Parameters
    ----------
    config
        The JSON document.
    tables
        The arrays by name; their shapes may have been flattened.

    Raises
    ------
    InvalidInputError
        If the document is of another version or names a scheme that this release does not know.
    CorruptPartitionError
        If document and tables contradict one another or themselves.
    """
    if not isinstance(config, Mapping):
        raise CorruptPartitionError(
            f"a stored quantizer is a {type(config).__name__}, no document; run 'mistique check'"
        )
    version, name = config.get("version"), config.get("name")
    if version != FORMAT_VERSION:
        raise InvalidInputError(
            f"a quantizer is stored in version {version!r}, this release reads {FORMAT_VERSION}; "
            "read it with the release that wrote it"
        )
    layout = ValueLayout.from_document(config)
    if name == "pool":
        then = config.get("then")
        return FittedPool.load(config, layout, None if then is None else load_quantizer(then, tables))
    if not isinstance(name, str) or name not in _FITTED:
        raise InvalidInputError(
            f"a quantizer is stored by the unknown scheme {name!r}; {did_you_mean(str(name), (*_FITTED, 'pool'))}"
        )
    return _FITTED[name].load(config, layout, tables)
