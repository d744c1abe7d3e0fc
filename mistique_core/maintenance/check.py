"""Checking a store: its structure, and, when asked, every byte."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import sqlalchemy as sa

from mistique_core.catalogue.chunks import chunks_by_id
from mistique_core.catalogue.database import Catalogue, upsert
from mistique_core.catalogue.tables import chunk, partition, setting
from mistique_core.dedup import bytes_hash
from mistique_core.errors import CorruptPartitionError, InvalidInputError
from mistique_core.maintenance.damage import Damage, describe
from mistique_core.maintenance.problems import CheckReport, Problem
from mistique_core.maintenance.progress import Progress, no_progress
from mistique_core.maintenance.structure import check_structure
from mistique_core.maintenance.subset import choose_subset, resume_after
from mistique_core.maintenance.verify import BaseReader, decode_verified, frames_in
from mistique_core.storage import StorageBackend

_RESUME = "check_resume"


def check(
    catalogue: Catalogue,
    backend: StorageBackend,
    *,
    read_data: bool = False,
    subset: str | None = None,
    max_seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    progress: Progress = no_progress,
) -> CheckReport:
    """Check a store; nothing of it is changed.

    Parameters
    ----------
    catalogue, backend
        The store.
    read_data
        Whether to read every partition, and to compare it with its name and each chunk with its address.
    subset
        Read only a part: ``n/t`` or ``x%``, see :func:`mistique_core.maintenance.subset.choose_subset`;
        implies `read_data`.
    max_seconds
        Read for so long at most, but at least one partition; implies `read_data`. The next such check
        goes on where this one stopped.
    clock
        Seconds.
    progress
        Told (done, total) bytes.

    Raises
    ------
    InvalidInputError
        If `subset` or `max_seconds` is malformed.
    CatalogueUnavailableError
        If the catalogue cannot be read.
    StorageError
        If the files cannot be listed or read.
    """
    if max_seconds is not None and not max_seconds >= 0:
        raise InvalidInputError(f"max_seconds={max_seconds!r} is not a number from 0; give seconds")
    choose_subset({}, subset)
    report = check_structure(catalogue, backend)
    if not read_data and subset is None and max_seconds is None:
        return report
    with catalogue.read() as connection:
        sizes = {str(row.name): int(row.bytes) for row in connection.execute(sa.select(partition))}
        last = connection.scalar(sa.select(setting.c.value).where(setting.c.name == _RESUME))
    names = choose_subset(sizes, subset)
    damage = Damage()
    if max_seconds is None:
        done = _read(catalogue, backend, names, sizes, damage, lambda: False, progress)
    else:
        until = clock() + max_seconds
        names = resume_after(names, last)
        done = _read(catalogue, backend, names, sizes, damage, lambda: clock() >= until, progress)
        if done:
            with catalogue.write() as connection:
                upsert(connection, setting, {"name": _RESUME}, {"value": done[-1]})
    return replace(
        report,
        problems=(*report.problems, *describe(catalogue, backend, damage)),
        covered=len(done),
        covered_bytes=sum(sizes[name] for name in done),
        is_complete=len(done) == len(names),
    )


def _read(
    catalogue: Catalogue,
    backend: StorageBackend,
    names: Iterable[str],
    sizes: dict[str, int],
    damage: Damage,
    is_over: Callable[[], bool],
    progress: Progress,
) -> list[str]:
    """Read partitions until there are no more or the time is over; return their names."""
    bases = BaseReader(backend)
    names = list(names)
    total, read_bytes = sum(sizes[name] for name in names), 0
    done: list[str] = []
    for name in names:
        if done and is_over():
            break
        _read_partition(catalogue, backend, name, bases, damage)
        done.append(name)
        read_bytes += sizes[name]
        progress(read_bytes, total)
    return done


def _read_partition(
    catalogue: Catalogue, backend: StorageBackend, name: str, bases: BaseReader, damage: Damage
) -> None:
    """Read one file; what was moved or deleted since it was listed is passed over."""
    try:
        data = backend.get_range(name, 0, backend.size(name))
    except CorruptPartitionError:
        data = b""
    with catalogue.read() as connection:
        row = connection.execute(sa.select(partition).where(partition.c.name == name)).first()
        if row is None:
            return
        ids = [int(item) for item in connection.scalars(sa.select(chunk.c.id).where(chunk.c.partition_id == row.id))]
        if not data:
            damage.files[name] = ids
            return
        lost = 0
        for item in chunks_by_id(connection, ids).values():
            try:
                base = bases.read(connection, item)
            except CorruptPartitionError:
                continue  # the damage is reported with the chunk that it is a difference to
            try:
                decode_verified(item.location, frames_in(item.location, data), base)
            except CorruptPartitionError:
                damage.chunks[item.id] = (name, item.address)
                lost += 1
    if not lost and f"{bytes_hash(data).hex()}.h5" != name:
        what = f"partition {name} is damaged outside of its {len(ids)} chunks, which are all whole: it costs no value"
        damage.others.append(Problem("damaged file", what, f"run 'mistique compact --rewrite {name}'"))
