"""Fitted scikit-learn objects through skops, with a fixed trust list.

Two things are added to plain skops. The bytes are made canonical: skops names its members after
memory addresses and stamps them with the time, so the same model would never have the same bytes.
And trees are checked after loading, because scikit-learn follows their node indices without bounds
checks, which a forged file could use to read outside the array.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from mistique_core.errors import CorruptPartitionError, UntrustedTypeError

TRUSTED = (
    "numpy.dtype",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.tree._tree.Tree",
)
"""Types and functions beyond skops' own defaults that may be loaded; trees are checked by :func:`_check_trees`."""

_SEARCH_TREES = ("sklearn.neighbors._kd_tree.", "sklearn.neighbors._ball_tree.")
"""Compiled code that follows the indices in a file without checking them."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SCHEMA = "schema.json"


class SklearnCodec:
    """Any fitted object of scikit-learn whose parts skops trusts."""

    format = "skops"
    item = "u1"

    def accepts(self, value: Any) -> bool:
        """See :class:`FittedCodec`."""
        return type(value).__module__.startswith("sklearn.") and hasattr(value, "get_params")

    def dump(self, value: Any) -> bytes:
        """See :class:`FittedCodec`.

        Raises
        ------
        UntrustedTypeError
            If the object holds a type that could not be loaded again.
        """
        import skops.io

        data = skops.io.dumps(value)
        unknown = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED))
        if unknown:
            remedy = "use estimators and functions of scikit-learn and NumPy only"
            if any(name.startswith(_SEARCH_TREES) for name in unknown):
                remedy = "algorithm='brute' finds the same neighbours without a tree"
            raise UntrustedTypeError(
                f"{type(value).__name__} holds {', '.join(unknown)}, which is not on the trust list; {remedy}"
            )
        return canonical_archive(data)

    def load(self, data: bytes) -> Any:
        """See :class:`FittedCodec`."""
        import skops.io
        from skops.io.exceptions import UntrustedTypesFoundException

        try:
            value = skops.io.loads(data, trusted=list(TRUSTED))
        except UntrustedTypesFoundException as error:
            raise UntrustedTypeError(f"the stored object is not trusted: {str(error).splitlines()[0]}") from error
        for part in _walk(value, set()):
            _check_trees(part)
            _check_widths(part)
        return value


def canonical_archive(data: bytes) -> bytes:
    """Return a skops archive with members and ids numbered in order of occurrence and fixed times."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        members = {name: archive.read(name) for name in archive.namelist() if name != _SCHEMA}
    ids: dict[int, int] = {}
    names: dict[str, str] = {}
    _renumber(schema, ids, names)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for old, new in names.items():
            archive.writestr(zipfile.ZipInfo(new, _EPOCH), members[old])
        text = json.dumps(schema, separators=(",", ":"))
        archive.writestr(zipfile.ZipInfo(_SCHEMA, _EPOCH), text)
    return out.getvalue()


def _renumber(node: Any, ids: dict[int, int], names: dict[str, str]) -> None:
    if isinstance(node, list):
        for item in node:
            _renumber(item, ids, names)
    elif isinstance(node, dict):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
        if isinstance(node.get("file"), str) and "__loader__" in node:
            suffix = node["file"].rpartition(".")[2]
            node["file"] = names.setdefault(node["file"], f"{len(names)}.{suffix}")
        for item in node.values():
            _renumber(item, ids, names)


def _walk(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield every object below a fitted estimator once."""
    if id(value) in seen or value is None or isinstance(value, (str, bytes, int, float, bool)):
        return
    seen.add(id(value))
    yield value
    if isinstance(value, dict):
        children = list(value.values())
    elif isinstance(value, (list, tuple, set)) or (isinstance(value, np.ndarray) and value.dtype == object):
        children = list(value.ravel()) if isinstance(value, np.ndarray) else list(value)
    else:
        children = list(getattr(value, "__dict__", {}).values())
    for child in children:
        yield from _walk(child, seen)


def _check_trees(value: Any) -> None:
    if type(value).__name__ != "Tree" or type(value).__module__ != "sklearn.tree._tree":
        return
    left, right, feature = value.children_left, value.children_right, value.feature
    nodes = value.node_count
    leaf = left == -1
    inside = (left[~leaf] > 0).all() and (left < nodes).all() and (right[~leaf] > 0).all() and (right < nodes).all()
    forward = (left[~leaf] > np.flatnonzero(~leaf)).all() and (right[~leaf] > np.flatnonzero(~leaf)).all()
    features = (feature[~leaf] >= 0).all() and (feature[~leaf] < value.n_features).all()
    if not (inside and forward and features and (right[leaf] == -1).all()):
        raise CorruptPartitionError("a stored decision tree has node indices outside its own nodes; re-fit the model")


_UNCHECKED = ("_bagging", "_forest", "_gb", "_iforest")
"""Modules of ensembles that check the width of their input once and not again for each tree."""


def _check_widths(value: Any) -> None:
    """Refuse a tree that follows more features than the estimator above it makes sure of."""
    width = getattr(value, "n_features_in_", None)
    tree = getattr(value, "__dict__", {}).get("tree_")
    pairs = [] if tree is None else [(tree.n_features, width)]
    if type(value).__module__.startswith("sklearn.ensemble.") and type(value).__module__.endswith(_UNCHECKED):
        parts = np.ravel(np.asarray(value.__dict__.get("estimators_", []), dtype=object))
        chosen = value.__dict__.get("estimators_features_") or [range(width or 0)] * len(parts)
        pairs += [(part.n_features_in_, len(own)) for part, own in zip(parts, chosen, strict=True)]
    if any(inner != outer for inner, outer in pairs):
        raise CorruptPartitionError("a stored decision tree has another width than its estimator; re-fit the model")
