"""Objects of the cluster's S3 server as files, so that they outlive the server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

_WRITING = ".writing"


@dataclass(frozen=True)
class KeptObject:
    """An object as it was put.

    Attributes
    ----------
    path
        ``/bucket/key``.
    headers
        Those of its put that belong to the object: type and metadata.
    body
        Its bytes.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes


class KeptObjects:
    """A folder with one file an object: a line of JSON with its headers, then its bytes.

    Parameters
    ----------
    folder
        The folder, which exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for unfinished in folder.glob(f"*{_WRITING}"):
            unfinished.unlink()

    def keep(self, item: KeptObject) -> None:
        """Write an object; it is there as a whole or not at all, whenever the process is killed."""
        file = self._file(item.path)
        writing = file.with_name(file.name + _WRITING)
        with writing.open("wb") as stream:
            stream.write(json.dumps(dict(item.headers)).encode() + b"\n")
            stream.write(item.body)
        os.replace(writing, file)  # noqa: PTH105  (one call of the system)

    def forget(self, path: str) -> None:
        """Remove an object, if it is there."""
        self._file(path).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[KeptObject]:
        for file in sorted(self._folder.iterdir()):
            headers, _, body = file.read_bytes().partition(b"\n")
            yield KeptObject(unquote(file.name), json.loads(headers), body)

    def _file(self, path: str) -> Path:
        return self._folder / quote(path, safe="")
