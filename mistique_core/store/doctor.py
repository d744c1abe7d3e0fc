"""Whether a store can be worked with from this host: what is installed, reachable, permitted and left.

Every question is asked for itself, so that one answer does not hide another, and none changes anything: what has to be
written to find out is rolled back, or removed at once.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from mistique_core.catalogue.clock import catalogue_seconds
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.migrate import HEAD, current_schema
from mistique_core.catalogue.tables import partition, setting
from mistique_core.config import StoreConfig
from mistique_core.errors import MistiqueError
from mistique_core.native import kernels
from mistique_core.storage import STORE_ID, StorageBackend, open_backend
from mistique_core.storage.opening import PARTITIONS
from mistique_core.store.identity import IDENTITY

State = Literal["ok", "note", "problem"]

PACKAGES = (
    "mistique-airflow",
    "numpy",
    "pandas",
    "sqlalchemy",
    "h5py",
    "apache-airflow",
    "pyarrow",
    "duckdb",
    "obstore",
)
NOTED_SECONDS = 5.0
"""Clocks that differ by more are told about: nothing depends on them, but times on pages come from all three."""
REFUSED_SECONDS = 900.0
"""S3 refuses requests whose signature is older or newer than this."""
NOTED_BUFFERS = 10
"""Room is short where it is for fewer full buffers than this."""


@dataclass(frozen=True)
class Finding:
    """What one question found.

    Attributes
    ----------
    check
        The question.
    state
        ``ok``; ``note`` where everything works, but not as well as it could; ``problem`` where something does not.
    what
        One sentence, with the value.
    remedy
        What to do; empty where there is nothing to do.
    """

    check: str
    state: State
    what: str
    remedy: str = ""


def examine(config: StoreConfig, *, writes: bool = True) -> list[Finding]:
    """Return what there is to say about a store, in the order in which it would be opened.

    Parameters
    ----------
    config
        Its settings. Neither a folder nor a catalogue is created.
    writes
        Whether this host is to write; else it is no problem that it may not.
    """
    found = [_versions(), _kernels()]
    with ExitStack() as opened:
        catalogue = _opened_catalogue(config, found)
        if catalogue is not None:
            opened.callback(catalogue.close)
            found += _of_catalogue(catalogue, writes)
        backend = _opened_backend(config, found)
        if backend is not None:
            opened.callback(backend.close)
            found += _of_storage(config, backend, catalogue, writes)
            found += _clocks(config, backend, catalogue)
        found += _free_space(config)
    return found


def _versions() -> Finding:
    known = []
    for name in PACKAGES:
        try:
            known.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            known.append(f"no {name}")
    return Finding("versions", "ok", f"Python {platform.python_version()}, {', '.join(known)}")


def _kernels() -> Finding:
    if kernels is not None:
        return Finding("kernels", "ok", "the compiled loops are there")
    return Finding(
        "kernels",
        "note",
        "the compiled loops are not there; NumPy gives the same bytes, more slowly",
        "install a C compiler and install the package again, and leave $MISTIQUE_KERNELS unset",
    )


def _tried(check: str, remedy: str, ask: Callable[[], str], *, refused: State = "problem") -> Finding:
    """Return what a question found, an error of it included."""
    try:
        return Finding(check, "ok", ask())
    except (MistiqueError, OSError, sa.exc.SQLAlchemyError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        return Finding(check, refused, lines[0], remedy)


def _opened_catalogue(config: StoreConfig, found: list[Finding]) -> Catalogue | None:
    file = _catalogue_file(config)
    if file is not None and not file.is_file():
        what = f"there is no file {file}"
        found.append(Finding("catalogue", "problem", what, "give --store FOLDER of a store, or run a pipeline first"))
        return None
    try:
        catalogue = Catalogue(config.catalogue_url, config.busy_seconds)
    except MistiqueError as error:
        found.append(Finding("catalogue", "problem", str(error), "correct --catalogue or $MISTIQUE_CATALOGUE_URL"))
        return None

    def ask() -> str:
        with catalogue.read() as connection:
            connection.execute(sa.select(1)).scalar_one()
            version = ".".join(str(part) for part in connection.dialect.server_version_info or ())
        return f"{catalogue.shown_url} answers ({catalogue.dialect} {version})"

    remedy = "start the server or correct the address; with PostgreSQL, 'pg_isready' says whether it takes connections"
    found.append(_tried("catalogue", remedy, ask))
    if found[-1].state == "ok":
        return catalogue
    catalogue.close()
    return None


def _of_catalogue(catalogue: Catalogue, writes: bool) -> Iterator[Finding]:
    try:
        current = current_schema(catalogue)
    except MistiqueError as error:
        yield Finding("schema", "problem", str(error), "grant this user SELECT on the catalogue's tables")
        return
    if current is None:
        remedy = "open it once with Mistique.open(), by a user who may create tables"
        yield Finding("schema", "problem", f"the catalogue has no tables; version {HEAD} is expected", remedy)
        return
    if current > HEAD:
        yield Finding("schema", "problem", f"the schema {current} is newer than {HEAD}", "upgrade mistique-airflow")
        return
    if current < HEAD:
        remedy = "make a backup, then open it once with Mistique.open(), by a user who may alter tables"
        yield Finding("schema", "note", f"the schema {current} is older than {HEAD}; opening upgrades it", remedy)
    else:
        yield Finding("schema", "ok", f"the schema is {current}")

    def read() -> str:
        with catalogue.read() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(partition)).scalar_one()
        return f"this user may read it; it knows {count} partitions"

    def write() -> str:
        with catalogue.engine.connect() as connection, connection.begin() as transaction:
            connection.execute(sa.insert(setting).values(name="doctor", value="rolled back"))
            transaction.rollback()
        return "this user may write it"

    yield _tried("catalogue, reading", "grant this user SELECT on the catalogue's tables", read)
    remedy = (
        "grant this user INSERT, UPDATE and DELETE on the tables, or write access to the catalogue's file and folder"
    )
    yield _tried("catalogue, writing", remedy, write, refused="problem" if writes else "note")


def _opened_backend(config: StoreConfig, found: list[Finding]) -> StorageBackend | None:
    if config.folder is not None and not (config.folder / PARTITIONS).is_dir():
        what = f"there is no folder {config.folder / PARTITIONS}"
        found.append(Finding("storage", "problem", what, "give --store FOLDER of a store, or mount its disk"))
        return None
    try:
        return open_backend(config.location)
    except MistiqueError as error:
        remedy = "correct the address, $AWS_ENDPOINT_URL and the credentials, or start the server"
        found.append(Finding("storage", "problem", str(error).splitlines()[0], remedy))
        return None


def _of_storage(
    config: StoreConfig, backend: StorageBackend, catalogue: Catalogue | None, writes: bool
) -> Iterator[Finding]:
    def reach() -> str:
        beside_bytes = backend.get_text(STORE_ID)
        return f"{config.location} answers" + ("" if beside_bytes else ", and holds no store yet")

    yield _tried("storage", "mount the disk, or start the server and correct address and credentials", reach)
    if catalogue is not None:
        yield from _belonging(backend, catalogue)

    def write() -> str:
        backend.clock_seconds()
        return "this user may write and delete files"

    yield _tried(
        "storage, writing",
        "give this user write access to the folder, or s3:PutObject and s3:DeleteObject below the prefix",
        write,
        refused="problem" if writes else "note",
    )


def _belonging(backend: StorageBackend, catalogue: Catalogue) -> Iterator[Finding]:
    """Ask whether catalogue and storage are two halves of one store."""
    try:
        with catalogue.read() as connection:
            identity = connection.scalar(sa.select(setting.c.value).where(setting.c.name == IDENTITY))
            newest = connection.scalar(sa.select(partition.c.name).order_by(partition.c.id.desc()).limit(1))
        beside_bytes = (backend.get_text(STORE_ID) or "").strip()
    except MistiqueError as error:
        yield Finding("one store", "problem", str(error).splitlines()[0], "see the findings above")
        return
    if identity and beside_bytes and identity != beside_bytes:
        what = f"the catalogue is that of store {identity[:8]}, the files those of {beside_bytes[:8]}"
        yield Finding("one store", "problem", what, "open both as they were first opened")
    elif newest is not None:

        def read() -> str:
            backend.get_range(newest, 0, 8)
            return f"the newest partition, {newest[:12]}, can be read"

        remedy = "give this user read access, or restore the files; 'mistique check' lists all that is missing"
        yield _tried("storage, reading", remedy, read)


def _clocks(config: StoreConfig, backend: StorageBackend, catalogue: Catalogue | None) -> Iterator[Finding]:
    remedy = "synchronise the hosts' clocks, for example with chrony"
    others: list[tuple[str, Callable[[], float]]] = [("storage", backend.clock_seconds)]
    if catalogue is not None and catalogue.dialect == "postgresql":

        def of_catalogue() -> float:
            assert catalogue is not None
            with catalogue.read() as connection:
                return catalogue_seconds(connection)

        others.append(("catalogue", of_catalogue))
    for name, ask in others:
        before = time.time()
        try:
            theirs = ask()
        except MistiqueError:
            continue  # that it may not be written to is a finding of its own
        after = time.time()
        apart = max(before - theirs - 1.0, theirs - after, 0.0)  # files are stamped to about a second
        what = f"the {name}'s clock and this host's are {apart:.0f} s apart"
        signed = name == "storage" and config.folder is None
        if signed and apart > REFUSED_SECONDS:
            yield Finding(f"clock of the {name}", "problem", f"{what}; S3 refuses such requests", remedy)
        else:
            far = apart > NOTED_SECONDS
            yield Finding(f"clock of the {name}", "note" if far else "ok", what, remedy if far else "")


def _free_space(config: StoreConfig) -> Iterator[Finding]:
    for name, folder in _folders(config):
        if not folder.is_dir():
            continue
        free = shutil.disk_usage(folder).free
        what = f"{free / 1e9:.1f} GB are free for the {name} in {folder}"
        remedy = "make room: 'mistique materialize', 'mistique delete' and 'mistique gc', or a larger disk"
        state: State = "ok"
        if free < config.buffer_bytes:
            state, what = "problem", f"{what}, less than one buffer ({config.buffer_bytes / 1e9:.1f} GB)"
        elif free < NOTED_BUFFERS * config.buffer_bytes:
            state = "note"
        yield Finding(f"room for the {name}", state, what, "" if state == "ok" else remedy)


def _folders(config: StoreConfig) -> Sequence[tuple[str, Path]]:
    """Return the folders that grow, on different disks."""
    folders = [] if config.folder is None else [("store", config.folder)]
    file = _catalogue_file(config)
    if file is not None and file.parent.is_dir():
        apart = not any(folder.is_dir() and _same_disk(folder, file.parent) for _, folder in folders)
        if apart:
            folders.append(("catalogue", file.parent))
    return folders


def _catalogue_file(config: StoreConfig) -> Path | None:
    """Return the file of a catalogue in SQLite."""
    try:
        url = sa.make_url(config.catalogue_url)
    except (sa.exc.ArgumentError, ValueError):
        return None
    return Path(url.database).absolute() if url.get_backend_name() == "sqlite" and url.database else None


def _same_disk(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev
