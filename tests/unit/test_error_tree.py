"""The error tree: one root, and beside it the builtin that a stranger would catch."""

import inspect

import pytest

from mistique_core import errors

BUILTIN = {
    "InvalidInputError": ValueError,
    "UnsupportedColumnError": ValueError,
    "UntrustedTypeError": ValueError,
    "RunInProgressError": ValueError,
    "IllegalOperationError": ValueError,
    "NotFoundError": KeyError,
    "NotMaterializedError": KeyError,
    "RerunError": RuntimeError,
    "RerunMismatchError": RuntimeError,
    "CorruptPartitionError": OSError,
    "StorageError": OSError,
    "CatalogueError": RuntimeError,
    "ConflictError": RuntimeError,
    "CatalogueUnavailableError": ConnectionError,
}
CLASSES = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if value.__module__ == errors.__name__ and value is not errors.MistiqueError
]


def test_table_names_every_class() -> None:
    """A class that is added without a builtin fails here."""
    assert {cls.__name__ for cls in CLASSES} == set(BUILTIN)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_class_has_the_root_and_its_builtin(cls: type[Exception]) -> None:
    """A caller can catch the root, or the builtin without knowing MISTIQUE."""
    assert issubclass(cls, errors.MistiqueError)
    assert issubclass(cls, BUILTIN[cls.__name__])


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_text_is_the_plain_message(cls: type[Exception]) -> None:
    """KeyError would print the repr of its message."""
    message = "project 'a' does not exist; did you mean 'b'?"
    assert str(cls(message)) == message


def test_did_you_mean_names_the_close_one() -> None:
    """The remedy holds the closest name, and otherwise what exists."""
    assert "'scaled'" in errors.did_you_mean("scalde", ["scaled", "raw"])
    assert "raw" in errors.did_you_mean("zzzz", ["scaled", "raw"])
    many = [f"name{number}" for number in range(30)]
    assert f"{len(many) - 8} more" in errors.did_you_mean("zzz", many)
