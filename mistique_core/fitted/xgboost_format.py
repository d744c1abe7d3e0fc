"""XGBoost scikit-learn estimators in XGBoost's own UBJSON format."""

from __future__ import annotations

import json
from typing import Any

from mistique_core.errors import UntrustedTypeError

_CLASSES = ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")
_LENGTH_BYTES = 4


class XGBoostCodec:
    """The booster as UBJSON behind a small JSON header that names the class.

    The booster keeps the trees and the classes. The constructor's arguments are kept in the header,
    because some of them, such as ``missing``, decide how a row is read when it is predicted.
    """

    format = "xgboost-ubj"
    item = "u1"

    def accepts(self, value: Any) -> bool:
        """See :class:`FittedCodec`."""
        kind = type(value)
        return kind.__module__.startswith("xgboost.") and kind.__name__ in _CLASSES

    def dump(self, value: Any) -> bytes:
        """See :class:`FittedCodec`."""
        params = {name: item for name, item in sorted(value.get_params().items()) if _is_plain(item)}
        header = json.dumps({"class": type(value).__name__, "params": params}, sort_keys=True).encode()
        return len(header).to_bytes(_LENGTH_BYTES, "little") + header + bytes(value.get_booster().save_raw("ubj"))

    def load(self, data: bytes) -> Any:
        """See :class:`FittedCodec`."""
        import xgboost

        end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
        header = json.loads(data[_LENGTH_BYTES:end])
        name = header["class"]
        if name not in _CLASSES:
            raise UntrustedTypeError(f"fitted object names the XGBoost class {name!r}; known: {', '.join(_CLASSES)}")
        model = getattr(xgboost, name)(**header["params"])
        model.load_model(bytearray(data[end:]))
        return model.set_params(**header["params"])


def _is_plain(value: Any) -> bool:
    return value is not None and isinstance(value, (str, bool, int, float))
