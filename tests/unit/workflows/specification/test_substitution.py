"""``${...}`` in texts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.workflows.specification.substitution import parameters_in, substitute, texts_in

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True)


@given(NAMES, JSON)
def test_a_whole_text_gives_the_typed_value(name: str, value: Any) -> None:
    """The value is inserted as it is, though it may hold ``${...}`` itself."""
    found = substitute(f"${{{name}}}", {name: value}, {})
    assert (found, type(found)) == (value, type(value))


@given(NAMES, JSON, st.text().filter(lambda text: "$" not in text), st.text().filter(lambda text: "$" not in text))
def test_inside_a_text_it_is_text(name: str, value: Any, before: str, after: str) -> None:
    found = substitute(f"{before}x${{{name}}}{after}", {name: value}, {})
    assert found == f"{before}x{value if isinstance(value, str) else json.dumps(value)}{after}"


@given(st.text(alphabet="${}ab:-"))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        found = substitute(text, {"a": 1, "b": 2, "ab": 3, "ba": 4}, {})
    except (InvalidInputError, NotFoundError):
        assert "${" in text
    else:
        assert "${" in text or found == text


@given(JSON)
def test_an_escaped_value_comes_back(value: Any) -> None:
    """``$${`` is a literal ``${``, so any text can be written."""

    def escape(item: Any) -> Any:
        if isinstance(item, str):
            return item.replace("${", "$${")
        if isinstance(item, dict):
            return {key: escape(inner) for key, inner in item.items()}
        return [escape(inner) for inner in item] if isinstance(item, list) else item

    assert substitute(escape(value), {}, {}) == value
    assert all(not parameters_in(text) for _, text in texts_in(escape(value)))


def test_environment_variables_are_texts() -> None:
    environ = {"SIZE": "3", "EMPTY": ""}
    assert substitute("${env:SIZE}", {}, environ) == "3"
    assert substitute("${env:EMPTY:-x}/${env:NONE:-/data: $1}", {}, environ) == "//data: $1"
    assert substitute({"a": ["${env:NONE:-}"]}, {}, environ) == {"a": [""]}
    with pytest.raises(NotFoundError, match="variable NONE is not set"):
        substitute("${env:NONE}", {}, environ)


def test_unknown_and_malformed() -> None:
    with pytest.raises(NotFoundError, match="no parameter 'rat'; did you mean 'rate'"):
        substitute("${rat}", {"rate": 1}, {})
    for text in ("${", "${}", "${a b}", "${env:}", "${env:A:x}", "a ${ b"):
        with pytest.raises(InvalidInputError, match="is not \\$\\{parameter\\}"):
            substitute(text, {}, {})
