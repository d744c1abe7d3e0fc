"""YAML gives JSON values only, with lines; what could hurt is refused."""

import pytest

from mistique_core.workflows.specification.document import MAX_CHARACTERS, Document, read_document
from mistique_core.workflows.specification.problem import WorkflowSpecificationError


def read(text: str) -> Document:
    return read_document(text, "x.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1.", 1.0),
        (".5", 0.5),
        ("-3", -3),
        ("0x10", 16),
        ("0o17", 15),
        ("012", 12),
        ("true", True),
        ("null", None),
        ("~", None),
        ("on", "on"),
        ("no", "no"),
        ("2016-10-01", "2016-10-01"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("'1'", "1"),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    document = read(f"key: {text}")
    document.check()
    found = document.value["key"]
    assert (found, type(found)) == (value, type(value))


def test_lines_of_keys_and_items() -> None:
    document = read("# first\na:\n  b: 1\n\n  c:\n    - x\n    - y: 2\n")
    paths = [("a",), ("a", "b"), ("a", "c"), ("a", "c", 0), ("a", "c", 1, "y")]
    assert [document.line(path) for path in paths] == [2, 3, 5, 6, 7]
    assert document.line(("a", "nothing", "there")) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.yaml:1: the file is empty"),
        ("a: [", "x.yaml:2: this is not YAML"),
        ("a: 1\nb: c: d", "x.yaml:2: this is not YAML: mapping values are not allowed"),
        ("--- 1\n--- 2", "x.yaml:2: this is not YAML: expected a single document"),
        ("a: \x00", "x.yaml:1: this is not YAML"),
        ("a: 1\na: 2", "x.yaml:2: a: this key is there already, in line 1"),
        ("1: x", "x.yaml:1: the key 1 is not text; put it in quotes"),
        ("[a]: x", "x.yaml:1: the key a sequence is not text"),
        ("a: .inf", "x.yaml:1: a: '.inf' is not a JSON value"),
        ("a: 1e999", "x.yaml:1: a: '1e999' is not a JSON value"),
        ("a: !!int foo", "x.yaml:1: a: 'foo' is not a JSON value"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "x.yaml:1: a: the tag 'tag:yaml.org,2002:python/object/apply:os.system'",
        ),
        ("a: !!binary aGk=", "x.yaml:1: a: the tag 'tag:yaml.org,2002:binary' is not allowed"),
        ("a: *b", "x.yaml:1: this is not YAML: found undefined alias"),
        ("[" * 3000, "x.yaml:"),
        ("[" * 60 + "]" * 60, "x.yaml:1: values lie more than 50 levels deep"),
        ("a: &a [*a]", "x.yaml:1: "),
        ("x" * (MAX_CHARACTERS + 1), "x.yaml:1: the file has 1,000,001 characters"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(WorkflowSpecificationError) as caught:
        read(text).check()
    assert str(caught.value).startswith(message)


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(WorkflowSpecificationError, match="use fewer aliases"):
        read("\n".join(lines))


def test_aliases_can_be_used() -> None:
    document = read("a: &a {b: 1}\nc: *a")
    document.check()
    assert document.value == {"a": {"b": 1}, "c": {"b": 1}}
