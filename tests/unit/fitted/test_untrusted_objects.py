"""Nothing that is not on the trust list is stored or loaded, and forged bytes are refused."""

import ast
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

import mistique_core
from mistique_core.errors import CorruptPartitionError, InvalidInputError, UntrustedTypeError
from mistique_core.fitted import dump_fitted, load_fitted

X = np.arange(40.0).reshape(20, 2)
Y = (X[:, 0] > 13).astype(int)


def own_score(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Score columns with a user's function."""
    return np.abs(x).sum(axis=0)


def test_a_users_function_is_not_stored() -> None:
    """The message names what is not trusted."""
    for value in (SelectKBest(own_score, k=1).fit(X, Y), FunctionTransformer(own_score)):
        with pytest.raises(UntrustedTypeError, match="own_score"):
            dump_fitted(value)


def test_a_users_function_is_not_loaded() -> None:
    """Bytes that were made elsewhere are refused on load."""
    data = skops.io.dumps(SelectKBest(own_score, k=1).fit(X, Y))
    with pytest.raises(UntrustedTypeError):
        load_fitted("skops", data)


def test_a_search_tree_is_refused_with_the_remedy() -> None:
    """Compiled code would follow the indices of a forged one."""
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    for algorithm in ("kd_tree", "ball_tree"):
        with pytest.raises(UntrustedTypeError, match="algorithm='brute' finds the same"):
            dump_fitted(KNeighborsClassifier(algorithm=algorithm).fit(X, y))
    brute = load_fitted(*dump_fitted(KNeighborsClassifier(algorithm="brute").fit(X, y)))
    assert (brute.predict(X) == KNeighborsClassifier(algorithm="kd_tree").fit(X, y).predict(X)).all()


def test_an_unknown_xgboost_class_is_not_loaded() -> None:
    """The header names classes of a fixed list only."""
    header = json.dumps({"class": "Booster"}).encode()
    with pytest.raises(UntrustedTypeError, match="Booster"):
        load_fitted("xgboost-ubj", len(header).to_bytes(4, "little") + header)


@pytest.mark.parametrize(
    "value",
    [object(), {1: 2}, {"a": object()}, np.ones(2), open, "text"],
    ids=["object", "number as key", "object in dict", "array", "function", "text"],
)
def test_other_objects_are_refused(value: object) -> None:
    """Without pickle there is no way to store them."""
    with pytest.raises(InvalidInputError):
        dump_fitted(value)


def test_unknown_formats_are_refused() -> None:
    """A format of a newer version says so."""
    with pytest.raises(InvalidInputError, match="upgrade"):
        load_fitted("pickle", b"")


def members(data: bytes) -> dict[str, bytes]:
    """Return the members of an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def forge(data: bytes, change: dict[str, int]) -> bytes:
    """Overwrite fields of the root of the first tree inside a stored estimator."""
    out = io.BytesIO()
    done = False
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members(data).items():
            if name.endswith(".npy") and not done:
                array = np.load(io.BytesIO(content), allow_pickle=False)
                if array.dtype.names and "left_child" in array.dtype.names:
                    for field, value in change.items():
                        array[field][0] = value
                    buffer = io.BytesIO()
                    np.save(buffer, array, allow_pickle=False)
                    content, done = buffer.getvalue(), True
            archive.writestr(name, content)
    assert done
    return out.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        {"left_child": 10**6},
        {"right_child": 10**6},
        {"left_child": -7},
        {"left_child": 0},
        {"feature": 99},
        {"feature": -5},
    ],
    ids=str,
)
@pytest.mark.parametrize("model", [DecisionTreeClassifier(), RandomForestClassifier(2)], ids=["tree", "forest"])
def test_a_forged_tree_is_refused(model: object, change: dict[str, int]) -> None:
    """Node and feature indices stay inside their arrays, and no path turns in a circle."""
    data = dump_fitted(model.set_params(random_state=0).fit(X, Y))[1]
    assert load_fitted("skops", forge(data, {})) is not None
    with pytest.raises(CorruptPartitionError, match="tree"):
        load_fitted("skops", forge(data, change))


def test_a_tree_wider_than_its_estimator_is_refused() -> None:
    """A tree that claims more features than its estimator checks would read past a row."""
    model = DecisionTreeClassifier(random_state=0).fit(X, Y)
    state = model.tree_.__getstate__()
    state["nodes"]["feature"][0] = 50
    wide = Tree(100, np.array([2], dtype=np.intp), 1)
    wide.__setstate__(state)
    model.tree_ = wide
    with pytest.raises(CorruptPartitionError, match="tree"):
        load_fitted("skops", dump_fitted(model)[1])


def test_no_module_imports_pickle() -> None:
    """Neither pickle nor what is built on it is imported anywhere in the package."""
    banned = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    found = []
    sources = list(Path(mistique_core.__file__).parent.rglob("*.py"))
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names.append(node.module)
            found += [(path.name, name) for name in names if name.partition(".")[0] in banned]
    assert len(sources) > 40
    assert found == []
