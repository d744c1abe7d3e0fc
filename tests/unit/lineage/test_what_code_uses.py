"""Whatever a function uses of its project counts; what cannot be known forbids reuse."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from mistique_core.lineage import code_hash, library_versions

HELPERS = """
import functools
from dataclasses import dataclass

import numpy as np

def clean(x):
    return x + 1

def scaled(x, k=1):
    return x * k

def times(function):
    @functools.wraps(function)
    def wrapper(*args):
        return 2 * function(*args)
    return wrapper

class Base:
    def step(self):
        return 5

@dataclass
class Config:
    limit: float
"""
STAGE = """
import functools
import numpy as np
import PACKAGE
from PACKAGE import helpers
from PACKAGE.helpers import Base, Config, scaled, times

CONFIG = Config(1.0)
WEIGHTS = np.array([1.0, 2.0])
TRIPLE = functools.partial(scaled, k=3)

def imports_inside(x):
    from PACKAGE.helpers import clean
    return clean(x)

def names_a_submodule(x):
    return PACKAGE.helpers.clean(x)

def calls_a_partial(x):
    return TRIPLE(x)

@times
def is_wrapped(x):
    return x

class Derived(Base):
    pass

def uses_a_derived_class(x):
    return Derived().step()

def uses_an_instance(x):
    return x * CONFIG.limit

def uses_an_array(x):
    return x * WEIGHTS

def fits_with_a_library_inside(x):
    return through_a_helper(x)

def through_a_helper(x):
    import sqlalchemy
    return sqlalchemy.__name__
"""
EDITS = {
    "imports_inside": ("return x + 1", "return x + 2"),
    "names_a_submodule": ("return x + 1", "return x + 2"),
    "calls_a_partial": ("return x * k", "return x / k"),
    "is_wrapped": ("return 2 * function", "return 3 * function"),
    "uses_a_derived_class": ("return 5", "return 6"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("lineage_sample")]:
        del sys.modules[name]


def build(folder: Path, name: str, helpers: str = HELPERS) -> ModuleType:
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helpers.py").write_text(helpers)
    (package / "stage.py").write_text(STAGE.replace("PACKAGE", name))
    importlib.invalidate_caches()
    return importlib.import_module(f"{name}.stage")


def neutral(module: ModuleType, name: str) -> str | None:
    """Hash with the package's own name taken out of the account: both packages are called the same."""
    return code_hash(getattr(module, name))


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_what_is_used_is_a_miss(folder: Path, name: str) -> None:
    before = neutral(build(folder, "lineage_sample"), name)
    for module in [module for module in sys.modules if module.startswith("lineage_sample")]:
        del sys.modules[module]
    (folder / "lineage_sample").rename(folder / "old")
    same = neutral(build(folder, "lineage_sample"), name)
    for module in [module for module in sys.modules if module.startswith("lineage_sample")]:
        del sys.modules[module]
    (folder / "lineage_sample").rename(folder / "older")
    after = neutral(build(folder, "lineage_sample", HELPERS.replace(*EDITS[name])), name)
    assert before is not None
    assert same == before
    assert after is not None
    assert after != before


@pytest.mark.parametrize("name", ["uses_an_instance", "uses_an_array"])
def test_a_global_without_an_identity_forbids_reuse(folder: Path, name: str) -> None:
    assert neutral(build(folder, "lineage_sample"), name) is None


def test_a_library_that_only_a_helper_uses_counts(folder: Path) -> None:
    module = build(folder, "lineage_sample")
    assert "sqlalchemy" in library_versions((module.fits_with_a_library_inside,), ())


def test_source_that_was_edited_after_the_import_forbids_reuse(folder: Path) -> None:
    module = build(folder, "lineage_sample")
    assert code_hash(module.helpers.clean) is not None
    file = folder / "lineage_sample" / "helpers.py"
    file.write_text(HELPERS.replace("return x + 1", "return x + 1000"))
    assert code_hash(module.helpers.clean) is None
