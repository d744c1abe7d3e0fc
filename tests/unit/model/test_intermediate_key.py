"""Keys: parse and print are inverses, and malformed keys are refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core import IntermediateKey
from mistique_core.errors import InvalidInputError
from mistique_core.model.ref import FittedRef, IntermediateRef, find_refs, ref_from_json

NAMES = st.text(min_size=1, max_size=12).filter(lambda t: t.strip() and t.isprintable() and not set(t) & set(".@*"))


@settings(deadline=None, max_examples=60)
@given(NAMES, NAMES, NAMES, st.text(min_size=1, max_size=12), st.none() | st.integers(1, 10**6))
def test_text_round_trip(project: str, model: str, name: str, column: str, version: int | None) -> None:
    """The text of a key parses to the same key, whatever the column's name."""
    key = IntermediateKey(project, model, name, column, version)
    assert IntermediateKey.parse(str(key)) == key


@pytest.mark.parametrize("text", ["", "a", "a.b", "a..c", ".b.c", "a.b@0.c", "a.b@x.c", "a.b@.c", "a.b@-1.c", "a*.b.c"])
def test_malformed_keys_are_refused(text: str) -> None:
    """A key that is not complete names the form that is expected."""
    with pytest.raises(InvalidInputError):
        IntermediateKey.parse(text)


def test_references_survive_json_and_are_found_where_they_lie() -> None:
    """References travel as plain values and are found inside nested arguments."""
    frame = IntermediateRef("p", "m", 2, "i", 5, 7)
    fitted = FittedRef("p", "m", 2, "model", "x.Y", 8)
    assert [ref_from_json(ref.to_json()) for ref in (frame, fitted)] == [frame, fitted]
    assert dict(find_refs({"a": [1, frame], "b": {"c": fitted}}, "x")) == {"x.a.1": frame, "x.b.c": fitted}
    with pytest.raises(InvalidInputError):
        ref_from_json({"mistique_ref": "intermediate", "project": "p"})
