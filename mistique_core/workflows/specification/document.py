"""Reading YAML as JSON values, with the line of every key.

PyYAML composes the nodes; the values are made here, from the types of YAML 1.2 that JSON has too. So ``1e-4``
is a number and ``on``, ``no`` and ``2016-10-01`` are texts, and no tag can name a class.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from mistique_core.workflows.specification.problem import (
    DocumentError,
    Path,
    Problem,
    WorkflowSpecificationError,
)

MAX_CHARACTERS = 1_000_000
MAX_VALUES = 50_000
"""Values that a document may hold, aliases counted each time: a few lines of them can stand for billions."""
MAX_DEPTH = 50
TOO_DEEP = f"values lie more than {MAX_DEPTH} levels deep; write them flatter"
_MOST_CHARACTER_BYTES = 4

_TAG = "tag:yaml.org,2002:"
_SCALARS = ("str", "null", "bool", "int", "float")
_RESOLVERS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
)


@dataclass
class Document:
    """A YAML document.

    Attributes
    ----------
    source
        Name of the file, for people.
    value
        Its content as JSON values.
    lines
        Path of a key or item -> its line, from 1.
    problems
        What was found wrong so far.
    error
        What is raised if anything is wrong.
    """

    source: str
    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    error: type[DocumentError] = WorkflowSpecificationError

    def line(self, path: Path) -> int:
        """Return the line of a path, or of the nearest part of it that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def report(self, path: Path, text: str, *, at: Path | None = None) -> None:
        """Note that something is wrong at a path; `at` is where its line is taken from, if not there."""
        self.problems.append(Problem(self.line(path if at is None else at), ".".join(map(str, path)), text))

    def check(self) -> None:
        """Raise if anything is wrong.

        Raises
        ------
        DocumentError
            With all problems, of the class :attr:`error`.
        """
        if self.problems:
            raise self.error(self.source, self.problems)


def read_source(file: FilePath, error: type[DocumentError], most_characters: int = MAX_CHARACTERS) -> str:
    """Return the text of a file; no more of it is read than a document may have.

    Parameters
    ----------
    file
        UTF-8.
    error
        What to raise if it is no text, or too long.
    most_characters
        Most that may be there.

    Raises
    ------
    OSError
        If it cannot be read.
    DocumentError
        If it is no UTF-8, or longer; of the class `error`.
    """
    with file.open("rb") as opened:
        data = opened.read(_MOST_CHARACTER_BYTES * most_characters + 1)
    if len(data) > _MOST_CHARACTER_BYTES * most_characters:
        raise error(str(file), [Problem(1, "", f"the file is too long; write at most {most_characters:,} characters")])
    try:
        return data.decode()
    except UnicodeDecodeError as wrong:
        raise error(str(file), [Problem(1, "", f"this is not UTF-8: {wrong.reason}")]) from wrong


def read_document(
    text: str,
    source: str,
    *,
    least: str = "project, model and stages",
    error: type[DocumentError] = WorkflowSpecificationError,
    any_key: bool = False,
) -> Document:
    """Parse a document; duplicate keys and values that JSON lacks are noted as its problems.

    Parameters
    ----------
    text
        YAML.
    source
        Name of the file, for people.
    least
        What to tell whoever gives an empty file to write.
    error
        What to raise.
    any_key
        Whether a key such as ``11`` or ``no`` is taken as text rather than refused.

    Raises
    ------
    DocumentError
        If it is no YAML, or larger than what a person writes; of the class `error`.
    """
    import yaml

    document = Document(source, error=error)
    if len(text) > MAX_CHARACTERS:
        document.report((), f"the file has {len(text):,} characters; write at most {MAX_CHARACTERS:,}")
        document.check()
    try:
        check_depth(text, _loader_class())
        loader = _loader_class()(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        if node is None:
            document.report((), f"the file is empty; write at least {least}")
        else:
            document.lines[()] = node.start_mark.line + 1
            document.value = _Values(document, any_key).of(node, ())
    except yaml.YAMLError as failure:
        mark = getattr(failure, "problem_mark", None) or getattr(failure, "context_mark", None)
        line = 1 if mark is None else mark.line + 1
        reason = " ".join(
            str(item) for item in (getattr(failure, "context", None), getattr(failure, "problem", None)) if item
        )
        if not reason:
            reason = str(failure).splitlines()[0]
        document.problems.append(Problem(line, "", f"this is not YAML: {reason}"))
    except UnicodeEncodeError as failure:
        document.report((), f"{text[failure.start]!r} is no character of a text; remove it")
    except RecursionError:
        document.report((), TOO_DEEP)
    except TooLargeError as failure:
        document.report((), str(failure))
    if document.value is None:
        document.check()
    return document


class TooLargeError(Exception):
    """The document stands for more than a person writes."""


def check_depth(text: str, loader_class: Any) -> None:
    """Refuse a text whose values lie too deep, before anything follows them.

    The C parser gives one event after the other, whatever their depth; what makes nodes of them calls itself for each
    level, and ends the whole process where there are too many.

    Parameters
    ----------
    text
        YAML.
    loader_class
        A loader of PyYAML.

    Raises
    ------
    TooLargeError
        If they do.
    yaml.YAMLError
        If the text is no YAML.
    """
    import yaml

    loader = loader_class(text)
    depth = 0
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH + 1:
                    raise TooLargeError(TOO_DEEP)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    finally:
        loader.dispose()


class _Values:
    """Makes JSON values of nodes."""

    def __init__(self, document: Document, any_key: bool) -> None:
        self._document = document
        self._key_tags = _SCALARS if any_key else ("str",)
        self._count = 0

    def of(self, node: Any, path: Path) -> Any:
        """Return the value of a node, which lies at a path."""
        self._count += 1
        if self._count > MAX_VALUES:
            raise TooLargeError(f"the file stands for more than {MAX_VALUES:,} values; use fewer aliases")
        if len(path) > MAX_DEPTH:
            raise TooLargeError(TOO_DEEP)
        tag = node.tag.removeprefix(_TAG)
        if node.id == "mapping" and tag == "map":
            return self._mapping(node, path)
        if node.id == "sequence" and tag == "seq":
            items = []
            for position, item in enumerate(node.value):
                self._document.lines[*path, position] = item.start_mark.line + 1
                items.append(self.of(item, (*path, position)))
            return items
        if node.id == "scalar" and tag in _SCALARS:
            return self._scalar(tag, node.value, path)
        self._document.report(path, f"the tag {node.tag!r} is not allowed; write plain values")
        return None

    def _mapping(self, node: Any, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.id != "scalar" or key_node.tag.removeprefix(_TAG) not in self._key_tags:
                shown = key_node.value if key_node.id == "scalar" else f"a {key_node.id}"
                place = ".".join(map(str, path))
                self._document.problems.append(Problem(line, place, f"the key {shown} is not text; put it in quotes"))
                continue
            key = key_node.value
            inner = (*path, key)
            if key in values:
                first = self._document.lines[inner]
                self._document.problems.append(
                    Problem(line, ".".join(map(str, inner)), f"this key is there already, in line {first}; remove one")
                )
                continue
            self._document.lines[inner] = line
            values[key] = self.of(value_node, inner)
        return values

    def _scalar(self, tag: str, text: str, path: Path) -> Any:
        if tag == "str":
            return text
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() == "true"
        if tag == "int" and len(text) <= 30 and _matches("int", text):
            return int(text, 0 if text[:2] in ("0x", "0o") else 10)
        if tag == "float" and _matches("float", text):
            value = math.nan if text[-1] in "fFnN" else float(text)
            if math.isfinite(value):
                return value
        self._document.report(path, f"{text[:40]!r} is not a JSON value; write a text, a number, true, false or null")
        return None


def _matches(tag: str, text: str) -> bool:
    pattern = next(pattern for name, pattern, _ in _RESOLVERS if name == tag)
    return re.fullmatch(pattern, text) is not None


@cache
def _loader_class() -> Any:
    """Return PyYAML's safe loader, the one in C where there is one, with the scalar types of YAML 1.2."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own way)

    for tag, pattern, first in implicit_types():
        Loader.add_implicit_resolver(tag, pattern, first)
    return Loader


def implicit_types() -> list[tuple[str, re.Pattern[str], list[str]]]:
    """Return what PyYAML needs to know of plain scalars that are no texts: tag, pattern, first characters."""
    return [(_TAG + tag, re.compile(f"(?:{pattern})$"), list(first)) for tag, pattern, first in _RESOLVERS]
