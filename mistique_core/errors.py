"""The one error tree: every error that MISTIQUE raises on purpose descends from :class:`MistiqueError`.

Each class groups what a caller would *do* about it, and also descends from the builtin that a
caller who does not know MISTIQUE would catch. Messages are one line: what happened, with which
value, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class MistiqueError(Exception):
    """Root of every error that MISTIQUE raises on purpose."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else self.__class__.__name__


class InvalidInputError(MistiqueError, ValueError):
    """The caller passed a value that cannot be used; nothing was written."""


class UnsupportedColumnError(InvalidInputError):
    """A column holds values that cannot be stored losslessly."""


class UntrustedTypeError(InvalidInputError):
    """A fitted object holds a type that is not on the trust list."""


class NotFoundError(MistiqueError, KeyError):
    """A project, model, version, intermediate, column or row does not exist."""


class NotMaterializedError(NotFoundError):
    """The intermediate is known but its bytes are not stored, so it cannot be READ."""


class RerunError(MistiqueError, RuntimeError):
    """An intermediate cannot be re-run, for example because its code changed."""


class RerunMismatchError(RerunError):
    """A re-run of a deterministic stage gave other values than those recorded."""


class CorruptPartitionError(MistiqueError, OSError):
    """Bytes read from a partition are not the bytes that were written."""


class RunInProgressError(InvalidInputError):
    """A run that has not ended still needs what was to be changed."""


class IllegalOperationError(InvalidInputError):
    """What was asked for is there, but is of a kind that this cannot be asked of."""


class StorageError(MistiqueError, OSError):
    """The storage backend failed to write or read bytes."""


class CatalogueError(MistiqueError, RuntimeError):
    """The catalogue database refused a statement; nothing of its transaction was written."""


class ConflictError(CatalogueError):
    """Another transaction was in the way, and nothing of this one was written; repeating it may succeed."""


class CatalogueUnavailableError(MistiqueError, ConnectionError):
    """The catalogue database cannot be reached or is locked."""


def did_you_mean(value: str, known: Iterable[str], *, shown: int = 8) -> str:
    """Return a remedy that names close or existing alternatives to an unknown `value`.

    Parameters
    ----------
    value
        What the caller asked for.
    known
        Names that exist.
    shown
        Most names to list when none is close.
    """
    names = sorted(set(known))
    if not names:
        return "nothing is stored there yet"
    close = get_close_matches(value, names, n=3, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(repr(name) for name in close) + "?"
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return "known: " + ", ".join(names[:shown]) + more
