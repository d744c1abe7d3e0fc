"""Names of projects, models and intermediates, checked where they enter."""

from __future__ import annotations

from mistique_core.errors import InvalidInputError

RESERVED = ".@*"
MAX_CHARACTERS = 200


def check_name(kind: str, name: object) -> str:
    """Return `name` if it can be part of a key.

    Raises
    ------
    InvalidInputError
        If it is not a non-empty string of at most 200 printable characters without ``. @ *``.
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidInputError(f"{kind} {name!r} is not a name; give a non-empty string")
    bad = sorted({c for c in name if c in RESERVED or not c.isprintable()})
    if bad:
        raise InvalidInputError(
            f"{kind} {name!r} contains {' '.join(map(repr, bad))}, which separate the parts of a key; use '_' instead"
        )
    if len(name) > MAX_CHARACTERS:
        raise InvalidInputError(f"{kind} {name[:20]!r}... has {len(name)} characters; use at most {MAX_CHARACTERS}")
    return name
