"""Configuration of a store: where its bytes and its catalogue live, and how frames are cut."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mistique_core.errors import InvalidInputError, did_you_mean

HOME_VARIABLE = "MISTIQUE_HOME"
CATALOGUE_VARIABLE = "MISTIQUE_CATALOGUE_URL"
VARIABLE_PREFIX = "MISTIQUE_"
DEFAULT_HOME = "~/.mistique"
CATALOGUE_FILE = "catalogue.db"
OBJECT_SCHEME = "s3://"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,19}://")


@dataclass(frozen=True)
class StoreConfig:
    """Settings of one store, resolved once when it is opened.

    Attributes
    ----------
    location
        What holds the partitions: the absolute path of a folder (which by default holds the SQLite
        catalogue too), or ``s3://bucket/prefix``.
    catalogue_url
        SQLAlchemy URL of the catalogue.
    block_rows
        Rows in a row block of a table (the last one may be shorter).
    partition_bytes
        Encoded bytes after which a buffered partition is closed and written.
    zstd_level
        Zstandard level of every chunk, 1 to 19.
    cache_bytes
        Upper bound of decoded chunks kept in memory for the next query.
    busy_seconds
        Seconds to wait for a locked catalogue before giving up.
    buffer_bytes
        Bytes of values that a session collects before it writes them.
    exact_dedup
        Whether a chunk that is stored already is left out. Switched off, it is written again and the
        copy is dead until ``compact``; answers are the same.
    approximate_dedup
        Whether a chunk of a table may be stored as its difference to a similar one. Needs datasketch;
        where that is not installed, the default is off.
    budget_bytes
        Encoded bytes that everything which can be re-run may take together once policies have been applied;
        ``None`` for any. ``mistique materialize --all`` enforces it, for every process.
    stream_bytes
        Bytes of values of a row-wise stage's inputs from which on it is run row block by row block.
    """

    location: str
    catalogue_url: str = field(repr=False)  # may hold a password
    block_rows: int = 65_536
    partition_bytes: int = 32 * 1024 * 1024
    zstd_level: int = 3
    cache_bytes: int = 256 * 1024 * 1024
    busy_seconds: float = 30.0
    buffer_bytes: int = 256 * 1024 * 1024
    exact_dedup: bool = True
    approximate_dedup: bool = True
    budget_bytes: int | None = None
    stream_bytes: int = 1024 * 1024 * 1024

    def __post_init__(self) -> None:
        for name in ("block_rows", "partition_bytes"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidInputError(f"{name}={value!r} is not a positive integer; give a number of at least 1")
        for name in ("exact_dedup", "approximate_dedup"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidInputError(f"{name}={getattr(self, name)!r} is neither True nor False")
        for name in ("zstd_level", "cache_bytes", "busy_seconds", "buffer_bytes", "stream_bytes"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not value >= 0:
                raise InvalidInputError(f"{name}={value!r} is not a number from 0; give a number")
        budget = self.budget_bytes
        if budget is not None and (not isinstance(budget, int) or isinstance(budget, bool) or budget < 0):
            raise InvalidInputError(f"budget_bytes={budget!r} is not a number of bytes from 0; give one, or None")
        if not 1 <= self.zstd_level <= 19:
            raise InvalidInputError(f"zstd_level={self.zstd_level!r} is outside 1..19; 3 is the default")

    @property
    def folder(self) -> Path | None:
        """The location as a folder; ``None`` on object storage."""
        return None if self.location.startswith(OBJECT_SCHEME) else Path(self.location)

    @classmethod
    def resolve(cls, location: str | os.PathLike[str] | None, catalogue_url: str | None, **config: Any) -> StoreConfig:
        """Fill what the caller left out from the environment.

        Parameters
        ----------
        location
            Folder of the store, or ``s3://bucket/prefix``; default ``$MISTIQUE_HOME``, then ``~/.mistique``.
        catalogue_url
            SQLAlchemy URL; default ``$MISTIQUE_CATALOGUE_URL`` (only when `location` comes from the
            environment too, or is no folder), then a SQLite file inside `location`.
        **config
            Any other field of this class; default ``$MISTIQUE_`` and its name in capitals, such as
            ``$MISTIQUE_CACHE_BYTES``.

        Raises
        ------
        InvalidInputError
            If a setting is unknown or out of range, if the location is neither a folder nor an
            ``s3://`` URL, or if it is the latter and no catalogue is named.
        """
        known = {field.name for field in fields(cls)} - {"location", "catalogue_url"}
        for name in config:
            if name not in known:
                raise InvalidInputError(f"unknown setting {name!r} of a store; {did_you_mean(name, known)}")
        config = {**_from_environment(known), **config}
        place = _place(os.fspath(location) if location is not None else os.environ.get(HOME_VARIABLE) or DEFAULT_HOME)
        is_object = place.startswith(OBJECT_SCHEME)
        if not catalogue_url and (location is None or is_object):
            catalogue_url = os.environ.get(CATALOGUE_VARIABLE)
        if not catalogue_url and is_object:
            raise InvalidInputError(
                f"a store in {place} needs a catalogue elsewhere; give catalogue_url or set ${CATALOGUE_VARIABLE}, for "
                "example to postgresql+psycopg://user@host/database"
            )
        return cls(location=place, catalogue_url=catalogue_url or f"sqlite:///{place}/{CATALOGUE_FILE}", **config)


def _from_environment(names: Iterable[str]) -> dict[str, Any]:
    """Return the settings that environment variables give."""
    found: dict[str, Any] = {}
    for name in names:
        variable = VARIABLE_PREFIX + name.upper()
        text = os.environ.get(variable, "").strip()
        if not text:
            continue
        try:
            found[name] = json.loads(text)
        except ValueError as error:
            raise InvalidInputError(f"${variable}={text!r} is neither a number nor true or false") from error
    return found


def _place(text: str) -> str:
    """Return an absolute path, or an ``s3://`` URL without anything that may be secret."""
    if text.startswith(OBJECT_SCHEME):
        if any(mark in text for mark in "@?#"):
            raise InvalidInputError(
                "the location is an s3:// URL with '@', '?' or '#'; give s3://bucket/prefix, and credentials by "
                "$AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY"
            )
        return text.rstrip("/")
    if "://" in text and not text.startswith("file://"):
        scheme = _SCHEME.match(text)
        shown = f" {scheme[0]}..." if scheme else ""  # nothing else of it: a password may stand anywhere
        raise InvalidInputError(
            f"location{shown} is neither a folder nor object storage; give a path such as './mistique', or "
            "s3://bucket/prefix"
        )
    return str(Path(text.removeprefix("file://")).expanduser().absolute())
