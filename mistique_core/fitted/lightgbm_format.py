"""LightGBM scikit-learn estimators in LightGBM's own text format."""

from __future__ import annotations

import json
from typing import Any

from mistique_core.errors import UntrustedTypeError

_CLASSES = ("LGBMClassifier", "LGBMRegressor", "LGBMRanker")
_LENGTH_BYTES = 4
_LABELS = (str, bool, int, float)


class LightGBMCodec:
    """The booster as text behind a small JSON header with what only the wrapper knows.

    That is its class, the constructor's arguments, the objective and, of a classifier, the classes. LightGBM itself
    keeps the names of the features, in which it has replaced blanks by underscores.
    """

    format = "lightgbm-text"
    item = "u1"

    def accepts(self, value: Any) -> bool:
        """See :class:`FittedCodec`."""
        kind = type(value)
        return kind.__module__.startswith("lightgbm.") and kind.__name__ in _CLASSES and hasattr(value, "_Booster")

    def dump(self, value: Any) -> bytes:
        """See :class:`FittedCodec`."""
        params = {name: item for name, item in sorted(value.get_params().items()) if _is_plain(item)}
        classes = getattr(value, "_classes", None)
        header = {
            "class": type(value).__name__,
            "params": params,
            "named": bool(value._fitted_with_feature_names),
            "objective": value.objective_ if isinstance(value.objective_, str) else None,
            "classes": None if classes is None else [_label(item) for item in classes],
        }
        packed = json.dumps(header, sort_keys=True).encode()
        text: str = value.booster_.model_to_string(num_iteration=-1)
        return len(packed).to_bytes(_LENGTH_BYTES, "little") + packed + text.encode()

    def load(self, data: bytes) -> Any:
        """See :class:`FittedCodec`."""
        import lightgbm
        import numpy as np

        end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
        header = json.loads(data[_LENGTH_BYTES:end])
        name = header["class"]
        if name not in _CLASSES:
            raise UntrustedTypeError(f"fitted object names the LightGBM class {name!r}; known: {', '.join(_CLASSES)}")
        model = getattr(lightgbm, name)(**header["params"])
        booster = lightgbm.Booster(model_str=data[end:].decode())
        model._Booster = booster
        model._n_features = model._n_features_in = booster.num_feature()
        model.fitted_ = True
        model._objective = header["objective"]
        model._fitted_with_feature_names = header["named"]
        if header["classes"] is not None:
            from lightgbm.compat import _LGBMLabelEncoder

            model._classes = np.array(header["classes"])
            model._n_classes = len(model._classes)
            model._le = _LGBMLabelEncoder().fit(model._classes)
        return model


def _label(item: Any) -> Any:
    value = item.item() if hasattr(item, "item") else item
    if not isinstance(value, _LABELS):
        raise UntrustedTypeError(f"class {value!r} of a LightGBM classifier is no text or number; convert the labels")
    return value


def _is_plain(value: Any) -> bool:
    return value is not None and isinstance(value, (str, bool, int, float))
