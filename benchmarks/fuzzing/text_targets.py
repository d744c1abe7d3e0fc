"""Short texts of users: keys, names, paths, schemes, predicates and locations; and filters, which become SQL."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from random import Random

from benchmarks.fuzzing.mutation import mutate_text
from benchmarks.fuzzing.recorded_store import recorded_store
from benchmarks.fuzzing.target import WrongValueError
from mistique_core.cli.delete import parse_path as parse_deletion
from mistique_core.config import StoreConfig
from mistique_core.diagnostics.predicate import parse_predicate
from mistique_core.errors import MistiqueError
from mistique_core.model import IntermediateKey
from mistique_core.model.names import check_name
from mistique_core.modeldb.filter.parse import parse_filter
from mistique_core.modeldb.filter.write import write_filter
from mistique_core.modeldb.json_path import parse_path
from mistique_core.modeldb.search import search_runs
from mistique_core.quantizers import parse_scheme
from mistique_core.storage.backend import is_file_name
from mistique_core.storage.object_address import ObjectAddress, ObjectOptions

KEYS = (
    "homes.linear.features.area",
    "homes.linear@12.features.mean radius",
    "p.m.x.*",
    "homes.linear@3.predictions",
    "a/b.c d.e-f.g.h.i",
)
SCHEMES = ("bounded(0.25)", "kbit(8)", "pool(2)+float16", "threshold(99.5%)", "pool(S)+kbit(4)", "lossless", "float32")
PREDICATES = ("rooms>=4", 'city=="Köln"', "price!=1e5", "p.m.x.area<[1,2]")
PATHS = ("owner.name", "scores.0", "a.b.c.d.12.e")
NAMES = ("homes", "linear model", "Größe", "x" * 200)
LOCATIONS = (
    "s3://bucket/prefix/of/store",
    "/var/lib/mistique",
    "file:///var/lib/mistique",
    "https://key:secret@host:9000",
    "http://127.0.0.1:9000",
    "postgresql+psycopg://user:secret@host:5432/database?sslmode=require",
)
FILTERS = (
    "",
    "metrics.auc > 0.9 and not tags.draft order by metrics.auc desc limit 10",
    "params.depth in (1, 2, 3) or project = 'homes' and started > '2026-01-01'",
    "metadata.owner.name like '%bob%' and ended >= now - 3d",
    "not (state = 'success' or metrics.r2 is null) order by seconds, params.alpha asc",
    'metrics."mean squared error" <> -1.5e3 and type = "Ridge"',
)
_SECRET = "secret"


def _key(text: str) -> str:
    key = IntermediateKey.parse(text)
    for kind in ("project", "model", "intermediate"):
        check_name(kind, getattr(key, kind))
    if IntermediateKey.parse(str(key)) != key or not str(key).startswith(f"{key.project}.{key.model}"):
        raise WrongValueError(f"{text!r} is {key!r}, and that is {IntermediateKey.parse(str(key))!r}")
    return "key"


def _name(text: str) -> str:
    if check_name("model", text) != text or any(mark in text for mark in ".@*\0\n"):
        raise WrongValueError(f"{text!r} is taken as a name")
    return "name"


def _path(text: str) -> str:
    found = parse_path(text)
    if len(found) != len(text.split(".")):
        raise WrongValueError(f"{text!r} is {found!r}")
    return "path"


def _scheme(text: str) -> str:
    found = parse_scheme(text)
    if found is not None and str(parse_scheme(str(found))) != str(found):
        raise WrongValueError(f"{text!r} is {found}, and that is {parse_scheme(str(found))}")
    return "scheme"


def _predicate(text: str) -> str:
    column, symbol, _ = parse_predicate("where", text)
    if not column or symbol not in text:
        raise WrongValueError(f"{text!r} is {column!r} {symbol!r}")
    return "predicate"


def _deletion(text: str) -> str:
    project, model, version, _ = parse_deletion(text)
    if not project or (version is not None and (model is None or version < 1)):
        raise WrongValueError(f"{text!r} deletes {parse_deletion(text)!r}")
    return "deletion"


def _file(text: str) -> str:
    if is_file_name(text) and ("/" in text or "\\" in text or ".." in text):
        raise WrongValueError(f"{text!r} is taken as the name of a partition")
    return "file name" if is_file_name(text) else "no file name"


def _location(text: str) -> str:
    try:
        settings = StoreConfig.resolve(text, "sqlite:////nowhere/c.db")
        if settings.folder is None:
            ObjectAddress.parse(settings.location)
        ObjectOptions(endpoint=text).resolved_endpoint()
    except MistiqueError as error:
        if f":{_SECRET}@" in text and text.startswith(("s3:", "http:", "https:")) and f"{_SECRET}@" in str(error):
            raise WrongValueError(f"a message repeats a secret: {error}") from error
        raise
    return "location"


_TRIED: tuple[tuple[tuple[str, ...], Callable[[str], str]], ...] = (
    (KEYS, _key),
    (KEYS, _key),
    (KEYS, _deletion),
    (NAMES, _name),
    (PATHS, _path),
    (SCHEMES, _scheme),
    (PREDICATES, _predicate),
    (LOCATIONS, _location),
    (("0123456789abcdef" * 4 + ".h5",), _file),
)


class KeyTarget:
    """Keys and the other short texts."""

    def make(self, random: Random) -> tuple[int, str]:
        """Return which reader is tried, and its text."""
        which = random.randrange(len(_TRIED))
        return which, mutate_text(random, random.choice(_TRIED[which][0]), KEYS)

    def run(self, item: tuple[int, str]) -> str:
        """Read the text."""
        which, text = item
        try:
            return _TRIED[which][1](text)
        except MistiqueError as error:
            if len(str(error)) > 5_000 + 3 * len(text):
                raise WrongValueError(f"a message of {len(str(error))} characters") from error
            return "refused"

    def close(self) -> None:
        """Nothing is open."""


class FilterTarget:
    """Filters of runs: one that is accepted is written and read again, and asked of a catalogue."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mistique-fuzz-")
        self._store = recorded_store(self._folder.name)
        with self._store.catalogue.read() as connection:
            self._all = search_runs(connection, "").total

    def make(self, random: Random) -> tuple[str, bool]:
        """Return a filter, and whether to ask it."""
        return mutate_text(random, random.choice(FILTERS), FILTERS), random.random() < 0.5

    def run(self, item: tuple[str, bool]) -> str:
        """Parse the filter, write it, and ask it."""
        text, asks = item
        try:
            query = parse_filter(text)
        except MistiqueError:
            return "refused"
        written = write_filter(query)
        if parse_filter(written) != query:
            raise WrongValueError(f"{text!r} is {query!r}, and written as {written!r}")
        if not asks:
            return "parsed"
        try:
            with self._store.catalogue.read() as connection:
                found = search_runs(connection, query, now=1e9)
        except MistiqueError:
            return "refused when asked"
        if found.total > self._all or len(found.runs) > found.total:
            raise WrongValueError(f"{text!r} finds {found.total} of {self._all} runs")
        json.dumps(str(found))
        return "asked"

    def close(self) -> None:
        """Close the store, and remove it."""
        self._store.close()
        self._folder.cleanup()
