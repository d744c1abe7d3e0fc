"""What a function computes decides its hash; how it is written down does not."""

import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from mistique_core.lineage import code_hash

BASE = '''
import math

FACTOR = 3
NAMES = {"b", "a", "c"}

def helper(x):
    return x + 1

class Scale:
    """A class that the stage uses."""

    def apply(self, x):
        return x * 2

def stage(x, power=2):
    """Say something."""
    y = helper(x) * FACTOR  # explain
    y = Scale().apply(y)
    return math.sqrt(y ** power) if "a" in NAMES else y
'''

SAME = {
    "comment": ("# explain", "# explain it otherwise"),
    "docstring": ('"""Say something."""', '"""Say something else,\n    at length."""'),
    "no docstring": ('    """Say something."""\n', ""),
    "docstring of a class": ('"""A class that the stage uses."""', '"""Another text."""'),
    "whitespace": ("helper(x) * FACTOR", "(  helper( x )\n        * FACTOR )"),
    "moved down": ("def stage(", "def unrelated():\n    return 5\n\n\ndef stage("),
    "unused constant": ("FACTOR = 3", "FACTOR = 3\nOTHER = 4"),
    "order of a set": ('{"b", "a", "c"}', '{"c", "b", "a"}'),
}
DIFFERENT = {
    "body": ("else y", "else -y"),
    "operator": ("* FACTOR", "+ FACTOR"),
    "default": ("power=2", "power=3"),
    "constant": ("FACTOR = 3", "FACTOR = 4"),
    "type of a constant": ("FACTOR = 3", "FACTOR = 3.0"),
    "member of a set": ('"c"}', '"d"}'),
    "helper": ("return x + 1", "return x + 2"),
    "method of a class": ("return x * 2", "return x * 3"),
    "argument": ("def stage(x, power=2)", "def stage(x, power=2, more=0)"),
}
numbers = itertools.count()


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[..., ModuleType]]:
    """Return a function that imports source text as a module."""
    made = []

    def _load(source: str, name: str | None = None) -> ModuleType:
        name = name or f"code_sample_{next(numbers)}"
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        made.append(name)
        spec.loader.exec_module(module)
        return module

    yield _load
    for name in made:
        sys.modules.pop(name, None)


def edited(edit: tuple[str, str]) -> str:
    """Return the base with one edit, which must apply."""
    assert edit[0] in BASE
    return BASE.replace(*edit)


@pytest.mark.parametrize("edit", SAME)
def test_edits_that_compute_the_same_are_hits(load: Callable[..., ModuleType], edit: str) -> None:
    """Another file, too, gives the same hash."""
    before, after = load(BASE), load(edited(SAME[edit]))
    assert code_hash(before.stage) is not None
    assert code_hash(before.stage) == code_hash(after.stage)


@pytest.mark.parametrize("edit", DIFFERENT)
def test_edits_that_compute_otherwise_are_misses(load: Callable[..., ModuleType], edit: str) -> None:
    """Whatever the function names counts as its own code."""
    assert code_hash(load(BASE).stage) != code_hash(load(edited(DIFFERENT[edit])).stage)


def test_a_default_taken_from_elsewhere_counts(load: Callable[..., ModuleType]) -> None:
    """The value of a default, not only its text."""
    source = "K = {}\n\ndef stage(x, k=K, *, j=K):\n    return x * k * j\n"
    first, second = load(source.format(1)), load(source.format(2))
    assert code_hash(first.stage) != code_hash(second.stage)


def test_a_function_of_an_imported_module_counts(load: Callable[..., ModuleType]) -> None:
    """``helpers.f(x)`` depends on f as much as ``f(x)`` does."""
    hashes = set()
    for body in ("x + 1", "x + 2"):
        load(f"def f(x):\n    return {body}\n", "helpers_sample")
        hashes.add(code_hash(load("import helpers_sample\n\ndef stage(x):\n    return helpers_sample.f(x)\n").stage))
    assert len(hashes) == 2
    assert None not in hashes


def test_a_constant_of_an_imported_module_counts(load: Callable[..., ModuleType]) -> None:
    """Settings are often kept in a module of their own."""
    hashes = set()
    for value in (1, 2):
        load(f"K = {value}\n", "settings_sample")
        hashes.add(code_hash(load("import settings_sample\n\ndef stage(x):\n    return x * settings_sample.K\n").stage))
    assert len(hashes) == 2


def test_helpers_of_one_name_are_kept_apart(load: Callable[..., ModuleType]) -> None:
    """Two modules may both have a function ``clean``."""
    stage = (
        "from first_sample import clean as one\nfrom second_sample import clean as two\n\n"
        "def stage(x):\n    return one(x) + two(x)\n"
    )
    hashes = set()
    for first, second in ((1, 2), (1, 3), (4, 2)):
        load(f"def clean(x):\n    return x + {first}\n", "first_sample")
        load(f"def clean(x):\n    return x + {second}\n", "second_sample")
        hashes.add(code_hash(load(stage).stage))
    assert len(hashes) == 3


def test_a_closure_counts(load: Callable[..., ModuleType]) -> None:
    """A function made by another one depends on what it closes over."""
    module = load("def make(k):\n    def stage(x):\n        return x * k\n    return stage\n")
    assert code_hash(module.make(2)) == code_hash(module.make(2))
    assert code_hash(module.make(2)) != code_hash(module.make(3))


def test_recursion_ends(load: Callable[..., ModuleType]) -> None:
    """Functions that call each other have a hash."""
    module = load("def a(n):\n    return b(n - 1) if n else 0\n\ndef b(n):\n    return a(n - 1) if n else 1\n")
    assert code_hash(module.a) is not None
    assert code_hash(module.a) != code_hash(module.b)


def test_unreadable_source_has_no_hash() -> None:
    """What cannot be read is never guessed."""
    scope: dict[str, Callable[..., object]] = {}
    exec("def stage(x):\n    return x", scope)
    assert code_hash(scope["stage"]) is None
    assert code_hash(len) is None
